"""The audit trail: who changed what by hand, each entry chained to the one before by its digest.

`audited(op, "queue.paused", "openai")` marks an operation as an action of people; the store's clients write it down
before they run it, so that nothing is done unseen. An entry that nothing followed was asked for, and may have failed.

    digest = SHA-256(digest before + canonical JSON of the entry)

Whoever may write to the store can rewrite the whole trail: what proves that nobody has is a digest that was kept
elsewhere, which `homa audit verify --expect` looks for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any, TypeVar

import orjson

from homa_shared.model.ids import new_nonce
from homa_shared.model.json_safe import valid_text
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Action, Op, call, mapping, read, text

T = TypeVar("T")

#: Digest before the first entry.
NOTHING_BEFORE = ""
#: Asks for the digest of the last entry.
_ASKING = "?"
#: Entries of a page.
PAGE = 500

#: Changes nothing by itself: what is audited of several operations as one action.
NOTHING: Op[None] = Op((), lambda _: None)

_acting: ContextVar[str] = ContextVar("homa_acting", default="")


@dataclass(frozen=True, slots=True)
class Entry:
    """One action as it stands in the trail."""

    #: Place in the trail.
    id: str
    #: By the store's clock, ms.
    at_ms: int
    #: Who: a user at a machine, or a key of the gateway.
    actor: str
    #: By what: cli, client, gateway.
    via: str
    #: Past tense, `queue.paused`.
    action: str
    #: What it was done to.
    subject: str
    details: dict[str, Any] = field(default_factory=dict)
    nonce: str = ""
    #: Digest of the entry before, and its own.
    before: str = NOTHING_BEFORE
    digest: str = ""

    @property
    def expected_digest(self) -> str:
        """What its digest is if nobody has changed it."""
        said = [self.at_ms, self.actor, self.via, self.action, self.subject, self.details, self.nonce]
        canonical = orjson.dumps(said, option=orjson.OPT_SORT_KEYS)
        return hashlib.sha256(self.before.encode() + canonical).hexdigest()


def audited(op: Op[T], action: str, subject: str, **details: Any) -> Op[T]:
    """An operation that the store's clients write into the audit trail before they run it.

    Args:
        action: in the past tense, `queue.paused`.
        subject: what it is done to.
        details: JSON; never a prompt, a reply or a key.
    """
    return replace(op, audit=Action(action, subject, details))


@contextmanager
def acting_as(actor: str) -> Iterator[None]:
    """Names who acts in this context, where it is not the user of this process: a key of the gateway, a login."""
    token = _acting.set(actor)
    try:
        yield
    finally:
        _acting.reset(token)


def note_action(keys: Keys, action: Action, via: str, actor: str = "") -> Op[str]:
    """Writes an action into the trail, again where somebody else was first; returns the entry's id.

    Args:
        via: the role of the process: cli, client, gateway.
        actor: who acts; empty: as `acting_as` says, or the user of this process.
    """
    actor = actor or _acting.get() or _user()
    entry = Entry("", 0, valid_text(actor), via, action.name, valid_text(action.subject), dict(action.details))
    return _append(keys, replace(entry, nonce=new_nonce()), _ASKING)


def trail(keys: Keys, *, after: str = "", most: int = PAGE) -> Op[list[Entry]]:
    """A page of the trail, the oldest entry first.

    Args:
        after: place of the entry before; empty for the beginning.
    """
    first = f"({after}" if after else "-"
    return read((("XRANGE", keys.audit(), first, "+", "COUNT", most),), lambda replies: list(map(entry_of, replies[0])))


def latest(keys: Keys, most: int, before: str = "") -> Op[list[Entry]]:
    """The last entries, the newest first.

    Args:
        before: id of the oldest one that is known; empty: from the newest on.
    """
    command = ("XREVRANGE", keys.audit(), f"({before}" if before else "+", "-", "COUNT", most)
    return read((command,), lambda replies: list(map(entry_of, replies[0])))


@dataclass(slots=True)
class Verification:
    """What the entries of a trail prove, as far as they were looked at."""

    entries: int = 0
    #: Digest of the last one: what to keep elsewhere.
    head: str = NOTHING_BEFORE
    #: What is wrong with the first entry that does not fit; empty where all do.
    broken: str = ""
    #: Whether the expected digest was met.
    met: bool = False

    def look(self, entries: Iterable[Entry], expected: str = "") -> None:
        """Goes on along the chain, until an entry does not fit.

        Args:
            expected: a digest that was kept elsewhere.
        """
        for entry in entries:
            if self.broken:
                return
            if entry.before != self.head:
                self.broken = f"entry {entry.id} ({entry.action}) does not follow the one before: one is gone, or added"
            elif entry.digest != entry.expected_digest:
                self.broken = f"entry {entry.id} ({entry.action}) is not what was written: its digest does not fit"
            self.entries += 1
            self.head = entry.digest
            self.met = self.met or entry.digest == expected


def _append(keys: Keys, entry: Entry, before: str, now_ms: int = 0) -> Op[str]:
    chained = replace(entry, before=before, at_ms=now_ms)
    fields = {
        "at": now_ms,
        "actor": chained.actor,
        "via": chained.via,
        "action": chained.action,
        "subject": chained.subject,
        "details": orjson.dumps(chained.details, option=orjson.OPT_SORT_KEYS),
        "nonce": chained.nonce,
        "before": before,
        "digest": chained.expected_digest,
    }
    args = [entry.nonce, before, *(part for pair in fields.items() for part in pair)]

    def rest(reply: Any) -> Op[str] | None:
        return None if isinstance(reply, bytes) else _append(keys, entry, text(reply[0]), int(reply[1]))

    return call(keys, "note_action", args, text, rest)


def entry_of(row: Any) -> Entry:
    """An entry as the stream has it."""
    said = mapping(row[1])
    return Entry(
        text(row[0]),
        int(said["at"]),
        said["actor"],
        said["via"],
        said["action"],
        said["subject"],
        orjson.loads(said["details"]),
        said["nonce"],
        said["before"],
        said["digest"],
    )


@cache
def _user() -> str:
    import getpass  # with `socket`, which few processes need for this
    import socket

    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        name = "unknown"
    return f"{name}@{socket.gethostname()}"
