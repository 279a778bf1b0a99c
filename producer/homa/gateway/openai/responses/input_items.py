"""Input items of a response as messages of Chat Completions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa_shared.calls.reply import ITEMS
from homa_shared.model.errors import InvalidRequest

_ROLES = ("user", "system", "developer", "assistant")
_TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
_OUTPUTS = frozenset({"function_call_output", "custom_tool_call_output"})
#: Items that a chat message can say in full; what a model left behind beside them is given back as it came.
_PLAIN = frozenset({"message", "function_call", "custom_tool_call"})


def input_messages(instructions: object, given: object) -> list[dict[str, Any]]:
    """All messages of a request.

    Raises:
        InvalidRequest: the item that is wrong is named by its place.
    """
    messages: list[dict[str, Any]] = []
    if instructions is not None:
        if not isinstance(instructions, str):
            raise InvalidRequest(f"instructions is {instructions!r:.80}: expected text")
        messages.append({"role": "system", "content": instructions})
    if isinstance(given, str) and given:
        return [*messages, {"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise InvalidRequest(f"input is {given!r:.80}: expected text or a list of at least one item")
    turn: list[Mapping[str, Any]] = []
    for i, item in enumerate(given):
        place = f"input[{i}]"
        if not isinstance(item, Mapping):
            raise InvalidRequest(f"{place} is {item!r:.80}: expected an object")
        if not isinstance(item.get("type", ""), str):
            raise InvalidRequest(f"{place}.type is {item['type']!r:.80}: expected the name of a type")
        if _is_of_model(item):
            turn.append(item)
            continue
        messages += _assistant(turn, place)
        turn = []
        messages.append(_message(item, place))
    return messages + _assistant(turn, f"input[{len(given)}]")


def _is_of_model(item: Mapping[str, Any]) -> bool:
    kind = item.get("type", "message")
    return item.get("role") == "assistant" if kind == "message" else kind not in _OUTPUTS


def _message(item: Mapping[str, Any], place: str) -> dict[str, Any]:
    if item.get("type") in _OUTPUTS:
        return {"role": "tool", "tool_call_id": _text(item, "call_id", place), "content": _output(item, place)}
    role = item.get("role")
    if role not in _ROLES:
        raise InvalidRequest(f"{place}.role is {role!r:.80}: expected one of {', '.join(_ROLES)}")
    return {"role": role, "content": _content(item.get("content"), f"{place}.content")}


def _assistant(items: list[Mapping[str, Any]], place: str) -> list[dict[str, Any]]:
    """What a model wrote between two messages of others, as one message."""
    if not items:
        return []
    texts, calls = [], []
    for item in items:
        kind = item.get("type", "message")
        if kind == "message":
            content = _content(item.get("content"), place)
            texts += (
                [content] if isinstance(content, str) else [part.get("text") or part.get("refusal") for part in content]
            )
        elif kind == "function_call":
            function = {"name": _text(item, "name", place), "arguments": _text(item, "arguments", place)}
            calls.append({"id": _text(item, "call_id", place), "type": "function", "function": function})
        elif kind == "custom_tool_call":
            custom = {"name": _text(item, "name", place), "input": _text(item, "input", place)}
            calls.append({"id": _text(item, "call_id", place), "type": "custom", "custom": custom})
    message: dict[str, Any] = {"role": "assistant", "content": "".join(map(str, texts)) or None}
    if calls:
        message["tool_calls"] = calls
    if any(item.get("type", "message") not in _PLAIN for item in items):
        message[ITEMS] = [dict(item) for item in items]
    return [message]


def _output(item: Mapping[str, Any], place: str) -> str:
    output = item.get("output")
    if isinstance(output, str):
        return output
    parts = _content(output, f"{place}.output")
    return "\n".join(str(part.get("text") or "") for part in parts) if isinstance(parts, list) else parts


def _content(content: object, place: str) -> Any:
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        raise InvalidRequest(f"{place} is {content!r:.80}: expected text or a list of parts")
    return [_part(part, f"{place}[{i}]") for i, part in enumerate(content)]


def _part(part: object, place: str) -> dict[str, Any]:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if not isinstance(part, Mapping) or not isinstance(kind, str):
        raise InvalidRequest(f"{place} is {part!r:.80}: expected an object with a type")
    if kind in _TEXTS:
        name = _TEXTS[kind]
        return {"type": name, name: _text(part, name, place)}
    if kind == "input_image":
        image = {"url": _text(part, "image_url", place)} | ({"detail": part["detail"]} if part.get("detail") else {})
        return {"type": "image_url", "image_url": image}
    if kind == "input_file":
        data = part.get("file_data") or part.get("file_url")
        if not isinstance(data, str):
            raise InvalidRequest(
                f"{place}.file_data is {data!r:.80}: expected a data: URL; ids of files are not kept here"
            )
        return {"type": "file", "file": {"filename": str(part.get("filename") or "document.pdf"), "file_data": data}}
    raise InvalidRequest(f"{place}.type is {kind!r:.80}: expected input_text, input_image or input_file")


def _text(item: Mapping[str, Any], name: str, place: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f"{place}.{name} is {value!r:.80}: expected text")
    return value
