"""What the store tells of conversations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, mapping, pairs, read, text
from homa_shared.store.sealing import Kind, opened, opened_fields
from homa_shared.store.transitions.conversations import Owner, TurnRow

_LISTED = ("n", "owner", "tenant", "pending", "bytes", "created", "used", "of", "at", "model")


@dataclass(frozen=True, slots=True)
class ConversationFacts:
    """A conversation, but for its turns."""

    id: str
    owner: Owner
    #: Number of its turns, failed ones included.
    turns: int
    #: Number of the turn that waits for its answer; 0 for none.
    pending: int
    #: Of messages and replies in the store.
    bytes: int
    created_ms: int
    used_ms: int
    #: The conversation that it branched off from behind turn `branched_at`; empty for none.
    branch_of: str = ""
    branched_at: int = 0
    model: str = ""
    system: str = ""
    #: As JSON; empty for none.
    window: str = ""
    #: Turns that it may have at most; 0: as many as any.
    most_turns: int = 0
    #: Turns that its summary is of; 0 for no summary.
    summed: int = 0
    #: Names the state of its turns: another one once one of them has begun or ended; `none` where there are none.
    seen: str = "none"


@dataclass(frozen=True, slots=True)
class ConversationPage:
    """A conversation with some of its turns."""

    facts: ConversationFacts
    #: Envelope of the reply that is its summary; empty for none.
    summary: bytes
    #: Number of the first of `rows`.
    first: int
    rows: Sequence[TurnRow] = field(default_factory=list)


def conversation(keys: Keys, conversation_id: str, *, last: int = 0, most: int = 100) -> Op[ConversationPage | None]:
    """A conversation, with up to `most` turns of which `last` (0: the latest) is the last; None where there is none."""

    def parse(reply: Any) -> ConversationPage | None:
        if not reply:
            return None
        facts, summary, first, rows = reply
        told = opened_fields(keys, {"system": Kind.SYSTEM}, mapping(facts))
        turns = [_row(keys, *row) for row in rows]
        summed = opened(keys, Kind.REPLY, bytes(summary))
        return ConversationPage(_facts(conversation_id, told), summed, int(first), turns)

    return call(keys, "conversation", (conversation_id, last, most), parse)


def conversations(keys: Keys, *, start: int = 0, count: int = 100) -> Op[tuple[list[ConversationFacts], int]]:
    """A page of conversations by their last use, the latest first; and how many the index had on it."""

    def rest(replies: list[Any]) -> Op[tuple[list[ConversationFacts], int]] | None:
        ids = [name for name, _ in pairs(replies[0])]
        if not ids:
            return None
        commands = [("HMGET", keys.conversation(found), *_LISTED) for found in ids]
        return read(commands, lambda rows: (_listed(ids, rows), len(ids)))

    command = ("ZRANGE", keys.conversations(), start, start + count - 1, "REV", "WITHSCORES")
    return Op((command,), lambda _: ([], 0), None, rest)


def _row(keys: Keys, told: bytes, messages: bytes, reply: bytes, error: bytes) -> TurnRow:
    ends = (opened(keys, Kind.REPLY, bytes(end)) for end in (reply, error))
    return TurnRow(text(told), opened(keys, Kind.TURN, bytes(messages)), *ends)


def _listed(ids: Sequence[str], rows: Sequence[Any]) -> list[ConversationFacts]:
    told = (dict(zip(_LISTED, map(text, row), strict=True)) for row in rows)
    return [_facts(found, row) for found, row in zip(ids, told, strict=True) if row["n"]]


def _facts(conversation_id: str, told: dict[str, str]) -> ConversationFacts:
    def number(name: str) -> int:
        return int(float(told.get(name) or 0))

    return ConversationFacts(
        conversation_id,
        Owner(told.get("owner", ""), told.get("tenant", "")),
        number("n"),
        number("pending"),
        number("bytes"),
        number("created"),
        number("used"),
        told.get("of", ""),
        number("at"),
        told.get("model", ""),
        told.get("system", ""),
        told.get("window", ""),
        number("most"),
        number("summed"),
        f"{told.get('created', '')}:{told.get('rev') or 0}",
    )
