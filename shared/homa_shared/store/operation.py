"""An operation on the store: what to send and how to read the answer, written once for sync and async clients.

`Store.run(op)` and `await AsyncStore.run(op)` differ in how they wait and in nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from homa_shared.store.keys import Keys
from homa_shared.store.scripts import Script, script

T = TypeVar("T")

#: One command as redis-py's `execute_command` takes it.
Command = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Action:
    """What people ask for by an operation, for the audit trail (audit_trail.py)."""

    #: Past tense, `queue.paused`.
    name: str
    #: What it is done to.
    subject: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Op(Generic[T]):
    """Commands sent in one write, and the function that reads their replies (in order)."""

    commands: Sequence[Command]
    parse: Callable[[list[Any]], T]
    #: The script that the commands call, to be loaded where the store does not know it.
    script: Script | None = None
    #: The operation that asks on, where the replies are a part of what was asked for: it is sent by itself, so that the
    #: store is others' in between, and its answer is the whole. None, or an answer of None: there is no more.
    rest: Callable[[list[Any]], Op[T] | None] | None = None
    #: Written into the audit trail before the operation runs; None for what is no action of people.
    audit: Action | None = None

    def next(self, replies: list[Any]) -> Op[T] | None:
        """What is to be asked behind these replies, if anything."""
        return None if self.rest is None else self.rest(replies)


def call(
    keys: Keys,
    name: str,
    args: Sequence[Any],
    parse: Callable[[Any], T],
    rest: Callable[[Any], Op[T] | None] | None = None,
) -> Op[T]:
    """The operation that runs one script, and asks on where it did a part only."""
    code = script(name)
    asks_on = None if rest is None else lambda replies: rest(replies[0])
    return Op((("EVALSHA", code.sha, 1, keys.prefix, *args),), lambda replies: parse(replies[0]), code, asks_on)


def read(commands: Sequence[Command], parse: Callable[[list[Any]], T]) -> Op[T]:
    """The operation that sends plain commands."""
    return Op(commands, parse)


def text(value: Any) -> str:
    """A bulk reply as text, empty for none. Earlier releases cut words in the middle of a letter."""
    return value.decode(errors="replace") if isinstance(value, bytes) else "" if value is None else str(value)


def number(value: Any, default: int = 0) -> int:
    return default if value is None or value == b"" else int(float(value))


def mapping(reply: Any) -> dict[str, str]:
    """A hash reply as a dictionary of text, whichever protocol brought it."""
    if isinstance(reply, dict):
        return {text(key): text(value) for key, value in reply.items()}
    items = list(reply or [])
    return {text(items[i]): text(items[i + 1]) for i in range(0, len(items), 2)}


def pairs(reply: Any) -> list[tuple[str, float]]:
    """A WITHSCORES reply as (member, score) pairs."""
    items = list(reply or [])
    if items and isinstance(items[0], (list, tuple)):
        return [(text(member), float(score)) for member, score in items]
    return [(text(items[i]), float(items[i + 1])) for i in range(0, len(items), 2)]
