"""The beginning of a prompt that a job shares with others: how a stored request marks it, where an adapter marks it.

A mark is `[messages, characters]`: so many whole messages, and so many characters of the next one's text. It says what
is shared, and nothing of any provider, so that it holds for every target that a job goes to. It changes no answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from homa_shared.calls.tokens import estimate_messages

#: Roles whose messages some providers take beside the conversation, ahead of it.
SYSTEM_ROLES = frozenset({"system", "developer"})
#: Fields of a part by which a caller marks it himself.
OWN_MARKS = frozenset({"cache_control", "prompt_cache_breakpoint"})
_MARKABLE_ROLES = SYSTEM_ROLES | {"user"}
_MARKABLE_PARTS = frozenset({"text", "image_url", "file"})
#: Parameters that providers put in front of the messages.
_AHEAD = ("tools", "functions", "response_format")

Message = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SharedPrefix:
    """What a prompt has in common with others."""

    #: Whole messages, from the first one on.
    messages: int
    #: Characters of the next message's text.
    characters: int = 0

    def encode(self) -> bytes:
        return b"[%d,%d]" % (self.messages, self.characters)

    @classmethod
    def decode(cls, found: Sequence[int]) -> SharedPrefix:
        messages, characters = found
        return cls(int(messages), int(characters))

    def after_insertion(self, at: int) -> SharedPrefix:
        """The same, once a message that all share was put in at a place."""
        return SharedPrefix(self.messages + 1, self.characters) if at <= self.messages else self

    def cut(self, messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """The messages that are shared, the last one perhaps in part."""
        shared = list(messages[: self.messages])
        if self.characters and self.messages < len(messages):
            following = messages[self.messages]
            if isinstance(content := following.get("content"), str):
                shared.append({**following, "content": content[: self.characters]})
        return shared

    def digest(self, messages: Sequence[Mapping[str, Any]], params: Mapping[str, Any]) -> str:
        """Tells prefixes apart, tools and schema included: 32 hex digits."""
        ahead = {name: params[name] for name in _AHEAD if name in params}
        return hashlib.sha256(orjson.dumps([ahead, self.cut(messages)])).hexdigest()[:32]

    def tokens(self, messages: Sequence[Mapping[str, Any]], params: Mapping[str, Any], model: str) -> int:
        """An estimate of its tokens, tools included; rather too low than too high."""
        return estimate_messages(self.cut(messages), model, tools=params.get("tools"))


def is_marked(messages: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the caller has marks of his own in a prompt; they stand alone then."""
    contents = (message.get("content") for message in messages)
    return any(
        isinstance(part, Mapping) and not OWN_MARKS.isdisjoint(part)
        for content in contents
        if isinstance(content, list)
        for part in content
    )


def with_mark(messages: list[Message], shared: SharedPrefix, mark: Mapping[str, Any]) -> list[Message]:
    """Messages with a mark on their last shared part; as they are where none can have one, or marks are there already.

    A text is split behind what is shared. Where a system message that is not shared stands further back, only system
    messages are marked: providers that take these ahead of the conversation would find nothing shared behind it.

    Args:
        mark: fields that are added to the part.
    """
    if is_marked(messages):
        return messages
    roles = _MARKABLE_ROLES
    behind = shared.messages + bool(shared.characters)
    if any(message.get("role") in SYSTEM_ROLES for message in messages[behind:]):
        roles = SYSTEM_ROLES
    places = [(shared.messages, shared.characters)] if shared.characters else []
    places += [(place, 0) for place in range(min(shared.messages, len(messages)) - 1, -1, -1)]
    for place, characters in places:
        if place >= len(messages) or messages[place].get("role") not in roles:
            continue
        parts = _marked_parts(messages[place].get("content"), characters, mark)
        if parts is not None:
            return [*messages[:place], {**messages[place], "content": parts}, *messages[place + 1 :]]
    return messages


def _marked_parts(content: object, characters: int, mark: Mapping[str, Any]) -> list[Any] | None:
    """A content with the mark behind so many characters, or (0) behind all of it; None where it has no place."""
    if isinstance(content, str):
        head, rest = (content[:characters], content[characters:]) if characters else (content, "")
        # A part of blanks alone is refused by providers that take the whole text.
        if not head.strip() or (rest and not rest.strip()):
            return None
        marked = {"type": "text", "text": head, **mark}
        return [marked, {"type": "text", "text": rest}] if rest else [marked]
    if characters or not isinstance(content, list) or not content or not isinstance(content[-1], Mapping):
        return None
    last = content[-1]
    if last.get("type") not in _MARKABLE_PARTS or (last["type"] == "text" and not str(last.get("text") or "").strip()):
        return None
    return [*content[:-1], {**last, **mark}]
