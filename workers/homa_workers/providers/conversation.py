"""A conversation in the shape of chat completions, read once for every provider that takes another shape.

1. A message is taken apart: text, media, thinking, calls of tools, a tool's result. Empty text is dropped: no provider
   takes it.
2. The adapter's `Renderer` writes each part in its provider's words, as one block, or refuses it.
3. Blocks of neighbours of one role are joined into one turn: turns must alternate, and the results of tools that were
   called together must stand in one. System messages, which these providers take beside the conversation, go apart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import orjson

from homa_shared.calls.reply import Call
from homa_shared.calls.shared_prefix import SYSTEM_ROLES
from homa_workers.providers.assistant_media import shown_by_users
from homa_workers.providers.data_url import file_url
from homa_workers.providers.invalid_request import refused

#: Asks for JSON where no parameter does, or where one is not enough.
JSON_INSTRUCTION = "Answer with one valid JSON object and nothing else."

#: A message or a part of one, as the caller wrote it.
Given = Mapping[str, Any]
#: What a part becomes.
Block = dict[str, Any]


def thinks_aloud(call: Call) -> bool:
    """Whether a conversation brings thinking of earlier answers."""
    return any("thinking_blocks" in message for message in call.messages)


def without_thinking(call: Call) -> Call:
    """A call whose conversation brings none."""
    messages = [
        {name: value for name, value in message.items() if name != "thinking_blocks"} for message in call.messages
    ]
    return replace(call, messages=messages)


class File(NamedTuple):
    """A document: its bytes or address, or else an id that a provider gave it."""

    #: A `data:` URL or an address; empty where there is only an id.
    url: str
    file_id: str
    name: str
    #: Its place among the parts of its message.
    number: int


class ToolCall(NamedTuple):
    id: str
    name: str
    arguments: Any
    given: Given


class ToolResult(NamedTuple):
    call_id: str | None
    #: Of the tool that the latest call of this id asked for; None where no earlier message calls it.
    name: str | None
    blocks: list[Block]


class Renderer(ABC):
    """Writes conversations in a provider's words.

    Every method that writes a part raises ProviderError (INVALID_REQUEST) for one that the provider cannot be shown.
    """

    #: What the provider calls the assistant.
    assistant: ClassVar[str] = "assistant"
    #: Whether its answers may show media; else they are shown by the user.
    assistant_shows: ClassVar[bool] = False
    #: The field of a turn that holds its blocks.
    content: ClassVar[str] = "content"

    @abstractmethod
    def text(self, text: str, part: Given) -> Block:
        """Text, an assistant's refusal included.

        Args:
            part: of type `text`, whose further fields some providers know.
        """

    @abstractmethod
    def image(self, url: str) -> Block:
        """An image by its `data:` URL or address."""

    @abstractmethod
    def file(self, file: File) -> Block: ...

    @abstractmethod
    def tool_call(self, call: ToolCall) -> Block: ...

    @abstractmethod
    def tool_result(self, result: ToolResult) -> Block: ...

    @abstractmethod
    def other(self, part: Given) -> Block:
        """A part of another type, or of none: perhaps the provider's own."""

    def audio(self, part: Given) -> Block:
        return self.other(part)

    def thinking(self, block: Given) -> Block | None:
        """A block of an earlier reply's thinking, in Anthropic's shape; None: it is not given back."""
        return None

    def cache_mark(self, mark: object, block: Block | None) -> Block | None:
        """Says that the provider may keep the prompt up to here: in the marked part's block, or by one that follows it.

        Args:
            mark: the part's own `cache_control`, as Anthropic takes it.
            block: what the part became; None where its text is empty.
        """
        return None

    def turns(self, messages: Sequence[dict[str, Any]]) -> list[Block]:
        """The conversation without its system messages; messages that come to no block are left out."""
        names: dict[str, str] = {}
        turns: list[Block] = []
        for message in messages if self.assistant_shows else shown_by_users(messages):
            if message.get("role") in SYSTEM_ROLES:
                continue
            role, blocks = self._turn(message, names)
            if turns and turns[-1]["role"] == role:
                turns[-1][self.content].extend(blocks)
            elif blocks:
                turns.append({"role": role, self.content: blocks})
        return turns

    def system(self, messages: Iterable[Given]) -> list[Block]:
        """System and developer messages, in order."""
        blocks: list[Block] = []
        for message in messages:
            if message.get("role") in SYSTEM_ROLES:
                blocks += self._content(message.get("content"))
        return blocks

    def _turn(self, message: Given, names: dict[str, str]) -> tuple[str, list[Block]]:
        match message.get("role"):
            case "user":
                return "user", self._content(message.get("content"))
            case "assistant":
                return self.assistant, self._assistant(message, names)
            case "tool":
                call_id = message.get("tool_call_id")
                blocks = self._content(message.get("content"))
                return "user", [self.tool_result(ToolResult(call_id, names.get(str(call_id)), blocks))]
        raise refused(f"messages: role {message.get('role')!r}", "expected system, developer, user, assistant or tool")

    def _assistant(self, message: Given, names: dict[str, str]) -> list[Block]:
        """In the order in which a model writes: thinking, text, calls of tools."""
        thinking = [self.thinking(block) for block in message.get("thinking_blocks") or ()]
        blocks = [block for block in thinking if block is not None]
        blocks += self._content(message.get("content"))
        for given in message.get("tool_calls") or ():
            call = _tool_call(given)
            names[call.id] = call.name
            blocks.append(self.tool_call(call))
        return blocks

    def _content(self, content: object) -> list[Block]:
        if isinstance(content, str):
            return [self.text(content, {"type": "text", "text": content})] if content else []
        if content is None:
            return []
        if not isinstance(content, list):
            raise refused(f"messages: content {content!r}", "expected a text or a list of parts")
        blocks: list[Block] = []
        for number, part in enumerate(content):
            given = {"type": "text", "text": part} if isinstance(part, str) else part
            block = self._part(given, number)
            if block is not None:
                blocks.append(block)
            if "cache_control" in given and (mark := self.cache_mark(given["cache_control"], block)) is not None:
                blocks.append(mark)
        return blocks

    def _part(self, part: Given, number: int) -> Block | None:
        match part.get("type"):
            case "text":
                return self.text(part["text"], part) if part.get("text") else None
            case "refusal":
                text = part.get("refusal")
                return self.text(text, {"type": "text", "text": text}) if text else None
            case "image_url":
                return self.image(part["image_url"]["url"])
            case "file":
                return self.file(_file(part["file"], number))
            case "input_audio":
                return self.audio(part)
        return self.other(part)


def _file(file: Given, number: int) -> File:
    url, file_id = file_url(file), file.get("file_id") or ""
    if not url and not file_id:
        raise refused("messages: a file part", "expected file_data or file_id in it")
    return File(url, file_id, file.get("filename") or "", number)


def _tool_call(call: Given) -> ToolCall:
    function = call["function"]
    try:
        arguments = orjson.loads(function.get("arguments") or "{}")
    except orjson.JSONDecodeError as error:
        raise refused(f"messages: arguments of tool call {call['id']!r}", f"not valid JSON ({error})") from error
    return ToolCall(call["id"], function["name"], arguments, call)
