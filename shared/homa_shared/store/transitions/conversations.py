"""Conversations: turns accepted with their jobs, summaries, branches, ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from homa_shared.model.constants import FULL_PERCENT
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, text
from homa_shared.store.sealing import Kind, keyed_name, sealed_record, sealed_request, sealed_shown, sealed_text
from homa_shared.store.transitions.submit import Common, Entry


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a conversation is."""

    #: For the application: a user, a session.
    name: str = ""
    tenant: str = ""


@dataclass(frozen=True, slots=True)
class NewTurn:
    """A turn to be accepted."""

    conversation: str
    owner: Owner
    #: Turns that the conversation is expected to have.
    expected: int
    #: What the person says, as a JSON array of messages, or a reference to it in the blob store.
    messages: bytes
    #: What is said anew of the conversation: system, model, window, most.
    facts: Mapping[str, str] = field(default_factory=dict)
    #: The state that the request was made of (`ConversationFacts.seen`); empty: whatever it is.
    seen: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """How the store took a turn or a branch (scripts/begin_turn.lua, branch_conversation.lua)."""

    #: ok, known, conflict, forbidden, stale, moved, pending, full; unknown, taken, beyond.
    word: str
    number: int
    #: A job, or what is full.
    detail: str


def begin_turn(keys: Keys, turn: NewTurn, common: Common, entry: Entry) -> Op[Answer]:
    """Accepts a turn and its job. Sending the same again changes nothing."""
    args = (
        *(turn.conversation, turn.owner.name, turn.owner.tenant, turn.expected, FULL_PERCENT),
        *(_encoded(keys, turn.facts), sealed_shown(keys, Kind.TURN, turn.messages)),
        *(entry.id, sealed_request(keys, entry.request), keyed_name(keys, entry.key)),
        *(sealed_record(keys, common.encode()), sealed_record(keys, entry.encode()), entry.deadline_ms, entry.due_ms),
        turn.seen,
    )
    return call(keys, "begin_turn", args, _answer)


def begin_summary(keys: Keys, conversation: str, upto: int, turns: int, common: Common, entry: Entry) -> Op[str]:
    """Accepts the job that sums up the first turns; returns it, empty where there is nothing to sum up any more.

    Args:
        upto: number of the last turn that is summed up.
        turns: that the conversation has at least.
    """
    job = (entry.id, sealed_request(keys, entry.request), keyed_name(keys, entry.key))
    fields = (sealed_record(keys, common.encode()), sealed_record(keys, entry.encode()))
    return call(keys, "begin_summary", (conversation, common.tenant, upto, turns, FULL_PERCENT, *job, *fields), text)


def branch(keys: Keys, conversation: str, new: str, owner: Owner, at: int | None) -> Op[Answer]:
    """Begins a conversation with the first turns of another one; None takes all of them."""
    args = (conversation, new, owner.name, owner.tenant, "" if at is None else at, FULL_PERCENT)
    return call(keys, "branch_conversation", args, _answer)


def delete(keys: Keys, conversation: str, owner: Owner | None = None) -> Op[tuple[str, str]]:
    """Forgets a conversation; returns ok, unknown or forbidden, and the job that was cancelled with it.

    Args:
        owner: who asks; None: somebody who may delete all of them.
    """
    whose = (0, "", "") if owner is None else (1, owner.name, owner.tenant)
    return call(keys, "delete_conversation", (conversation, *whose), lambda reply: (text(reply[0]), text(reply[1])))


@dataclass(frozen=True, slots=True)
class TurnRow:
    """A turn as the store keeps it."""

    #: `state job accepted ended`: a letter, an id, ms.
    told: str
    #: As `NewTurn.messages`.
    messages: bytes
    #: The reply's envelope; empty without one.
    reply: bytes = b""
    #: The error's envelope; empty without one.
    error: bytes = b""


#: Most turns, and bytes, of one `import_turns`.
IMPORTED_AT_ONCE, IMPORTED_BYTES = 100, 512 * 1024


def import_turns(keys: Keys, imported: str, first: int, turns: Sequence[TurnRow]) -> Op[int]:
    """Puts some turns of an import in the store; returns their bytes.

    Args:
        imported: names the import.
        first: number of the first one.
    """
    rows: list[str | bytes] = []
    for turn in turns:
        ends = (sealed_shown(keys, Kind.REPLY, end) for end in (turn.reply, turn.error))
        rows += (turn.told, sealed_shown(keys, Kind.TURN, turn.messages), *ends)
    return call(keys, "import_turns", (imported, first, FULL_PERCENT, *rows), int)


def import_conversation(
    keys: Keys, conversation: str, imported: str, turns: int, size: int, facts: Mapping[str, str]
) -> Op[str]:
    """Makes a conversation of the turns of an import; returns ok, taken, or gone where turns are missing.

    Args:
        imported: names the import.
        turns, size: of it, in bytes.
    """
    return call(keys, "import_conversation", (conversation, imported, turns, size, _encoded(keys, facts)), text)


def _encoded(keys: Keys, facts: Mapping[str, str]) -> bytes:
    """Fields of a conversation's hash."""
    said = dict(facts)
    if said.get("system"):
        said["system"] = sealed_text(keys, Kind.SYSTEM, said["system"])
    return orjson.dumps(said)


def _answer(reply: Any) -> Answer:
    return Answer(text(reply[0]), int(reply[1]), text(reply[2]))
