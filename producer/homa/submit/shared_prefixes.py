"""What the lines of a batch share at their beginning, found a chunk at a time and marked for providers' prompt caches.

1. Lines with equal leading messages are one group, told by a hash: nothing of a line is held longer than its chunk.
2. What the last message's texts of a group begin with alike is its head. A head once found stays, so that all chunks
   are cut at the same place; where a group begins in several ways, each long beginning has a head of its own.
3. Once three lines have a prefix long enough to be kept, it is marked, and lines of one prefix stand one after another.

A wrong guess costs little: a mark tells where a prompt may be cut, and what providers do not find again they read anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import orjson

from homa_shared.calls.encoded_request import sharing
from homa_shared.calls.shared_prefix import SharedPrefix
from homa_shared.model.tokens import PrefixTokens
from homa_shared.store.transitions.submit import Entry

if TYPE_CHECKING:
    from homa.submit.encoded_messages import Prepared
    from homa.submit.template import Template

#: Lines that a prefix must have: writing it costs a quarter more than reading it, reading it again a tenth.
LEAST_LINES = 3
#: Bytes below which no prefix has the tokens that providers ask for.
LEAST_BYTES = 2048
#: Characters by which lines that begin in different ways are told apart: no shorter head is worth a cut by itself.
_TOLD_APART = 256
#: Most characters that a head loses to end between two words.
_WORD = 100
#: Groups, and heads of one, that are remembered.
_MOST_GROUPS, _MOST_HEADS = 512, 16


#: Entries of a submission, the place of one among them, and the last text of its prompt.
_Line = tuple[list[Entry], int, str]


@dataclass(slots=True)
class _Group:
    """Lines with equal leading messages."""

    #: Leading messages, and their bytes.
    messages: int
    size: int
    #: What the caller says of it.
    wanted: bool | str | None
    lines: int = 0
    #: What all texts begin with; None until it is known.
    head: str | None = None
    #: Hash of a long beginning -> head of those that share it.
    heads: dict[int, str] = field(default_factory=dict)


class Prefixes:
    """The prefixes of one batch."""

    def __init__(self) -> None:
        self._groups: dict[tuple[int, int], _Group] = {}
        self._chunk: dict[int, tuple[_Group, Template, Sequence[Mapping[str, Any]], list[_Line]]] = {}

    def note(self, template: Template, prepared: Prepared, entries: list[Entry]) -> None:
        """A line that was gathered: the last of the entries."""
        messages = prepared.messages
        lead, last = messages[:-1], messages[-1].get("content")
        key = (id(template), _hash(lead))
        group = self._groups.get(key)
        if group is None:
            if len(self._groups) >= _MOST_GROUPS:
                self._groups.clear()
            group = _Group(len(lead), sum(_size(message) for message in lead), template.options.prompt_cache)
            self._groups[key] = group
        found = self._chunk.get(id(group))
        if found is None:
            found = self._chunk[id(group)] = (group, template, lead, [])
        found[-1].append((entries, len(entries) - 1, last if isinstance(last, str) else ""))

    def mark(self) -> None:
        """Marks the chunk's entries and puts those of one prefix one after another; the next chunk is empty."""
        order: dict[int, tuple[list[Entry], dict[int, int]]] = {}
        number = 0
        for group, template, lead, lines in self._chunk.values():
            marks: dict[str, tuple[int, bytes, PrefixTokens]] = {}
            for (entries, index, text), head in self._heads(group, lines):
                if head not in marks:
                    number += 1
                    shared = SharedPrefix(group.messages, len(head))
                    prefix = template.prefix(shared, [*lead, {"role": "user", "content": text}])
                    marks[head] = number, shared.encode(), prefix
                place, mark, prefix = marks[head]
                entry = entries[index]
                entries[index] = replace(entry, request=sharing(entry.request, mark), prefix=prefix)
                order.setdefault(id(entries), (entries, {}))[1][index] = place
        for entries, places in order.values():
            if len(set(places.values())) > 1:
                # Stable: lines of one prefix, and those of none, keep their order among themselves.
                entries[:] = [entries[i] for i in sorted(range(len(entries)), key=lambda i: places.get(i, 0))]
        self._chunk.clear()

    def _heads(self, group: _Group, lines: list[_Line]) -> Iterator[tuple[_Line, str]]:
        """The lines that share something, each with what its text has in common with others'."""
        group.lines += len(lines)
        if group.wanted is True:
            yield from ((line, "") for line in lines if group.messages)
            return
        if group.lines < LEAST_LINES:
            return
        if group.head is None:
            group.head = self._common(group, lines)
        alike: dict[int, list[_Line]] = {}
        for line in lines:
            alike.setdefault(self._name(group, line[2]), []).append(line)
        for name, found in alike.items():
            own = self._own_head(group, name, found)
            if not own and not group.head and group.size < LEAST_BYTES:
                continue
            for line in found:
                head = next((head for head in (own, group.head) if head and line[2].startswith(head)), "")
                if head or group.size >= LEAST_BYTES:
                    yield line, head

    @staticmethod
    def _name(group: _Group, text: str) -> int:
        """Tells apart lines that begin differently; 0 for those that need not be, or are too short."""
        if group.head and len(group.head) >= _TOLD_APART and text.startswith(group.head):
            return 0
        return hash(text[:_TOLD_APART]) if len(text) >= _TOLD_APART else 0

    @staticmethod
    def _common(group: _Group, lines: list[_Line]) -> str | None:
        """What all texts of a group begin with; None where that is too little to be kept, so far."""
        texts = [text for _, _, text in lines]
        if isinstance(group.wanted, str) and any(text.startswith(group.wanted) for text in texts):
            head = group.wanted
        elif len(texts) >= LEAST_LINES:
            head = _alike(texts)
        else:
            return None
        if group.size >= LEAST_BYTES:
            # A text is not cut for a few words more.
            return head if len(head) >= _TOLD_APART else ""
        return head if group.size + len(head.encode()) >= LEAST_BYTES else None

    @staticmethod
    def _own_head(group: _Group, name: int, lines: list[_Line]) -> str:
        """The head of lines that begin alike for long; empty where there is none."""
        if name and name not in group.heads and len(lines) >= LEAST_LINES:
            head = _alike([text for _, _, text in lines])
            if group.size + len(head.encode()) >= LEAST_BYTES:
                if len(group.heads) >= _MOST_HEADS:
                    group.heads.clear()
                group.heads[name] = head
        return group.heads.get(name, "")


def _hash(messages: Sequence[Mapping[str, Any]]) -> int:
    if not messages:
        return 0
    try:
        # Texts remember their hash: a system prompt that all lines share is read once.
        return hash(tuple((message.get("role"), message.get("content"), len(message)) for message in messages))
    except TypeError:
        return hash(orjson.dumps(messages))


def _size(message: Mapping[str, Any]) -> int:
    content = message.get("content")
    return len(content.encode()) if isinstance(content, str) else len(orjson.dumps(content))


def _alike(texts: Sequence[str]) -> str:
    """What texts begin with alike, up to the end of a word."""
    # Of sorted texts the first and the last have least in common.
    first, last = min(texts), max(texts)
    differs = (i for i, (a, b) in enumerate(zip(first, last, strict=False)) if a != b)
    head = first[: next(differs, len(first))]
    end = max(head.rfind("\n"), head.rfind(" ")) + 1
    return head[:end] if len(head) - end <= _WORD else head
