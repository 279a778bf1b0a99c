"""A collector of spans: takes OTLP over HTTP, as processes send it, and shows what arrived."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import ReadableSpan

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")


@dataclass(frozen=True, slots=True)
class Seen:
    """A span, from wherever it came."""

    name: str
    trace: str
    span: str
    parent: str
    kind: str
    service: str
    attributes: dict[str, Any]
    events: dict[str, dict[str, Any]]
    failed: bool
    seconds: float


@dataclass
class Collector:
    """What arrived so far."""

    url: str = ""
    raw: list[bytes] = field(default_factory=list)

    def spans(self) -> list[Seen]:
        found = []
        for body in list(self.raw):
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                service = _values(resource.resource.attributes)["service.name"]
                for scope in resource.scope_spans:
                    found += [_of_wire(span, service) for span in scope.spans]
        return found

    def named(self, name: str) -> list[Seen]:
        return [span for span in self.spans() if span.name == name]


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            collector.raw.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        collector.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield collector
        finally:
            server.shutdown()
            thread.join()


def of_memory(span: ReadableSpan) -> Seen:
    """A span of this process."""
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    return Seen(
        span.name,
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        "" if parent is None else f"{parent.span_id:016x}",
        span.kind.name.lower(),
        "",
        dict(span.attributes or {}),
        {event.name: dict(event.attributes or {}) for event in span.events},
        span.status.status_code.name == "ERROR",
        ((span.end_time or 0) - (span.start_time or 0)) / 1e9,
    )


def _of_wire(span: Any, service: str) -> Seen:
    return Seen(
        span.name,
        span.trace_id.hex(),
        span.span_id.hex(),
        span.parent_span_id.hex(),
        KINDS[span.kind],
        service,
        _values(span.attributes),
        {event.name: _values(event.attributes) for event in span.events},
        span.status.code == 2,
        (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
    )


def _values(attributes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in attributes:
        which = pair.value.WhichOneof("value")
        value = getattr(pair.value, which)
        found[pair.key] = [item.string_value for item in value.values] if which == "array_value" else value
    return found
