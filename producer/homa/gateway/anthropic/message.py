"""Chat completions as Anthropic's messages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}


def message_of(body: Mapping[str, Any], job_id: str, model: str) -> dict[str, Any]:
    """A whole message.

    Args:
        body: a `chat.completion`.
        job_id: of the job that it answers.
        model: as it was asked for.
    """
    return {**opening(job_id, model), "content": list(blocks_of(body)), "usage": usage_of(body), **ending(body)}


def opening(job_id: str, model: str) -> dict[str, Any]:
    """A message of which nothing is known yet."""
    return {
        "id": f"msg_{job_id}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": {"input_tokens": 0, "output_tokens": 0},
    }


def ending(body: Mapping[str, Any]) -> dict[str, Any]:
    """Why it ended."""
    reason = str(_choice(body).get("finish_reason") or "stop")
    return {"stop_reason": _STOP_REASONS.get(reason, "end_turn"), "stop_sequence": None}


def blocks_of(body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Thinking, text and calls of tools, in the order in which a model writes."""
    message = _choice(body).get("message") or {}
    yield from thinking_of(message)
    if text := message.get("content") or message.get("refusal"):
        yield {"type": "text", "text": text}
    yield from calls_of(message)


def thinking_of(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Blocks of thinking; that of other makers than Anthropic has no signature."""
    if blocks := message.get("thinking_blocks"):
        yield from (dict(block) for block in blocks)
    elif text := message.get("reasoning_content"):
        yield {"type": "thinking", "thinking": text, "signature": ""}


def calls_of(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Calls of tools."""
    for call in message.get("tool_calls") or ():
        function = call.get("function") or {}
        yield {"type": "tool_use", "id": call["id"], "name": function.get("name"), "input": _object(function)}


def usage_of(body: Mapping[str, Any]) -> dict[str, Any]:
    """Anthropic counts what its cache held beside `input_tokens`, OpenAI within them."""
    told = body.get("usage") or {}
    details = told.get("prompt_tokens_details") or {}
    read, written = int(details.get("cached_tokens") or 0), int(details.get("cache_write_tokens") or 0)
    return {
        "input_tokens": max(0, int(told.get("prompt_tokens") or 0) - read - written),
        "output_tokens": int(told.get("completion_tokens") or 0),
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
    }


def _choice(body: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = body.get("choices") or [{}]
    first: Mapping[str, Any] = choices[0]
    return first


def _object(function: Mapping[str, Any]) -> dict[str, Any]:
    """A call's arguments; a model may write what is none, which the caller then sees as it is."""
    text = function.get("arguments") or "{}"
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {"arguments": text}
    return found if isinstance(found, dict) else {"arguments": found}
