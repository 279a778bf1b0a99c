"""A reply as a message of the conversation that goes on behind it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.calls.reply import ITEMS

#: What only the provider that wrote a message understands of it.
OWN_WORDS = frozenset({"thinking_blocks", "extra_content", ITEMS})
_KEPT = ("content", "tool_calls", "refusal", *sorted(OWN_WORDS))


def answer_message(body: Mapping[str, Any]) -> dict[str, Any]:
    """The first choice of a chat completion body; what people read of its reasoning stays out of it."""
    message = (body.get("choices") or [{}])[0].get("message") or {}
    return {"role": "assistant", "content": None} | {
        name: message[name] for name in _KEPT if message.get(name) is not None
    }


def plain_message(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message as another provider understands it."""
    plain = without_own_words(message)
    if "tool_calls" in plain:
        plain["tool_calls"] = [without_own_words(call) for call in plain["tool_calls"]]
    return plain


def without_own_words(found: Mapping[str, Any]) -> dict[str, Any]:
    """A message, or a call of a tool, without what only its provider understands."""
    return {name: value for name, value in found.items() if name not in OWN_WORDS}
