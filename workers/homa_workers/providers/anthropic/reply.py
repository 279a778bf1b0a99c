"""Anthropic's messages as chat completions."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import orjson

from homa_shared.calls.failures import ErrorKind
from homa_shared.calls.reply import Usage
from homa_workers.providers.anthropic.errors import ANTHROPIC_RULES
from homa_workers.providers.error_rules import classify, failure_of

#: Anthropic's stop reasons in OpenAI's words.
FINISH_REASONS = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "pause_turn": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
}

Message = Mapping[str, Any]


def checked(message: object, content: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
    """The message, if it is a complete one.

    Raises ProviderError: MALFORMED, or the kind of the error that the body tells under status 200. Where it reports
    usage all the same, the attempt is charged at that.
    """
    if isinstance(message, dict) and isinstance(message.get("content"), list) and message.get("stop_reason"):
        return message
    error = classify(failure_of(200, content, headers), ANTHROPIC_RULES)
    if error.kind is ErrorKind.MALFORMED:
        error.message = f"expected a message with content and a stop_reason, got: {error.message}"
    if isinstance(message, dict) and isinstance(message.get("usage"), dict):
        error.usage = usage_of(message["usage"])
    raise error


def usage_of(usage: Message | None) -> Usage:
    """Tokens in Homa's terms. Anthropic counts cache reads and writes beside `input_tokens`, not in them."""
    usage = usage or {}
    read, written = usage.get("cache_read_input_tokens") or 0, usage.get("cache_creation_input_tokens") or 0
    details = usage.get("output_tokens_details") or {}
    return Usage(
        input_tokens=(usage.get("input_tokens") or 0) + read + written,
        output_tokens=usage.get("output_tokens") or 0,
        cached_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=details.get("thinking_tokens") or 0,
    )


def chat_completion(message: Message) -> dict[str, Any]:
    """A message as the body of a chat completion.

    Thinking is kept twice: as `reasoning_content` for people, and as `thinking_blocks`, unchanged, because a request
    that continues the conversation after a tool call must give them back.
    """
    reason = str(message.get("stop_reason"))
    return {
        "id": message.get("id"),
        "object": "chat.completion",
        "created": int(time.time()),
        "model": message.get("model"),
        "choices": [
            {
                "index": 0,
                "message": _assistant(message),
                "finish_reason": FINISH_REASONS.get(reason, reason),
                "logprobs": None,
            }
        ],
        "usage": _openai_usage(usage_of(message.get("usage"))),
    }


def _assistant(message: Message) -> dict[str, Any]:
    parts = message["content"]
    texts = [part["text"] for part in parts if part.get("type") == "text"]
    thinking = [part for part in parts if part.get("type") in {"thinking", "redacted_thinking"}]
    calls = [_tool_call(part) for part in parts if part.get("type") == "tool_use"]
    refusal = (message.get("stop_details") or {}).get("explanation")
    body: dict[str, Any] = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if calls:
        body["tool_calls"] = calls
    if refusal:
        body["refusal"] = refusal
    if thinking:
        body["reasoning_content"] = "".join(part.get("thinking", "") for part in thinking)
        body["thinking_blocks"] = thinking
    return body


def _tool_call(part: Message) -> dict[str, Any]:
    arguments = orjson.dumps(part.get("input") or {}).decode()
    return {"id": part["id"], "type": "function", "function": {"name": part["name"], "arguments": arguments}}


def _openai_usage(usage: Usage) -> dict[str, Any]:
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
