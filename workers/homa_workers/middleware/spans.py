"""Spans of traced jobs: one for each attempt, and in it one for each call and each tool that ran.

No span holds a prompt, a reply, an argument of a tool or the words of an error: only what kind of an error it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic, time_ns
from typing import TYPE_CHECKING, Any

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call, Completion, Embeddings, Usage
from homa_shared.model.records import decode_tags
from homa_shared.store.transitions.attempts import ReportResult
from homa_shared.traces import Traces, processing
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware.base import Middleware, WorkerIdentity
from homa_workers.outcomes.outcomes import Asked, Deferred, Ended, Outcome, Released, Rerouted, Succeeded, name_of

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.trace import Span

#: Kind of provider -> what `gen_ai.provider.name` calls it. Others go by their kind.
PROVIDER_NAMES = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
}
#: Parameters of a call -> their attributes.
_PARAMETERS = {
    "max_tokens": "gen_ai.request.max_tokens",
    "temperature": "gen_ai.request.temperature",
    "top_p": "gen_ai.request.top_p",
    "frequency_penalty": "gen_ai.request.frequency_penalty",
    "presence_penalty": "gen_ai.request.presence_penalty",
    "seed": "gen_ai.request.seed",
}
#: Its place among an attempt's notes.
_NOTE = "spans"
_NAMES = {Succeeded: "succeeded", Deferred: "deferred", Rerouted: "rerouted", Released: "released", Asked: "asked"}


class _Open:
    """The span of an attempt while it runs."""

    __slots__ = ("began_ns", "began_s", "context", "span")

    def __init__(self, span: Span, context: Context) -> None:
        self.span, self.context = span, context
        self.begin()

    def begin(self) -> None:
        """A call is sent now: since the epoch (ns), and on this process's clock (s)."""
        self.began_ns, self.began_s = time_ns(), monotonic()


class Spans(Middleware):
    """Makes the spans of one worker.

    Args:
        traces: where they go.
        kind: of the provider.
    """

    adapts_content = False

    def __init__(self, traces: Traces, kind: str) -> None:
        from opentelemetry import trace

        self._traces, self._api = traces, trace
        self._provider = PROVIDER_NAMES.get(kind, kind)
        self._worker = ""
        self._error = trace.Status(trace.StatusCode.ERROR)

    async def start(self, worker: WorkerIdentity) -> None:
        self._worker = worker.id

    def before_call(self, attempt: RunningAttempt, call: Call) -> None:
        if attempt.request.trace and (found := self._open(attempt)) is not None:
            if not attempt.is_reserved:
                found.span.add_event("homa.stood_by")
            found.begin()

    def after_call(self, attempt: RunningAttempt, call: Call, result: Completion | Exception) -> None:
        if attempt.request.trace and (found := self._open(attempt)) is not None:
            self._called(found, "chat", call.model, _asked(attempt, call, found.began_s), result)

    def after_embedding(self, attempt: RunningAttempt, texts: Sequence[str], result: Embeddings | Exception) -> None:
        if attempt.request.trace and (found := self._open(attempt)) is not None:
            model = attempt.claim.target.partition(":")[2]
            self._called(found, "embeddings", model, {"homa.texts": len(texts)}, result)

    def tool_ended(self, attempt: RunningAttempt, tool: str, call_id: str, began_ns: int, *, failed: bool) -> None:
        if not attempt.request.trace or (found := self._open(attempt)) is None:
            return
        said = {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "gen_ai.tool.call.id": call_id,
            "gen_ai.tool.type": "function",
        }
        if failed:
            said["error.type"] = "tool_error"
        span = self._traces.tracer.start_span(
            f"execute_tool {tool}", found.context, attributes=said, start_time=began_ns
        )
        self._end(span, failed=failed)

    def attempt_ended(self, attempt: RunningAttempt, outcome: Outcome, result: ReportResult | None) -> None:
        if not attempt.request.trace or (found := self._open(attempt)) is None:
            return
        span = found.span
        span.set_attributes(_sums(attempt, outcome, result))
        match outcome:
            case Rerouted(error, following):
                span.add_event("homa.rerouted", {"homa.target": following.target, "error.type": name_of(error)})
            case Deferred(error, delay_ms):
                span.add_event("homa.deferred", {"homa.delay_ms": delay_ms, "error.type": name_of(error)})
        self._end(span, failed=isinstance(outcome, Ended | Rerouted | Deferred))

    def _open(self, attempt: RunningAttempt) -> _Open | None:
        """The attempt's span, which began when it was taken; None where its job's context cannot be read."""
        found: _Open | None = attempt.notes.get(_NOTE)
        if found is not None:
            return found
        parent = self._traces.parent(attempt.request.trace)
        if parent is None:
            return None
        claim = attempt.claim
        taken_ns = time_ns() - int((monotonic() - attempt.started_s) * 1e9)
        said: dict[str, Any] = processing(claim.queue, claim.id) | {
            "messaging.client.id": self._worker,
            "homa.attempt": claim.attempt,
            "homa.target": claim.target,
            "homa.lane": claim.lane,
            "homa.waited_ms": claim.waited_ms,
        }
        said |= {f"homa.{name}": value for name in ("tenant", "batch") if (value := getattr(claim, name))}
        span = self._traces.tracer.start_span(
            f"process {claim.queue}", parent, self._api.SpanKind.CONSUMER, said, start_time=taken_ns
        )
        for target, why in attempt.request.skipped if claim.attempt == 1 else ():
            span.add_event("homa.skipped", {"homa.target": target, "homa.why": why})
        found = attempt.notes[_NOTE] = _Open(span, self._api.set_span_in_context(span))
        return found

    def _called(
        self,
        found: _Open,
        operation: str,
        model: str,
        asked: dict[str, Any],
        result: Completion | Embeddings | Exception,
    ) -> None:
        said = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": self._provider,
            "gen_ai.request.model": model,
        }
        span = self._traces.tracer.start_span(
            f"{operation} {model}",
            found.context,
            self._api.SpanKind.CLIENT,
            said | asked | _came(result),
            start_time=found.began_ns,
        )
        self._end(span, failed=isinstance(result, Exception))
        found.begin()

    def _end(self, span: Span, *, failed: bool) -> None:
        if failed:
            span.set_status(self._error)
        span.end()


def _asked(attempt: RunningAttempt, call: Call, began_s: float) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for name, attribute in _PARAMETERS.items():
        value = call.params.get(name)
        if isinstance(value, int | float):
            said[attribute] = value
    count = call.params.get("n")
    if isinstance(count, int) and count != 1:
        said["gen_ai.request.choice.count"] = count
    if call.params.get("response_format"):
        said["gen_ai.output.type"] = "json"
    if attempt.request.stream:
        said["gen_ai.request.stream"] = True
        if attempt.first_text_s is not None and attempt.first_text_s >= began_s:
            said["gen_ai.response.time_to_first_chunk"] = round(attempt.first_text_s - began_s, 6)
    if "template=" in attempt.claim.tags:
        name, _, version = decode_tags(attempt.claim.tags).get("template", "").partition("@")
        said |= {"gen_ai.prompt.name": name, "gen_ai.prompt.version": version} if version else {}
    return said


def _came(result: Completion | Embeddings | Exception) -> dict[str, Any]:
    if isinstance(result, Exception):
        kind = str(result.kind) if isinstance(result, ProviderError) else type(result).__name__
        status = getattr(result, "status", None)
        return {"error.type": kind} | ({"http.response.status_code": status} if isinstance(status, int) else {})
    if isinstance(result, Embeddings):
        return {"gen_ai.response.model": result.model} | _usage(result.usage)
    body = result.body
    said = {"gen_ai.response.id": body.get("id"), "gen_ai.response.model": body.get("model")}
    found = {name: value for name, value in said.items() if isinstance(value, str)}
    reasons = [str(choice["finish_reason"]) for choice in body.get("choices") or () if choice.get("finish_reason")]
    return found | ({"gen_ai.response.finish_reasons": reasons} if reasons else {}) | _usage(result.usage)


def _usage(usage: Usage) -> dict[str, int]:
    said = {"gen_ai.usage.input_tokens": usage.input_tokens, "gen_ai.usage.output_tokens": usage.output_tokens}
    more = {
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "gen_ai.usage.cache_write.input_tokens": usage.cache_write_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
    return said | {name: tokens for name, tokens in more.items() if tokens}


def _sums(attempt: RunningAttempt, outcome: Outcome, result: ReportResult | None) -> dict[str, Any]:
    """How it ended, and what all its calls cost."""
    name = str(outcome.state) if isinstance(outcome, Ended) else _NAMES[type(outcome)]
    said: dict[str, Any] = {"homa.outcome": name}
    if attempt.spent.calls > 1:
        said["homa.calls"] = attempt.spent.calls
    if attempt.spent.nano is not None:
        said["homa.cost_nano_usd"] = attempt.spent.nano
    if result is not None and result is not ReportResult.OK:
        said["homa.store_said"] = str(result)
    if isinstance(outcome, Ended | Rerouted | Deferred):
        said["error.type"] = name_of(outcome.error)
    return said
