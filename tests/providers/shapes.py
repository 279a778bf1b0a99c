"""Replies in the shapes that providers really send."""

from __future__ import annotations

from typing import Any

import orjson

CHAT: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1760000000,
    "model": "gpt-5-mini-2025-08-07",
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi there", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ],
    "usage": {
        "prompt_tokens": 100,
        "completion_tokens": 40,
        "total_tokens": 140,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 0},
    },
}

MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-haiku-4-5-20251001",
    "content": [{"type": "text", "text": "Hi there"}],
    "stop_reason": "end_turn",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 35,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 5,
        "output_tokens": 40,
        "output_tokens_details": {"thinking_tokens": 30},
    },
}


def openai_error(message: str, code: str | None = None, kind: str | None = "invalid_request_error") -> dict[str, Any]:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


def anthropic_error(kind: str, message: str, code: str | None = None) -> dict[str, Any]:
    error: dict[str, Any] = {"type": kind, "message": message}
    if code:
        error["details"] = {"error_code": code}
    return {"type": "error", "error": error, "request_id": "req_011"}


def chunk(delta: dict[str, Any] | None = None, finish_reason: str | None = None, **fields: Any) -> str:
    """A chunk of a streamed chat completion, as an event."""
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1760000000, "model": "gpt-6-luna"}
    return f"data: {orjson.dumps({**head, 'choices': choices, 'usage': None, **fields}).decode()}\n\n"


def event(kind: str, **fields: Any) -> str:
    """An event of a streamed message."""
    return f"event: {kind}\ndata: {orjson.dumps({'type': kind, **fields}).decode()}\n\n"


DONE = "data: [DONE]\n\n"
