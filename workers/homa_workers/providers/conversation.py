"""A conversation in the shape of chat completions, read once for every provider that takes another shape.

1. A message becomes typed parts: what it says, media, thinking, calls of tools, a tool's result.
2. The adapter renders each part in its provider's words, as any number of blocks.
3. Blocks of neighbours of one role are joined into one turn: turns must alternate, and the results of tools that were
   called together must stand in one. System messages, which these providers take beside the conversation, go apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from homa_shared.calls.shared_prefix import SYSTEM_ROLES
from homa_workers.providers.data_url import file_url
from homa_workers.providers.invalid_request import refused

#: A message or a part of one, as the caller wrote it.
Given = Mapping[str, Any]
#: What an adapter makes of a part.
Block = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Text:
    """Text, an assistant's refusal included. No provider takes an empty one."""

    text: str
    #: The part of type `text`, whose further fields some providers know.
    given: Given


@dataclass(frozen=True, slots=True)
class Image:
    #: A `data:` URL or an address.
    url: str
    given: Given


@dataclass(frozen=True, slots=True)
class Audio:
    given: Given


@dataclass(frozen=True, slots=True)
class File:
    """A document: its bytes or address, or else an id that a provider gave it."""

    #: A `data:` URL or an address; empty where there is only an id.
    url: str
    file_id: str
    name: str
    #: Its place among the parts of its message.
    number: int
    given: Given


@dataclass(frozen=True, slots=True)
class Thinking:
    """A block of an earlier reply's thinking in Anthropic's shape, to be given back unchanged: models check its
    signature when tools are in use."""

    block: Given


@dataclass(frozen=True, slots=True)
class ToolCall:
    id: str
    name: str
    arguments: Any
    given: Given


@dataclass(frozen=True, slots=True)
class ToolResult:
    call_id: str | None
    #: Of the tool that the latest call of this id asked for; None where no earlier message calls it.
    name: str | None
    content: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """A part of another type, or (None) of none: perhaps the provider's own."""

    type: str | None
    given: Given


Part = Text | Image | Audio | File | Thinking | ToolCall | ToolResult | Other
Render = Callable[[Part], Iterable[Block]]


@dataclass(frozen=True, slots=True)
class Turn:
    role: Literal["user", "assistant"]
    blocks: list[Block]


def turns(messages: Iterable[Given], render: Render) -> list[Turn]:
    """The conversation without its system messages; messages that come to no block are left out.

    Raises ProviderError (INVALID_REQUEST) for an unknown role, content that is neither text nor parts, or arguments of
    a tool call that are not valid JSON.
    """
    names: dict[str, str] = {}
    joined: list[Turn] = []
    for message in messages:
        if message.get("role") in SYSTEM_ROLES:
            continue
        turn = _turn(message, names, render)
        if joined and joined[-1].role == turn.role:
            joined[-1].blocks.extend(turn.blocks)
        elif turn.blocks:
            joined.append(turn)
    return joined


def system_blocks(messages: Iterable[Given], render: Render) -> list[Block]:
    """System and developer messages, in order."""
    return [
        block
        for message in messages
        if message.get("role") in SYSTEM_ROLES
        for part in content_parts(message.get("content"))
        for block in render(part)
    ]


def content_parts(content: object) -> Iterator[Part]:
    """The parts of a message's content. Raises ProviderError (INVALID_REQUEST) for anything but text and parts."""
    if isinstance(content, str):
        yield Text(content, {"type": "text", "text": content})
    elif isinstance(content, list):
        for number, part in enumerate(content):
            yield _part({"type": "text", "text": part} if isinstance(part, str) else part, number)
    elif content is not None:
        raise refused(f"messages: content {content!r}", "expected a text or a list of parts")


def _turn(message: Given, names: dict[str, str], render: Render) -> Turn:
    match message.get("role"):
        case "user":
            return Turn("user", _rendered(content_parts(message.get("content")), render))
        case "assistant":
            return Turn("assistant", _rendered(_assistant_parts(message, names), render))
        case "tool":
            return Turn("user", list(render(_tool_result(message, names))))
    raise refused(f"messages: role {message.get('role')!r}", "expected system, developer, user, assistant or tool")


def _rendered(parts: Iterable[Part], render: Render) -> list[Block]:
    return [block for part in parts for block in render(part)]


def _part(part: Given, number: int) -> Part:
    match part.get("type"):
        case "text":
            return Text(part.get("text") or "", part)
        case "refusal":
            return _refusal(part)
        case "image_url":
            return Image(part["image_url"]["url"], part)
        case "input_audio":
            return Audio(part)
        case "file":
            return _file(part, number)
        case other:
            return Other(other, part)


def _refusal(part: Given) -> Text:
    text = part.get("refusal") or ""
    rest = {name: value for name, value in part.items() if name not in ("type", "refusal")}
    return Text(text, {"type": "text", "text": text, **rest})


def _file(part: Given, number: int) -> File:
    file = part["file"]
    url, file_id = file_url(file), file.get("file_id") or ""
    if not url and not file_id:
        raise refused("messages: a file part", "expected file_data or file_id in it")
    return File(url, file_id, file.get("filename") or "", number, part)


def _assistant_parts(message: Given, names: dict[str, str]) -> Iterator[Part]:
    """In the order in which a model writes: thinking, text, calls of tools."""
    yield from map(Thinking, message.get("thinking_blocks") or ())
    yield from content_parts(message.get("content"))
    for call in message.get("tool_calls") or ():
        names[call["id"]] = call["function"]["name"]
        yield _tool_call(call)


def _tool_call(call: Given) -> ToolCall:
    function = call["function"]
    try:
        arguments = orjson.loads(function.get("arguments") or "{}")
    except orjson.JSONDecodeError as error:
        raise refused(f"messages: arguments of tool call {call['id']!r}", f"not valid JSON ({error})") from error
    return ToolCall(call["id"], function["name"], arguments, call)


def _tool_result(message: Given, names: Mapping[str, str]) -> ToolResult:
    call_id = message.get("tool_call_id")
    return ToolResult(call_id, names.get(str(call_id)), tuple(content_parts(message.get("content"))))
