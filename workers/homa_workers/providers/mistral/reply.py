"""Mistral's replies, and the chunks of streamed ones, as chat completions.

A model that reasons answers with a list of parts: what it thought, then what it says. While a reply is streamed the
list comes bit by bit, and becomes a text where the thinking has ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

#: Why a choice ended, in OpenAI's words. `error` stays: what such a choice holds cannot be used.
_FINISH_REASONS = {"model_length": "length"}

Body = dict[str, Any]


def chat_completion(body: Body) -> Body:
    """A reply or a chunk in OpenAI's shape; whatever has no choices, as it is."""
    own = {**body, "usage": _usage(body["usage"])} if isinstance(body.get("usage"), dict) else body
    if not isinstance(body.get("choices"), list):
        return own
    return {**own, "choices": [_choice(choice) for choice in body["choices"]]}


def _choice(choice: Body) -> Body:
    own = dict(choice)
    if choice.get("finish_reason") in _FINISH_REASONS:
        own["finish_reason"] = _FINISH_REASONS[choice["finish_reason"]]
    for name in ("message", "delta"):
        if isinstance(choice.get(name), dict):
            own[name] = _message(choice[name])
    return own


def _message(message: Body) -> Body:
    own = {name: value for name, value in message.items() if name != "tool_calls"}
    if calls := message.get("tool_calls"):
        own["tool_calls"] = [_tool_call(call) for call in calls]
    if isinstance(message.get("content"), list):
        own["content"] = "".join(part["text"] for part in message["content"] if part.get("type") == "text")
        if thought := "".join(_thoughts(message["content"])):
            own["reasoning_content"] = thought
    return own


def _thoughts(parts: list[Body]) -> Iterator[str]:
    for part in parts:
        if part.get("type") == "thinking":
            yield from (inner["text"] for inner in part["thinking"] if inner.get("type") == "text")


def _tool_call(call: Body) -> Body:
    """A tool call, whose arguments may be an object here and are JSON there."""
    function = call["function"]
    if isinstance(function.get("arguments"), str):
        return {"type": "function", **call}
    arguments = orjson.dumps(function.get("arguments") or {}).decode()
    return {"type": "function", **call, "function": {**function, "arguments": arguments}}


def _usage(usage: Body) -> Body:
    """Usage with cached tokens where OpenAI has them; its document has three names for them."""
    details = usage.get("prompt_tokens_details") or usage.get("prompt_token_details")
    cached = usage.get("num_cached_tokens")
    if not details and cached is not None:
        details = {"cached_tokens": cached}
    return {**usage, "prompt_tokens_details": details} if details else usage
