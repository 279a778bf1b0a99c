"""Anthropic's messages as chat completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.calls.reply import Usage
from homa_workers.providers.anthropic.errors import ANTHROPIC_RULES
from homa_workers.providers.anthropic.usage import is_metered, usage_of
from homa_workers.providers.chat_completion import (
    assistant_message,
    chat_completion,
    choice,
    thinking_fields,
    tool_call,
)
from homa_workers.providers.error_rules import not_a_reply
from homa_workers.providers.json_body import RawReply
from homa_workers.providers.token_counts import NOTHING_ASKED

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


def checked(reply: RawReply, asked: Message = NOTHING_ASKED) -> dict[str, Any]:
    """The message, if it is a complete one.

    Args:
        asked: the request.

    Raises ProviderError: MALFORMED, or the kind of the error that the body tells under status 200. Where it reports
    usage all the same, the attempt is charged at that.
    """
    message = reply.json()
    if isinstance(message, dict) and isinstance(message.get("content"), list) and message.get("stop_reason"):
        return message
    reported = message.get("usage") if isinstance(message, dict) else None
    usage = usage_of(reported, asked) if is_metered(reported) else None
    raise not_a_reply(reply.content, reply.headers, ANTHROPIC_RULES, "a message with content and a stop_reason", usage)


def completion_body(message: Message, usage: Usage) -> dict[str, Any]:
    """A message as the body of a chat completion."""
    reason = str(message.get("stop_reason"))
    answer = choice(_assistant(message), FINISH_REASONS.get(reason, reason), logprobs=None)
    return chat_completion(message.get("id"), message.get("model"), [answer], usage)


def _assistant(message: Message) -> dict[str, Any]:
    parts = message["content"]
    texts = [part["text"] for part in parts if part.get("type") == "text"]
    thinking = [part for part in parts if part.get("type") in {"thinking", "redacted_thinking"}]
    calls = [tool_call(part["id"], part["name"], part.get("input")) for part in parts if part.get("type") == "tool_use"]
    body = assistant_message(texts, calls)
    if refusal := (message.get("stop_details") or {}).get("explanation"):
        body["refusal"] = refusal
    return body | thinking_fields(thinking) if thinking else body
