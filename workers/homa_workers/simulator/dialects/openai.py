"""OpenAI: chat completions, responses, embeddings, models. Also what OpenAI-compatible servers speak.

Shapes: https://platform.openai.com/docs/api-reference; checked against the openai package 3.54.
"""

from __future__ import annotations

import base64
import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Any, ClassVar

import orjson

from homa_shared.calls.reply import Usage
from homa_workers.simulator import accents
from homa_workers.simulator.accents import accent_of
from homa_workers.simulator.dialect import Dialect, Piece, Reply, retry_after, stretches, typed_event
from homa_workers.simulator.dialects.openai_fields import (
    is_own,
    refuse_unknown_of_chat,
    refuse_unknown_of_embeddings,
    refuse_unknown_of_response,
)
from homa_workers.simulator.dialects.openai_models import (
    dearer_in_a_region,
    refuse_what_is_out_of_range,
    refuse_what_models_lack,
)
from homa_workers.simulator.dialects.openai_prompt import read_chat, read_embeddings
from homa_workers.simulator.dialects.responses import stream_response, tier_told, write_response
from homa_workers.simulator.dialects.responses_prompt import SHAPE, read_response
from homa_workers.simulator.limits import Accounting, Level
from homa_workers.simulator.wire import (
    Answer,
    Failure,
    FailureKind,
    Finish,
    Operation,
    Prompt,
    Route,
    tokens_of_bytes,
)

#: Status, `type` and `code` of an error body.
_FAILURES: Mapping[FailureKind, tuple[int, str, str | None]] = {
    FailureKind.INVALID: (400, "invalid_request_error", None),
    FailureKind.UNPROCESSABLE: (422, "invalid_request_error", None),
    FailureKind.UNSUPPORTED: (400, "invalid_request_error", "unsupported_parameter"),
    FailureKind.CONTEXT: (400, "invalid_request_error", "context_length_exceeded"),
    FailureKind.CONTENT_FILTER: (400, "invalid_request_error", "content_filter"),
    FailureKind.UNAUTHORIZED: (401, "invalid_request_error", "invalid_api_key"),
    FailureKind.FORBIDDEN: (403, "invalid_request_error", "unsupported_country_region_territory"),
    FailureKind.NOT_FOUND: (404, "invalid_request_error", "model_not_found"),
    FailureKind.TIMEOUT: (408, "timeout", None),
    FailureKind.CONFLICT: (409, "conflict", None),
    FailureKind.RATE_LIMITED: (429, "requests", "rate_limit_exceeded"),
    FailureKind.QUOTA: (429, "insufficient_quota", "credit_balance_exhausted"),
    FailureKind.ERROR: (500, "server_error", None),
    FailureKind.BAD_GATEWAY: (502, "server_error", None),
    FailureKind.OVERLOADED: (503, "service_unavailable_error", "server_is_overloaded"),
    FailureKind.GATEWAY_TIMEOUT: (504, "server_error", None),
}
_FINISHES: Mapping[Finish, str | None] = {
    Finish.UNTOLD: None,
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.TOOL_CALLS: "tool_calls",
    Finish.REFUSAL: "content_filter",
}


class OpenAIDialect(Dialect):
    """api.openai.com."""

    kind = "openai"
    precedence = 1
    price_id = "openai"
    accounting = Accounting.MAX_THEN_ACTUAL
    caches_by_itself = True
    speaks_chat = True
    #: Whether it serves nothing but OpenAI's models, whatever they are called.
    only_own: ClassVar[bool] = False
    _path: ClassVar[re.Pattern[str]] = re.compile(
        r"(?:/([\w.:-]+))?/v1/(?:(chat/completions|responses)|(embeddings)|(models)(?:/(.+))?)"
    )

    def dearer_in_a_region(self, model: str) -> bool:
        # Servers that only speak as OpenAI does have prices of their own.
        return self.kind == OpenAIDialect.kind and dearer_in_a_region(model)

    def route(self, method: str, path: str) -> Route | None:
        match = self._path.fullmatch(path)
        if match is None:
            return None
        account, chat, embed, _, model = match.groups()
        if chat or embed:
            shape = SHAPE if chat == "responses" else ""
            operation = Operation.CHAT if chat else Operation.EMBED
            return Route(operation, account or "", shape=shape) if method == "POST" else None
        return Route(Operation.MODELS, account or "", model or "") if method == "GET" else None

    def read(self, route: Route, body: Mapping[str, Any]) -> Prompt:
        own = self.only_own or is_own(body.get("model"))
        if route.operation is not Operation.CHAT:
            if own:
                refuse_unknown_of_embeddings(body)
            return read_embeddings(body)
        by_responses = route.shape == SHAPE
        refuse_what_is_out_of_range(body)
        if own:
            (refuse_unknown_of_response if by_responses else refuse_unknown_of_chat)(body)
            refuse_what_models_lack(body, by_responses=by_responses)
        return read_response(body) if by_responses else read_chat(body)

    def write(self, reply: Reply) -> Any:
        if reply.prompt.operation is Operation.EMBED:
            return _embeddings(reply)
        if reply.prompt.shape == SHAPE:
            return write_response(reply)
        choice = _choice(reply.answer)
        body = {
            "id": f"chatcmpl-{reply.request_id}",
            "object": "chat.completion",
            "created": reply.created_s,
            "model": reply.prompt.model,
            "choices": [{"index": index, **choice} for index in range(reply.prompt.choices)],
            "usage": _usage(reply.answer.usage),
            "service_tier": tier_told(reply),
            "system_fingerprint": "fp_simulated",
        }
        accent = accent_of(reply.prompt.last_user)
        body = accents.whole(accent, orjson.loads(orjson.dumps(body))) if accent else body
        return told_oddly(body, reply.usage_told)

    def stream(self, reply: Reply) -> Sequence[Piece]:
        prompt, answer = reply.prompt, reply.answer
        if prompt.shape == SHAPE:
            return stream_response(reply)
        base = {
            "id": f"chatcmpl-{reply.request_id}",
            "object": "chat.completion.chunk",
            "created": reply.created_s,
            "model": prompt.model,
            "service_tier": tier_told(reply),
            "system_fingerprint": "fp_simulated",
        }
        if prompt.include_usage:
            base["usage"] = None
        accent = accent_of(prompt.last_user)
        if accent == "unstreamed":
            return [Piece(orjson.dumps(self.write(reply)), answer.usage.output_tokens)]
        said: list[tuple[dict[str, Any], int]] = []
        so_far = 0
        for index in range(prompt.choices):
            for delta, finish, tokens in _deltas(answer, whole_calls=accent == "objects"):
                choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
                so_far += tokens
                if reply.usage_told == "every_chunk":
                    base["usage"] = _usage(replace(answer.usage, output_tokens=so_far))
                said.append(({**base, "choices": [choice]}, tokens))
        if prompt.include_usage:
            last = {**base, "choices": [], "usage": _usage(answer.usage)}
            if reply.usage_told == "in_choice":
                last["choices"] = [{"index": 0, "delta": {}, "finish_reason": _FINISHES[answer.finish]}]
            said.append((told_oddly(last, reply.usage_told), 0))
        events = [_event(chunk) for chunk in accents.chunks(accent, [chunk for chunk, _ in said])]
        written = accents.written(accent, [*events, b"data: [DONE]\n\n"])
        return [Piece(data, tokens) for data, tokens in zip(written, [*(tokens for _, tokens in said), 0], strict=True)]

    def stream_failure(self, failure: Failure, request_id: str, shape: str = "") -> bytes:
        body = self.failure(failure, request_id)[1]
        if shape != SHAPE:
            return _event(body)
        told = {name: body["error"].get(name) for name in ("message", "param")}
        return typed_event("error", {**told, "code": body["error"].get("code") or body["error"].get("type")})

    def failure(self, failure: Failure, request_id: str) -> tuple[int, Any]:
        status, kind, code = _FAILURES[failure.kind]
        if failure.kind is FailureKind.RATE_LIMITED and failure.dimension.endswith("tokens"):
            kind = "tokens"
        error = {"message": failure.message, "type": kind, "param": failure.param, "code": failure.code or code}
        return status, {"error": error}

    def headers(self, request_id: str, levels: Mapping[str, Level], failure: Failure | None) -> dict[str, str]:
        headers: dict[str, str] = {}
        for dimension in ("requests", "tokens"):
            level = levels.get(dimension)
            if level is not None:
                headers[f"x-ratelimit-limit-{dimension}"] = str(level.limit)
                headers[f"x-ratelimit-remaining-{dimension}"] = str(level.remaining)
                headers[f"x-ratelimit-reset-{dimension}"] = duration(level.reset_s)
        headers |= retry_after(failure)
        if failure is not None and failure.retry_after_s is not None:
            headers["retry-after-ms"] = str(ceil(failure.retry_after_s * 1000))
        return headers

    def identity(self, request_id: str) -> dict[str, str]:
        return {"x-request-id": f"req_{request_id}"}

    def models(self, names: Sequence[str]) -> Any:
        return {"object": "list", "data": [self.model(name) for name in names]}

    def model(self, name: str) -> Any:
        return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": self.kind}


def duration(seconds: float) -> str:
    """A time as OpenAI's reset headers write it: `120ms`, `6.5s`, `6m0s`."""
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 60:
        return f"{seconds:.3f}".rstrip("0").rstrip(".") + "s"
    return f"{int(seconds // 60)}m{int(seconds % 60)}s"


def _choice(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []}
    if answer.finish is Finish.REFUSAL:
        message.update(content=None, refusal=answer.text)
    if answer.tool_calls:
        message.update(content=None, tool_calls=_tool_calls(answer))
    return {"message": message, "logprobs": None, "finish_reason": _FINISHES[answer.finish]}


def _tool_calls(answer: Answer) -> list[dict[str, Any]]:
    return [
        {"id": f"call_{index}", "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
        for index, call in enumerate(answer.tool_calls, 1)
    ]


def _deltas(answer: Answer, *, whole_calls: bool = False) -> list[tuple[dict[str, Any], str | None, int]]:
    """Delta, finish reason and tokens of each chunk of a choice."""
    deltas: list[tuple[dict[str, Any], str | None, int]] = [
        ({"role": "assistant", "content": "" if answer.text else None, "refusal": None}, None, 0)
    ]
    field = "refusal" if answer.finish is Finish.REFUSAL else "content"
    deltas += [({field: text}, None, tokens) for text, tokens in stretches(answer.text)]
    for index, call in enumerate(_tool_calls(answer)):
        function = call["function"]
        if whole_calls:
            tokens = tokens_of_bytes(len(function["name"])) + sum(n for _, n in stretches(function["arguments"]))
            deltas.append(({"tool_calls": [{**call, "index": index}]}, None, tokens))
            continue
        opening = {**call, "index": index, "function": {"name": function["name"], "arguments": ""}}
        deltas.append(({"tool_calls": [opening]}, None, tokens_of_bytes(len(function["name"]))))
        for text, tokens in stretches(function["arguments"]):
            deltas.append(({"tool_calls": [{"index": index, "function": {"arguments": text}}]}, None, tokens))
    deltas.append(({}, _FINISHES[answer.finish], 0))
    return deltas


def _usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {"cached_tokens": usage.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def told_oddly(body: dict[str, Any], how: str) -> dict[str, Any]:
    """A body whose usage is told as some compatible servers do (`SimulatorConfig.usage`)."""
    usage = body.get("usage")
    if how == "usual" or usage is None:
        return body
    if how == "in_choice":
        return {**body, "usage": None, "choices": [{**choice, "usage": usage} for choice in body["choices"]]}
    if how == "texts":
        counts = {name: str(count) if isinstance(count, int) else count for name, count in usage.items()}
        return {**body, "usage": counts}
    if how == "beside":
        reasoning = usage["completion_tokens_details"]["reasoning_tokens"]
        return {**body, "usage": {**usage, "completion_tokens": usage["completion_tokens"] - reasoning}}
    return body


def _embeddings(reply: Reply) -> Any:
    used = reply.answer.usage.input_tokens
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _packed(vector) if reply.prompt.base64 else vector}
            for index, vector in enumerate(reply.answer.vectors)
        ],
        "model": reply.prompt.model,
        "usage": {"prompt_tokens": used, "total_tokens": used},
    }


def _packed(vector: Sequence[float]) -> str:
    return base64.b64encode(array("f", vector).tobytes()).decode()


def _event(data: Any) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"
