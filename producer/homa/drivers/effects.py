"""What the client does, written once for threads and for event loops.

A *flow* is a generator: it yields what it waits for (an effect), is sent the answer, and returns its result. `Homa`
drives flows by blocking, `AsyncHoma` by awaiting; neither decides anything.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from homa_shared.backoff import Backoff
from homa_shared.model.errors import StoreUnavailable
from homa_shared.store.operation import Command, Op

T = TypeVar("T")

#: How long a flow that may wait sits out an outage of the store, s.
PATIENCE_S = 30.0
#: Pauses while the store is away.
_BACKOFF = Backoff(first_s=0.05, longest_s=1.0)


@dataclass(frozen=True, slots=True)
class Sleep:
    """Waits."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Block:
    """Sends a command that waits in the store; its answer is the raw reply."""

    command: Command


@dataclass(frozen=True, slots=True)
class PutBlob:
    """Puts bytes into the blob store, under a path that nothing has."""

    path: str
    data: bytes


@dataclass(frozen=True, slots=True)
class GetBlob:
    """Gets bytes from the blob store; the answer is None where it has none."""

    path: str


@dataclass(frozen=True, slots=True)
class AwaitEnd:
    """Waits until the end of a job is announced, for a limited time.

    The first one of a flow subscribes and returns at once: what ended before that was announced to nobody, so that the
    flow has to look again. The end of a job that was submitted under this process's name is never missed in this way.
    """

    job_id: str
    seconds: float
    #: Whether it was submitted under this process's name.
    announced: bool = False


@dataclass(frozen=True, slots=True)
class AwaitEntries:
    """Waits for what a job streams, for a limited time; the answer is the next entries, empty where there are none.

    It may end early with none, where the end of an announced job comes.
    """

    job_id: str
    #: Id of the last entry that the flow knows; where a driver reads on by itself, only the first one counts.
    after: str
    seconds: float
    announced: bool = False


@dataclass(frozen=True, slots=True)
class NeedWorker:
    """Asks for a worker of this process's own that serves a queue; the answer is False where it runs none."""

    queue: str


@dataclass(frozen=True, slots=True)
class Hurried:
    """Runs a store operation on a connection that waits for its reply no longer than so."""

    op: Op[Any]
    seconds: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Hands a value to whoever iterates."""

    value: Any


Effect: TypeAlias = (
    "Op[Any] | Sleep | Block | PutBlob | GetBlob | AwaitEnd | AwaitEntries | NeedWorker | Hurried | Emit"
)
Flow: TypeAlias = Generator[Any, Any, T]


def ask(op: Op[T]) -> Flow[T]:
    """The answer of a store operation."""
    answer: T = yield op
    return answer


def ask_all(ops: Sequence[Op[Any]]) -> Flow[list[Any]]:
    """The answers of several operations, sent in one write. They must share a script, or have none, and not ask on."""
    commands = [command for op in ops for command in op.commands]

    def parse(replies: list[Any]) -> list[Any]:
        answers, position = [], 0
        for op in ops:
            answers.append(op.parse(replies[position : position + len(op.commands)]))
            position += len(op.commands)
        return answers

    answers: list[Any] = yield Op(commands, parse, ops[0].script) if ops else Sleep(0)
    return answers if ops else []


def ask_patiently(op: Op[T], patience_s: float = PATIENCE_S) -> Flow[T]:
    """The answer of an operation that may be repeated, through an outage of the store.

    Raises:
        StoreUnavailable: the outage lasts longer than `patience_s`.
    """
    return (yield from patiently(lambda: ask(op), patience_s))


def patiently(
    flow: Callable[[], Flow[T]],
    patience_s: float = PATIENCE_S,
    *,
    outages: tuple[type[Exception], ...] = (StoreUnavailable,),
) -> Flow[T]:
    """The result of a flow whose operations may all be repeated, begun anew while the store is away.

    Args:
        flow: makes the flow.
        patience_s: how long after the first failure it is given up.
        outages: errors that may pass.
    """
    give_up_s: float | None = None
    failures = 0
    while True:
        try:
            return (yield from flow())
        except outages:
            now_s = time.monotonic()
            give_up_s = now_s + patience_s if give_up_s is None else give_up_s
            if now_s >= give_up_s:
                raise
        failures += 1
        yield Sleep(_BACKOFF.pause_s(failures))


def within(seconds: float, flow: Flow[T]) -> Flow[T]:
    """The result of a flow that emits nothing, given up where the store does not answer for so long.

    Args:
        seconds: from now, and from each answer; those of `PATIENCE_S` are what a mute store takes anyway.

    Raises:
        StoreUnavailable: it took longer.
    """
    if seconds >= PATIENCE_S:
        return (yield from flow)
    give_up_s = time.monotonic() + seconds
    last: StoreUnavailable | None = None
    send, argument = flow.send, None
    while True:
        try:
            effect = send(argument)
        except StopIteration as stop:
            result: T = stop.value
            return result
        try:
            pause_s = effect.seconds if isinstance(effect, Sleep) else 0.0
            if time.monotonic() + pause_s > give_up_s:
                raise last or StoreUnavailable(f"the store did not answer within {seconds:g} s")
            answer = yield Hurried(effect, seconds) if isinstance(effect, Op) else effect
            send, argument = flow.send, answer
            if not isinstance(effect, Sleep):
                give_up_s = time.monotonic() + seconds
        except Exception as error:
            last = error if isinstance(error, StoreUnavailable) else last
            send, argument = flow.throw, error
