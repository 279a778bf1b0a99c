"""Mistral as the simulator plays it, `/mistral…/v1/…`: OpenAI's replies with its own parts, errors and headers.

It is as strict as the real one: it refuses a parameter that it does not know, and a tool call's id in another shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import orjson

from homa_workers.simulator.dialect import Piece, Reply
from homa_workers.simulator.dialects.openai import OpenAIDialect
from homa_workers.simulator.limits import Accounting, Level
from homa_workers.simulator.wire import Failure, FailureKind, Operation, Prompt, Route

_CHAT = frozenset(
    "model messages temperature top_p max_tokens stream stop random_seed metadata response_format tools tool_choice "
    "presence_penalty frequency_penalty n prediction parallel_tool_calls prompt_mode reasoning_effort guardrails "
    "prompt_cache_key safe_prompt".split()
)
_EMBEDDINGS = frozenset("model input metadata output_dimension output_dtype encoding_format".split())
_TOOL_CALL_ID = re.compile(r"[a-zA-Z0-9]{9}")
#: The shape of a reply that shows what the model thought.
_REASONING = "reasoning"
_THOUGHT = "Let me think."


class MistralDialect(OpenAIDialect):
    """api.mistral.ai."""

    kind = "mistral"
    precedence = 0
    price_id = "mistral"
    accounting = Accounting.SUM_THEN_ACTUAL
    caches_by_itself = False
    _path: ClassVar[re.Pattern[str]] = re.compile(
        r"/(mistral[\w.:-]*)/v1/(?:(chat/completions)|(embeddings)|(models)(?:/(.+))?)"
    )

    def read(self, route: Route, body: Mapping[str, Any]) -> Prompt:
        chat = route.operation is Operation.CHAT
        for name in body.keys() - (_CHAT if chat else _EMBEDDINGS):
            raise Failure(FailureKind.UNPROCESSABLE, f"{name}: Extra inputs are not permitted")
        if not chat:
            return super().read(route, {**body, "dimensions": body.get("output_dimension")})
        _expect_tool_call_ids(body["messages"])
        forced = {"tool_choice": "required"} if body.get("tool_choice") == "any" else {}
        prompt = super().read(route, {**body, **forced, "messages": [_told(message) for message in body["messages"]]})
        shape = _REASONING if body.get("reasoning_effort") == "high" else ""
        return replace(prompt, include_usage=True, shape=shape)

    def write(self, reply: Reply) -> Any:
        written = super().write(reply)
        for choice in written.get("choices", ()):
            _number_tool_calls(choice["message"])
            if reply.prompt.shape == _REASONING:
                said = choice["message"]["content"]
                choice["message"]["content"] = [_thinking(), *([{"type": "text", "text": said}] if said else [])]
        return written

    def stream(self, reply: Reply) -> Sequence[Piece]:
        *chunks, usage, done = super().stream(reply)
        said = [(_decoded(piece), piece.tokens) for piece in chunks]
        for chunk, _ in said:
            _number_tool_calls(chunk["choices"][0]["delta"])
        # Usage comes with the last choice's end, not behind it.
        said[-1][0]["usage"] = _decoded(usage)["usage"]
        if reply.prompt.shape == _REASONING:
            said[0][0]["choices"][0]["delta"]["content"] = [_thinking()]
        return [*(Piece(_encoded(chunk), tokens) for chunk, tokens in said), done]

    def failure(self, failure: Failure, request_id: str) -> tuple[int, Any]:
        status, body = super().failure(failure, request_id)
        told, kind, code = failure.message, body["error"]["type"], None
        match failure.kind:
            case FailureKind.NOT_FOUND:
                status, kind, code = 400, "invalid_model", "1500"
            case FailureKind.CONTEXT:
                kind, code = "invalid_request_prompt", "3051"
                told = f"Prompt is too large for model: {told}"
            case FailureKind.RATE_LIMITED:
                kind, code = "rate_limited", "1300"
            case FailureKind.QUOTA:
                status = 402
            case FailureKind.CONTENT_FILTER:
                status, told = 403, f"Blocked by a guardrail: {told}"
            case FailureKind.UNAUTHORIZED:
                return status, {"detail": "Unauthorized"}
            case FailureKind.UNPROCESSABLE:
                return status, _refused(told)
        return status, {"object": "error", "message": told, "type": kind, "param": None, "code": code}

    def headers(self, request_id: str, levels: Mapping[str, Level], failure: Failure | None) -> dict[str, str]:
        headers: dict[str, str] = {}
        for dimension, name in (("requests", "req"), ("tokens", "tokens")):
            if level := levels.get(dimension):
                headers[f"x-ratelimit-limit-{name}-minute"] = str(level.limit)
                headers[f"x-ratelimit-remaining-{name}-minute"] = str(level.remaining)
        if failure is not None and failure.retry_after_s is not None:
            headers["retry-after"] = str(-int(-failure.retry_after_s // 1))
        return headers

    def identity(self, request_id: str) -> dict[str, str]:
        return {"mistral-correlation-id": request_id}


def _expect_tool_call_ids(messages: list[dict[str, Any]]) -> None:
    called = [call["id"] for message in messages for call in message.get("tool_calls") or ()]
    answered = [message["tool_call_id"] for message in messages if "tool_call_id" in message]
    for name in (*called, *answered):
        if _TOOL_CALL_ID.fullmatch(name) is None:
            said = f"Tool call id was {name} but must be a-z, A-Z, 0-9, with a length of 9."
            raise Failure(FailureKind.INVALID, said)


def _told(message: dict[str, Any]) -> dict[str, Any]:
    """A message whose thoughts count like its text."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    parts = [inner for part in content for inner in (part["thinking"] if part.get("type") == "thinking" else [part])]
    return {**message, "content": parts}


def _thinking() -> dict[str, Any]:
    return {"type": "thinking", "thinking": [{"type": "text", "text": _THOUGHT}], "closed": True}


def _number_tool_calls(message: dict[str, Any]) -> None:
    for call in message.get("tool_calls") or ():
        if "id" in call:
            call["id"] = f"call{int(call['id'].removeprefix('call_')):05d}"


def _refused(told: str) -> dict[str, Any]:
    place, _, said = told.partition(": ")
    fault = {"type": "extra_forbidden", "loc": ["body", place], "msg": said or told, "input": None}
    return {
        "object": "error",
        "message": {"detail": [fault]},
        "type": "invalid_request_error",
        "param": None,
        "code": None,
    }


def _decoded(piece: Piece) -> dict[str, Any]:
    chunk: dict[str, Any] = orjson.loads(piece.data.removeprefix(b"data: "))
    return chunk


def _encoded(chunk: Mapping[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(chunk) + b"\n\n"
