"""Anthropic: messages and their event stream, counting tokens, models.

Shapes: https://docs.anthropic.com/en/api/messages; checked against the anthropic package 2.12. Cached tokens stand
beside `input_tokens`, not inside; `message_delta` carries usage as a running total.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

from homa_workers.simulator.dialect import Dialect, Piece, Reply, retry_after, stretches, typed_event
from homa_workers.simulator.dialects.anthropic_prompt import read_messages
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

_PATH = re.compile(r"(?:/([\w.:-]+))?/v1/(?:(messages)(/count_tokens)?|(models)(?:/(.+))?)")
#: Status and `type` of an error body.
_FAILURES: Mapping[FailureKind, tuple[int, str]] = {
    FailureKind.INVALID: (400, "invalid_request_error"),
    FailureKind.UNPROCESSABLE: (422, "invalid_request_error"),
    FailureKind.UNSUPPORTED: (400, "invalid_request_error"),
    FailureKind.CONTEXT: (400, "invalid_request_error"),
    FailureKind.CONTENT_FILTER: (400, "invalid_request_error"),
    FailureKind.UNAUTHORIZED: (401, "authentication_error"),
    FailureKind.FORBIDDEN: (403, "permission_error"),
    FailureKind.NOT_FOUND: (404, "not_found_error"),
    FailureKind.TIMEOUT: (408, "timeout_error"),
    FailureKind.CONFLICT: (409, "invalid_request_error"),
    FailureKind.RATE_LIMITED: (429, "rate_limit_error"),
    FailureKind.QUOTA: (402, "billing_error"),
    FailureKind.ERROR: (500, "api_error"),
    FailureKind.BAD_GATEWAY: (502, "api_error"),
    FailureKind.OVERLOADED: (529, "overloaded_error"),
    FailureKind.GATEWAY_TIMEOUT: (504, "timeout_error"),
}
_STOPS = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOL_CALLS: "tool_use",
    Finish.REFUSAL: "refusal",
}
_DIMENSIONS = {
    "requests": "requests",
    "tokens": "tokens",
    "input_tokens": "input-tokens",
    "output_tokens": "output-tokens",
}


class AnthropicDialect(Dialect):
    """api.anthropic.com."""

    kind = "anthropic"
    own_header = "anthropic-version"
    price_id = "anthropic"
    accounting = Accounting.SPLIT
    writes_cache = True
    searches = True

    def route(self, method: str, path: str) -> Route | None:
        match = _PATH.fullmatch(path)
        if match is None:
            return None
        account, messages, counting, _, model = match.groups()
        if messages:
            operation = Operation.COUNT if counting else Operation.CHAT
            return Route(operation, account or "") if method == "POST" else None
        return Route(Operation.MODELS, account or "", model or "") if method == "GET" else None

    def read(self, route: Route, body: Mapping[str, Any]) -> Prompt:
        return read_messages(route.operation, body)

    def write(self, reply: Reply) -> Any:
        answer = reply.answer
        return {**_head(reply), "content": _content(answer), **_stop(answer), "usage": _usage(answer)}

    def stream(self, reply: Reply) -> Sequence[Piece]:
        answer = reply.answer
        opening = {**_usage(answer), "output_tokens": 1}
        message = {**_head(reply), "content": [], "stop_reason": None, "stop_sequence": None, "usage": opening}
        pieces = [_event("message_start", message=message)]
        for index, block in enumerate(_content(answer)):
            pieces += _block(index, block)
            if index == 0:
                pieces.insert(2, _event("ping"))
        pieces.append(_event("message_delta", delta=_stop(answer), usage=_usage(answer)))
        pieces.append(_event("message_stop"))
        return pieces

    def stream_failure(self, failure: Failure, request_id: str, shape: str = "") -> bytes:
        return _event("error", **self.failure(failure, request_id)[1]).data

    def failure(self, failure: Failure, request_id: str) -> tuple[int, Any]:
        status, kind = _FAILURES[failure.kind]
        return status, {
            "type": "error",
            "error": {"type": kind, "message": failure.message},
            "request_id": f"req_{request_id}",
        }

    def headers(self, request_id: str, levels: Mapping[str, Level], failure: Failure | None) -> dict[str, str]:
        headers: dict[str, str] = {}
        for dimension, level in levels.items():
            name = f"anthropic-ratelimit-{_DIMENSIONS[dimension]}"
            headers[f"{name}-limit"] = str(level.limit)
            headers[f"{name}-remaining"] = str(level.remaining)
            headers[f"{name}-reset"] = _moment(time.time() + level.reset_s)
        return headers | retry_after(failure)

    def identity(self, request_id: str) -> dict[str, str]:
        return {"request-id": f"req_{request_id}"}

    def count(self, prompt: Prompt) -> Any:
        return {"input_tokens": prompt.prompt_tokens}

    def models(self, names: Sequence[str]) -> Any:
        return {
            "data": [self.model(name) for name in names],
            "has_more": False,
            "first_id": names[0] if names else None,
            "last_id": names[-1] if names else None,
        }

    def model(self, name: str) -> Any:
        return {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}


def _head(reply: Reply) -> dict[str, Any]:
    return {"id": f"msg_{reply.request_id}", "type": "message", "role": "assistant", "model": reply.prompt.model}


def _stop(answer: Answer) -> dict[str, Any]:
    return {"stop_reason": _STOPS[answer.finish], "stop_sequence": None}


def _content(answer: Answer) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = [{"type": "text", "text": answer.text}] if answer.text else []
    return blocks + [
        {"type": "tool_use", "id": f"toolu_{index}", "name": call.name, "input": orjson.loads(call.arguments)}
        for index, call in enumerate(answer.tool_calls, 1)
    ]


def _block(index: int, block: dict[str, Any]) -> list[Piece]:
    if block["type"] == "text":
        start, kind, field, text, named = {**block, "text": ""}, "text_delta", "text", block["text"], 0
    else:
        text = orjson.dumps(block["input"]).decode()
        start, kind, field = {**block, "input": {}}, "input_json_delta", "partial_json"
        named = tokens_of_bytes(len(block["name"]))
    pieces = [_event("content_block_start", named, index=index, content_block=start)]
    for stretch, tokens in stretches(text):
        pieces.append(_event("content_block_delta", tokens, index=index, delta={"type": kind, field: stretch}))
    pieces.append(_event("content_block_stop", index=index))
    return pieces


def _usage(answer: Answer) -> dict[str, Any]:
    usage, service = answer.usage, answer.service
    short, long = (0, usage.cache_write_tokens) if service.keeps_long else (usage.cache_write_tokens, 0)
    told: dict[str, Any] = {
        "input_tokens": usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
        "service_tier": service.tier or "standard",
        "speed": "fast" if service.fast else "standard",
        "inference_geo": "us" if service.us else "not_available",
    }
    if service.searches:
        told["server_tool_use"] = {"web_search_requests": service.searches, "web_fetch_requests": 0}
    return told


def _moment(epoch_s: float) -> str:
    return datetime.fromtimestamp(epoch_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _event(kind: str, tokens: int = 0, /, **fields: Any) -> Piece:
    return Piece(typed_event(kind, fields), tokens)
