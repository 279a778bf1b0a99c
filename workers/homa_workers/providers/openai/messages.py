"""Messages as Chat Completions take them.

OpenAI refuses each field of a message that it does not know. Servers that only speak its protocol may know more, so
that what other makers' replies leave in a conversation is kept from OpenAI's own models alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from homa_shared.calls.reply import ITEMS
from homa_workers.providers.assistant_media import shown_by_users

Message = dict[str, Any]

_PLAIN = frozenset({"role", "content"})
#: openai.types.chat: ChatCompletionMessageParam, its parts and its calls of tools.
_FIELDS = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "refusal", "audio", "function_call"})
_FIELDS_OF_CALLS = frozenset({"id", "type", "function", "custom"})
#: Fields of parts that only Anthropic knows.
_FOREIGN_TO_PARTS = frozenset({"cache_control", "citations"})


def is_plain(messages: list[Message]) -> bool:
    """Whether messages are texts alone, which every server takes as they are."""
    return all(message.keys() <= _PLAIN and type(message.get("content")) is str for message in messages)


def said(messages: list[Message], *, own_model: bool) -> list[Message]:
    """Messages without what the Responses API wrote beside them, which no server takes here.

    Args:
        own_model: whether one of OpenAI's models is asked.
    """
    if own_model:
        return [_own(message) for message in shown_by_users(messages)]
    if not any(ITEMS in message for message in messages):
        return messages
    return [{name: value for name, value in message.items() if name != ITEMS} for message in messages]


def _own(message: Message) -> Message:
    kept = {name: value for name, value in message.items() if name in _FIELDS}
    content, calls = kept.get("content"), kept.get("tool_calls")
    if isinstance(content, list):
        kept["content"] = own_parts(content)
    if calls:
        kept["tool_calls"] = [{name: call[name] for name in call if name in _FIELDS_OF_CALLS} for call in calls]
    return kept


def own_parts(parts: Sequence[Any]) -> list[Any]:
    """Parts of a content without what only other makers know of them; a bare text is one, too."""
    return [_part(part) for part in parts]


def _part(part: Any) -> Any:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if not isinstance(part, Mapping) or part.keys().isdisjoint(_FOREIGN_TO_PARTS):
        return part
    return {name: value for name, value in part.items() if name not in _FOREIGN_TO_PARTS}


def says_json(texts: Iterable[object]) -> bool:
    """Whether the word stands anywhere in messages: OpenAI refuses to answer in JSON unless it is told of it."""
    return any("json" in str(text).lower() for text in texts)


def named(form: Any) -> Any:
    """The form of an answer, whose schema must have a name at OpenAI."""
    match form:
        case {"type": "json_schema", "json_schema": dict(schema)} if not schema.get("name"):
            return {**form, "json_schema": {"name": "reply", **schema}}
    return form
