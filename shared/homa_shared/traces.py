"""OpenTelemetry traces of jobs: which jobs are traced, and where their spans go.

The context of a traced job, a W3C `traceparent`, is kept in its request: every process that works on the job makes its
spans children of the one that submitted it. Nothing of OpenTelemetry is imported while the setting `traces` is 0.

An application's own tracer provider is used where there is one, with its exporters and its sampler; else spans go to a
collector by OTLP over HTTP, as OTEL_EXPORTER_OTLP_ENDPOINT and its siblings say.

Names and attributes: OpenTelemetry's conventions for messaging (1.44) and for generative AI (in development).
https://opentelemetry.io/docs/specs/semconv/ and https://github.com/open-telemetry/semantic-conventions-genai
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING

from homa_shared.model.errors import MissingExtra

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import TracerProvider as SdkProvider
    from opentelemetry.trace import SpanKind, Tracer, TracerProvider

#: Values of attributes as OpenTelemetry takes them.
Attributes = Mapping[str, str | int | float | bool | list[str]]

#: What `messaging.system` says of spans of the queue.
SYSTEM = "homa"


class Traces:
    """Decides which jobs are traced, and makes their spans.

    Args:
        share: of the jobs that begin a trace of their own, 0 to 1. One that is submitted within a trace is traced if
            that is.
        service: what the process is called where its environment does not say (OTEL_SERVICE_NAME).

    Raises:
        MissingExtra: OpenTelemetry is not installed.
    """

    def __init__(self, share: float, service: str) -> None:
        try:
            from opentelemetry import trace
        except ImportError as error:
            raise MissingExtra("traces", "otel") from error
        self._share = share
        self._api = trace
        self.tracer: Tracer = _provider(service).get_tracer("homa")

    def wanted(self) -> bool:
        """Whether a job that is submitted now is traced: as the present trace is, else by the share."""
        present = self._api.get_current_span().get_span_context()
        if present.is_valid:
            return present.trace_flags.sampled
        return random.random() < self._share

    def created(self, job: str, queue: str, attributes: Attributes, began_ns: int | None = None) -> str:
        """A job is created: makes its span, ended now, and returns its context as `traceparent`.

        Returns:
            Empty where the sampler of the application's provider leaves it out.
        """
        said = {**_messaging("create", queue, job), **attributes}
        kind = self._api.SpanKind.PRODUCER
        span = self.tracer.start_span(f"create {queue}", kind=kind, attributes=said, start_time=began_ns)
        span.end()
        found = span.get_span_context()
        if not found.trace_flags.sampled:
            return ""
        return f"00-{found.trace_id:032x}-{found.span_id:016x}-01"

    def parent(self, traceparent: str) -> Context | None:
        """The context that spans of others are children of; None where the text is not a `traceparent`.

        Source: W3C Trace Context, level 1, section 3.2.
        """
        parts = traceparent.split("-")
        if len(parts) < 4 or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
            return None
        try:
            trace_id, span_id, flags = (int(part, 16) for part in parts[1:4])
        except ValueError:
            return None
        api = self._api
        remote = api.SpanContext(trace_id, span_id, is_remote=True, trace_flags=api.TraceFlags(flags & 1))
        return api.set_span_in_context(api.NonRecordingSpan(remote)) if remote.is_valid else None

    @contextmanager
    def serving(self, name: str, traceparent: str, attributes: Attributes) -> Iterator[None]:
        """A request of another process is served within: what is submitted meanwhile is a part of its trace.

        Args:
            traceparent: header of the request; empty where it has none.
        """
        api, parent = self._api, self.parent(traceparent)
        present = None if parent is None else api.get_current_span(parent).get_span_context()
        sampled = random.random() < self._share if present is None else present.trace_flags.sampled
        if not sampled:
            # Whatever is submitted within is not traced either.
            with api.use_span(api.NonRecordingSpan(present or _not_sampled()), record_exception=False):
                yield
            return
        kind: SpanKind = api.SpanKind.SERVER
        # What an exception says may quote a prompt.
        with self.tracer.start_as_current_span(
            name, parent, kind, attributes, record_exception=False, set_status_on_exception=False
        ):
            yield


def processing(queue: str, job: str) -> dict[str, str]:
    """Attributes of the span of an attempt."""
    return _messaging("process", queue, job)


def trace_id(traceparent: str) -> str:
    """The trace of a `traceparent`, for logs."""
    return traceparent[3:35]


def _messaging(operation: str, queue: str, job: str) -> dict[str, str]:
    return {
        "messaging.system": SYSTEM,
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": queue,
        "messaging.message.id": job,
    }


def _not_sampled() -> object:
    from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
    from opentelemetry.trace import SpanContext

    made = RandomIdGenerator()
    return SpanContext(made.generate_trace_id(), made.generate_span_id(), is_remote=False)


def _provider(service: str) -> TracerProvider:
    """The application's, where it has set one up; else one of this process's own."""
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider as SdkProvider

    found = trace.get_tracer_provider()
    return found if isinstance(found, SdkProvider) else _own_provider(service)


@cache
def _own_provider(service: str) -> SdkProvider:
    """Sends by OTLP over HTTP, as the environment says. It is not made the process's: that is up to the application."""
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    except ImportError as error:
        raise MissingExtra("traces", "otel") from error
    import os

    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if os.environ.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: service}
    provider = TracerProvider(resource=Resource.create(named))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    return provider
