"""Responses and their events in the shapes that OpenAI really sends."""

from __future__ import annotations

from typing import Any

import orjson

USAGE: dict[str, Any] = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 5},
    "output_tokens": 40,
    "output_tokens_details": {"reasoning_tokens": 30},
    "total_tokens": 140,
}
REASONING: dict[str, Any] = {
    "id": "rs_1",
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "It is a greeting."}, {"type": "summary_text", "text": "Greet."}],
    "encrypted_content": "gAAAA",
}
WEATHER: dict[str, Any] = {
    "id": "fc_1",
    "type": "function_call",
    "status": "completed",
    "call_id": "call_1",
    "name": "weather",
    "arguments": '{"city":"Rome"}',
}


def message(text: str = "Hi there", **fields: Any) -> dict[str, Any]:
    """An output message of one text."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    fields = {"content": [part], **fields}
    return {"id": "msg_1", "type": "message", "status": "completed", "role": "assistant", **fields}


def response(*output: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A response, completed unless it says otherwise."""
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1760000000,
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": "gpt-5-mini-2025-08-07",
        "output": list(output),
        "parallel_tool_calls": True,
        "service_tier": "default",
        "tool_choice": "auto",
        "tools": [],
        "usage": USAGE,
        **fields,
    }


def failed(code: str, text: str = "It failed", **fields: Any) -> dict[str, Any]:
    """A response that failed after it had been accepted."""
    return response(status="failed", error={"code": code, "message": text}, **{"usage": None, **fields})


def event(kind: str, **fields: Any) -> str:
    """An event as it is sent."""
    return f"event: {kind}\ndata: {orjson.dumps({'type': kind, 'sequence_number': 0, **fields}).decode()}\n\n"


def added(item: dict[str, Any], place: int = 0) -> str:
    return event("response.output_item.added", output_index=place, item=item)


def done(item: dict[str, Any], place: int = 0) -> str:
    return event("response.output_item.done", output_index=place, item=item)


def delta(kind: str, piece: str, place: int = 0, **fields: Any) -> str:
    return event(f"response.{kind}.delta", output_index=place, item_id="x", delta=piece, **fields)


def text(piece: str, place: int = 0) -> str:
    return delta("output_text", piece, place, content_index=0, logprobs=[])


def ended(whole: dict[str, Any]) -> str:
    """The last event of a stream."""
    return event(f"response.{whole['status']}", response=whole)
