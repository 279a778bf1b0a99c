"""Whether messages are in the shape of Chat Completions, before anything is sent: the place that is wrong is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.model.errors import InvalidRequest

#: Roles that a message may have.
ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})
#: Part -> where its content stands: the name of a text, or of an object.
_TEXT_PARTS = {"text": "text", "refusal": "refusal"}
_OBJECT_PARTS = ("image_url", "input_audio", "file")


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
    if not isinstance(role, str) or role not in ROLES:
        raise InvalidRequest(f"{name}.role is {_said(role)}: expected one of {', '.join(sorted(ROLES))}")
    if role == "tool" and not isinstance(message.get("tool_call_id"), str):
        raise InvalidRequest(
            f"{name}.tool_call_id is {_said(message.get('tool_call_id'))}: expected the id of the call that it answers"
        )
    if message.get("tool_calls") is not None:
        _check_tool_calls(message["tool_calls"], f"{name}.tool_calls")
    content = message.get("content")
    if content is None and (role == "assistant" or "tool_calls" in message):
        return
    if isinstance(content, str):
        return
    if not (isinstance(content, list | tuple) and content):
        raise InvalidRequest(f"{name}.content is {_said(content)}: expected text or a list of parts")
    for i, part in enumerate(content):
        _check_part(part, f"{name}.content[{i}]")


def _check_part(part: object, name: str) -> None:
    if not isinstance(part, Mapping) or not isinstance(part.get("type"), str):
        raise InvalidRequest(f"{name} is {_said(part)}: expected an object with a type")
    kind = part["type"]
    if kind in _TEXT_PARTS:
        field = _TEXT_PARTS[kind]
        if not isinstance(part.get(field), str):
            raise InvalidRequest(f"{name}.{field} is {_said(part.get(field))}: expected text")
    elif kind in _OBJECT_PARTS:
        inner = part.get(kind)
        if not isinstance(inner, Mapping):
            raise InvalidRequest(f"{name}.{kind} is {_said(inner)}: expected an object")
        if kind == "image_url" and not isinstance(inner.get("url"), str):
            raise InvalidRequest(f"{name}.image_url.url is {_said(inner.get('url'))}: expected https://… or data:…")


def _check_tool_calls(calls: object, name: str) -> None:
    if not isinstance(calls, list | tuple):
        raise InvalidRequest(f"{name} is {_said(calls)}: expected a list of calls")
    for i, call in enumerate(calls):
        if not isinstance(call, Mapping):
            raise InvalidRequest(f"{name}[{i}] is {_said(call)}: expected an object with id, type and function")
        function = call.get("function")
        if call.get("type", "function") != "function":
            continue
        if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
            raise InvalidRequest(
                f"{name}[{i}].function is {_said(function)}: expected an object with name and arguments"
            )
        if not isinstance(function.get("arguments", ""), str):
            raise InvalidRequest(
                f"{name}[{i}].function.arguments is {_said(function['arguments'])}: expected JSON as text"
            )


def _said(value: object) -> str:
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 80 else text[:77] + "…"
