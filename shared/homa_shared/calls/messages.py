"""Messages of a conversation as callers give them: are they in the shape of Chat Completions?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.model.errors import InvalidRequest

#: Roles that a message may have.
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


def check_messages(messages: object) -> list[dict[str, Any]]:
    """Messages in the shape of Chat Completions, as given.

    Raises:
        InvalidRequest: the message that is wrong is named by its place.
    """
    if not isinstance(messages, list | tuple) or not messages:
        raise InvalidRequest(f"messages is {_said(messages)}: expected a list of at least one message")
    for i, message in enumerate(messages):
        _check_message(message, f"messages[{i}]")
    return list(messages)


def _check_message(message: object, name: str) -> None:
    if not isinstance(message, Mapping):
        raise InvalidRequest(
            f'{name} is {_said(message)}: expected an object such as {{"role": "user", "content": "…"}}'
        )
    role = message.get("role")
    if role not in ROLES:
        raise InvalidRequest(f"{name}.role is {_said(role)}: expected one of {', '.join(sorted(ROLES))}")
    content = message.get("content")
    if content is None and (role == "assistant" or "tool_calls" in message):
        return
    if not isinstance(content, str) and not (isinstance(content, list | tuple) and content):
        raise InvalidRequest(f"{name}.content is {_said(content)}: expected text or a list of parts")
    for i, part in enumerate(content if not isinstance(content, str) else ()):
        if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
            raise InvalidRequest(f"{name}.content[{i}] is {_said(part)}: expected an object with a type")


def _said(value: object) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
