"""Anthropic's turns as messages of Chat Completions.

Blocks of thinking and marks for the prompt cache are kept as Homa's workers give them back to Claude
(`thinking_blocks`, `cache_control`). Source: platform.claude.com/docs/en/api/messages
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from homa_shared.model.errors import InvalidRequest

_THINKING = frozenset({"thinking", "redacted_thinking"})


def chat_messages(system: object, messages: object) -> list[dict[str, Any]]:
    """All messages of a request.

    Raises:
        InvalidRequest: the turn or block that is wrong is named by its place.
    """
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest(f"messages is {messages!r:.80}: expected a list of at least one message")
    found = [] if system is None else [{"role": "system", "content": _texts(system, "system")}]
    for i, turn in enumerate(messages):
        found += _turn(turn, f"messages[{i}]")
    return found


def _turn(turn: object, place: str) -> Iterator[dict[str, Any]]:
    if not isinstance(turn, Mapping):
        raise InvalidRequest(f"{place} is {turn!r:.80}: expected an object with role and content")
    role, content = turn.get("role"), turn.get("content")
    if role not in ("user", "assistant", "system"):
        raise InvalidRequest(f"{place}.role is {role!r:.80}: expected user or assistant")
    if isinstance(content, str):
        return iter([{"role": role, "content": content}])
    blocks = _blocks(content, f"{place}.content")
    if role == "system":
        return iter([{"role": role, "content": _texts(content, f"{place}.content")}])
    return _assistant(blocks) if role == "assistant" else _user(blocks)


def _blocks(content: object, place: str) -> list[tuple[Mapping[str, Any], str]]:
    if not isinstance(content, list) or not content:
        raise InvalidRequest(f"{place} is {content!r:.80}: expected text or a list of blocks")
    for i, block in enumerate(content):
        if not isinstance(block, Mapping) or not isinstance(block.get("type"), str):
            raise InvalidRequest(f"{place}[{i}] is {block!r:.80}: expected an object with a type")
    return [(block, f"{place}[{i}]") for i, block in enumerate(content)]


def _texts(content: object, place: str) -> Any:
    if isinstance(content, str):
        return content
    return [_part(block, where) for block, where in _blocks(content, place)]


def _user(blocks: list[tuple[Mapping[str, Any], str]]) -> Iterator[dict[str, Any]]:
    """Results of tools first, each a message of its own, as Chat Completions wants them."""
    shown: list[dict[str, Any]] = []
    for block, place in blocks:
        if block["type"] == "tool_result":
            yield _tool_result(block, place, shown)
        else:
            shown.append(_part(block, place))
    if shown:
        yield {"role": "user", "content": shown}


def _tool_result(block: Mapping[str, Any], place: str, shown: list[dict[str, Any]]) -> dict[str, Any]:
    content = block.get("content") or ""
    if not isinstance(content, str):
        parts = [_part(inner, where) for inner, where in _blocks(content, f"{place}.content")]
        # A tool's message holds text alone; what else it shows goes to the user's message behind it.
        shown += [part for part in parts if part["type"] != "text"]
        content = "\n".join(part["text"] for part in parts if part["type"] == "text")
    if block.get("is_error"):
        content = f"error: {content}"
    return {"role": "tool", "tool_call_id": _text_of(block, "tool_use_id", place), "content": content}


def _assistant(blocks: list[tuple[Mapping[str, Any], str]]) -> Iterator[dict[str, Any]]:
    said = [_part(block, place) for block, place in blocks if block["type"] == "text"]
    calls = [_tool_call(block, place) for block, place in blocks if block["type"] == "tool_use"]
    others = [place for block, place in blocks if block["type"] not in {"text", "tool_use"} | _THINKING]
    if others:
        raise InvalidRequest(f"{others[0]} cannot be given back here: expected text, thinking or tool_use")
    message: dict[str, Any] = {"role": "assistant", "content": said or None}
    if calls:
        message["tool_calls"] = calls
    if thinking := [dict(block) for block, _ in blocks if block["type"] in _THINKING]:
        message["thinking_blocks"] = thinking
    yield message


def _tool_call(block: Mapping[str, Any], place: str) -> dict[str, Any]:
    given = block.get("input") or {}
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"{place}.input is {given!r:.80}: expected an object")
    function = {"name": _text_of(block, "name", place), "arguments": orjson.dumps(given).decode()}
    return {"id": _text_of(block, "id", place), "type": "function", "function": function}


def _part(block: Mapping[str, Any], place: str) -> dict[str, Any]:
    kind = block["type"]
    if kind == "text":
        part: dict[str, Any] = {"type": "text", "text": _text_of(block, "text", place)}
    elif kind == "image":
        part = {"type": "image_url", "image_url": {"url": _url(block.get("source"), f"{place}.source")}}
    elif kind == "document":
        part = _document(block, place)
    else:
        raise InvalidRequest(f"{place}.type is {kind!r:.80}: expected text, image, document or tool_result")
    return part | ({"cache_control": block["cache_control"]} if block.get("cache_control") else {})


def _document(block: Mapping[str, Any], place: str) -> dict[str, Any]:
    source = block.get("source")
    if isinstance(source, Mapping) and source.get("type") == "text":
        return {"type": "text", "text": _text_of(source, "data", f"{place}.source")}
    title = block.get("title") or "document.pdf"
    return {"type": "file", "file": {"filename": str(title), "file_data": _url(source, f"{place}.source")}}


def _url(source: object, place: str) -> str:
    if isinstance(source, Mapping) and source.get("type") == "url":
        return _text_of(source, "url", place)
    if isinstance(source, Mapping) and source.get("type") == "base64":
        return f"data:{_text_of(source, 'media_type', place)};base64,{_text_of(source, 'data', place)}"
    raise InvalidRequest(f"{place} is {source!r:.80}: expected an object of type base64 or url")


def _text_of(block: Mapping[str, Any], name: str, place: str) -> str:
    value = block.get(name)
    if not isinstance(value, str):
        raise InvalidRequest(f"{place}.{name} is {value!r:.80}: expected text")
    return value
