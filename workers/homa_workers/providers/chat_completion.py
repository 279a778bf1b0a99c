"""Replies of other shapes as chat completions: what every adapter that translates one writes."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from homa_shared.calls.reply import Usage

Body = Mapping[str, Any]


def chat_completion(
    completion_id: str | None, model: str | None, choices: Sequence[Body], usage: Usage
) -> dict[str, Any]:
    """The body of a chat completion that was made now."""
    return {
        "id": completion_id,
        "object": "chat.completion",
        "created": int(time.time()),
        "model": model,
        "choices": choices,
        "usage": usage_body(usage),
    }


def choice(message: Body, finish_reason: str, *, index: int = 0, **fields: Any) -> dict[str, Any]:
    return {"index": index, "message": message, "finish_reason": finish_reason, **fields}


def assistant_message(texts: Sequence[str], tool_calls: Sequence[Body]) -> dict[str, Any]:
    """The message of a reply."""
    body: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts or not tool_calls else None}
    if tool_calls:
        body["tool_calls"] = tool_calls
    return body


def thinking_fields(blocks: Sequence[Body]) -> dict[str, Any]:
    """Thinking twice: as `reasoning_content` for people, and as `thinking_blocks` in Anthropic's shape, unchanged,
    because a request that continues the conversation after a tool call must give them back."""
    return {"reasoning_content": "".join(block.get("thinking", "") for block in blocks), "thinking_blocks": blocks}


def tool_call(call_id: str, name: str, arguments: object) -> dict[str, Any]:
    """A call of a function.

    Args:
        arguments: as a JSON object, not as its text.
    """
    text = orjson.dumps(arguments or {}).decode()
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": text}}


def usage_body(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.input_tokens + usage.output_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
    }
