"""What was generated of an answer that did not come to its end: its text is the floor of what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from homa_workers.providers.malformed import SHAPE_ERRORS
from homa_workers.providers.openai.imitations import arguments_text, said_and_thought


def unfinished(choices: object) -> tuple[str, bool]:
    """The text of choices, and whether they hold anything at all: thoughts may be encrypted."""
    messages = list(_messages(choices))
    return "".join(map(written_in, messages)), any(map(_holds_something, messages))


def written_in(message: Mapping[str, Any]) -> str:
    """All that certainly was generated of a message: text, refusal, reasoning, arguments of tools."""
    try:
        return "".join(_texts(message))
    except SHAPE_ERRORS:
        return ""


def _messages(choices: object) -> Iterator[Mapping[str, Any]]:
    for choice in choices if isinstance(choices, list) else ():
        message = choice.get("message") if isinstance(choice, dict) else None
        if isinstance(message, dict):
            yield message


def _holds_something(message: Mapping[str, Any]) -> bool:
    return any(value for name, value in message.items() if name != "role")


def _texts(message: Mapping[str, Any]) -> Iterator[str]:
    said, thought, _ = said_and_thought(message.get("content"))
    yield f"{said or ''}{message.get('refusal') or ''}{thought}"
    yield str(message.get("reasoning_content") or message.get("reasoning") or "")
    for call in message.get("tool_calls") or ():
        told = call.get("function") or call.get("custom") or {}
        yield arguments_text(told.get("arguments", told.get("input")))
