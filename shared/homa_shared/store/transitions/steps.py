"""What a worker asks of the store between an attempt's calls: record a step, reserve the next call, journal tools.

An attempt of several calls goes: call → `step` (its reply is paid and journaled; nothing is reserved any more) →
tools, if any → `next_step` (the next call's quota and budget) → call … → `settle` for the last one. A call that cannot
leave yet stands by (`stand_by`, then `next_step` again). Each is idempotent: these two by a nonce, since the same call
may be reserved and given back more than once, and a request that was sent twice may arrive behind the next.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from homa_shared.calls.request import Option
from homa_shared.model.ids import new_nonce
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, mapping, read, text
from homa_shared.store.sealing import Kind, opened_text, sealed, sealed_text
from homa_shared.store.transitions.attempts import Report, ReportResult, sealed_report


class Leave(StrEnum):
    """Whether a running attempt may make its next call."""

    OK = "ok"
    #: Quota, a breaker or others' reservations stand in the way: ask again.
    WAIT = "wait"
    #: A budget leaves no room, for good or until its period turns.
    REJECT = "reject"
    DEFER = "defer"
    #: A budget applies, and the call's price is not known.
    UNPRICED = "unpriced"
    #: The call needs more than the limit itself.
    TOO_LARGE = "too_large"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    #: The attempt is not the running one.
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Permit:
    """Answer of next_step."""

    leave: Leave
    #: How long until it is worth asking again, ms.
    wait_ms: int = 0
    #: What stands in the way.
    what: str = ""


class Begin(StrEnum):
    """Whether a tool call may be run."""

    RUN = "run"
    #: It was run before; its result is at hand.
    DONE = "done"
    #: It was begun, nobody knows how it ended, and its tool is not idempotent.
    UNKNOWN = "unknown"
    #: The attempt is over.
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Journal:
    """What earlier steps left: what each goes on from by its number, and the results of finished tool calls."""

    states: dict[int, bytes]
    #: (step, index of the call) -> result.
    results: dict[tuple[int, int], str]


def step(keys: Keys, name: tuple[str, int], number: int, worker: str, report: Report, state: bytes) -> Op[ReportResult]:
    """A call that does not end its job: its reply was paid for, or it was refused and is made again otherwise.

    Args:
        name: job and attempt.
        number: of the step, from 1, over all attempts of the job.
        report: what the call cost, as for `settle` or `fail`.
        state: what a later attempt goes on from.
    """
    kept = sealed(keys, Kind.STEP, state, f"{name[0]} {number}")
    args = (*name, number, worker, sealed_report(keys, name[0], report).encode(), kept)
    return call(keys, "step", args, lambda reply: ReportResult(text(reply)))


def next_step(keys: Keys, name: tuple[str, int], number: int, need: Option, *, worker: str) -> Op[Permit]:
    """Reserves the call that makes step `number`; it may be made where the answer is OK, and only there.

    Args:
        worker: whose attempt it is: number and worker together are its name, where the store has forgotten some.
    """
    bound = "" if need.bound is None else need.bound
    return call(keys, "next_step", (*name, number, bound, worker, new_nonce(), *need.tokens), _permit)


def stand_by(keys: Keys, name: tuple[str, int], *, worker: str) -> Op[None]:
    """Gives back what is reserved for a call that cannot leave yet; `next_step` reserves it anew."""
    return call(keys, "stand_by", (*name, worker, new_nonce()), lambda _: None)


def begin_tool(
    keys: Keys, name: tuple[str, int], number: int, index: int, *, idempotent: bool, worker: str
) -> Op[tuple[Begin, str]]:
    """Whether the tool call `index` of step `number` may run; with its result, where it ran before."""
    args = (*name, number, index, "begin", int(idempotent), worker)

    def parse(reply: Any) -> tuple[Begin, str]:
        kept = text(reply[1]) if len(reply) > 1 else ""
        return Begin(text(reply[0])), opened_text(keys, Kind.STEP, kept, f"{name[0]} {number}.{index}")

    return call(keys, "tool", args, parse)


def end_tool(keys: Keys, name: tuple[str, int], number: int, index: int, result: str, *, worker: str) -> Op[None]:
    """The result of a tool call that this worker's attempt began, kept for whoever goes on with the job."""
    kept = sealed_text(keys, Kind.STEP, result, f"{name[0]} {number}.{index}")
    return call(keys, "tool", (*name, number, index, "end", kept, worker), lambda _: None)


def journal(keys: Keys, job_id: str) -> Op[Journal]:
    """All that earlier steps of a job left."""
    return read((("HGETALL", keys.steps(job_id)),), lambda replies: _journal(keys, job_id, replies[0]))


def _permit(reply: Any) -> Permit:
    answer, wait_ms, what = reply
    return Permit(Leave(text(answer)), int(wait_ms), text(what))


def _journal(keys: Keys, job_id: str, reply: Any) -> Journal:
    states: dict[int, bytes] = {}
    results: dict[tuple[int, int], str] = {}
    for field, value in mapping(reply).items():
        number, dot, index = field.partition(".")
        if not dot:
            states[int(number)] = opened_text(keys, Kind.STEP, value, f"{job_id} {number}").encode()
            continue
        _, ended, result = value.partition(" =")
        if ended:
            results[int(number), int(index)] = opened_text(keys, Kind.STEP, result, f"{job_id} {field}")
    return Journal(states, results)
