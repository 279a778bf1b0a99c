"""Jobs of a batch that have ended, as lines of the results file."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

from homa.client.results import Failure, Reply, look, outcomes
from homa.drivers.effects import Flow, ask_patiently
from homa.files import Answer, HomaPart, result_line
from homa.files import Failure as FailedLine
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, number, read, text

#: Lines that are fetched at once.
PAGE = 250


@dataclass(frozen=True, slots=True)
class EndedLine:
    """One job's end."""

    custom_id: str
    state: State
    #: For programs: an ErrorKind, `budget`, a state; empty where there is a reply.
    kind: str
    #: For people.
    message: str
    #: The line of the results file.
    line: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some of a batch's ends, in their order."""

    #: Jobs that ended, those left out included; 0: none has ended since.
    length: int
    #: (position from 0, line)
    lines: list[tuple[int, EndedLine]]


def page(keys: Keys, batch_id: str, after: int, *, unless: Container[str] | None = None) -> Flow[Page]:
    """The next jobs that ended, behind the first `after` ones.

    Args:
        unless: custom_ids that are left out, without reading their replies.
    """
    ids = yield from ask_patiently(reads.batch_done(keys, batch_id, after, PAGE))
    if not ids:
        return Page(0, [])
    wanted = {after + i: job_id for i, job_id in enumerate(ids)}
    if unless is not None:
        names = yield from ask_patiently(_names(keys, ids))
        wanted = {after + i: job_id for i, job_id in enumerate(ids) if names[i] not in unless}
    lines = yield from _lines(keys, list(wanted.values()))
    return Page(len(ids), list(zip(wanted, lines, strict=True)))


def end_count(keys: Keys, batch_id: str) -> Op[int]:
    """How many ends a batch has seen."""
    return read((("LLEN", keys.batch_done(batch_id)),), lambda replies: int(replies[0]))


def _lines(keys: Keys, ids: Sequence[str]) -> Flow[list[EndedLine]]:
    ended = yield from outcomes(keys, (yield from ask_patiently(look(keys, ids))))
    failed = [outcome.job_id for outcome in ended if isinstance(outcome, Failure)]
    costs = dict(zip(failed, (yield from ask_patiently(known_costs(keys, failed))), strict=True)) if failed else {}
    return [
        _answered(outcome) if isinstance(outcome, Reply) else _failed(outcome, costs[outcome.job_id])
        for outcome in ended
    ]


def _answered(reply: Reply[Any]) -> EndedLine:
    part = HomaPart(
        job=reply.job_id,
        provider=reply.provider,
        model=reply.model,
        attempts=reply.attempts,
        cost_nano_usd=reply.cost_nano_usd,
        cached=reply.cached,
        queued_ms=reply.queued_ms,
        latency_ms=reply.latency_ms,
    )
    custom_id = reply.custom_id or reply.job_id
    line = result_line(custom_id, Answer(reply.body, part, reply.request_id))
    return EndedLine(custom_id, State.SUCCEEDED, "", "", line)


def _failed(failure: Failure, nano_usd: int) -> EndedLine:
    part = HomaPart(
        job=failure.job_id,
        provider=failure.provider,
        model=failure.model,
        attempts=failure.attempts,
        cost_nano_usd=nano_usd,
        queued_ms=failure.queued_ms,
        latency_ms=failure.latency_ms,
    )
    custom_id = failure.custom_id or failure.job_id
    told = FailedLine(failure.kind, failure.message, part, failure.request_id, failure.status)
    # A reply whose retention has ended counts as failed: its answer is not to be had any more.
    state = State.FAILED if failure.state is State.SUCCEEDED else failure.state
    return EndedLine(custom_id, state, failure.kind, failure.message, result_line(custom_id, told))


def _names(keys: Keys, job_ids: Sequence[str]) -> Op[list[str]]:
    """The custom_ids of jobs."""
    return read([("HGET", keys.job(job_id), "ci") for job_id in job_ids], lambda replies: list(map(text, replies)))


def known_costs(keys: Keys, job_ids: Sequence[str]) -> Op[list[int]]:
    """Known cost of jobs, nano-dollars."""
    commands = [("HGET", keys.job(job_id), "co") for job_id in job_ids]
    return read(commands, lambda replies: [number(value) for value in replies])
