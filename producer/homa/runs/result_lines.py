"""Lines of a batch that have ended, as lines of a results file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from homa.client.batch_lines import Line
from homa.client.results import Failure, Reply
from homa.drivers.effects import Flow, ask_patiently
from homa.files import Answered, HomaPart, Unanswered, result_line
from homa_shared.model.records import State
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, number, read


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One job's end."""

    #: Goes on behind this line.
    position: int
    custom_id: str
    state: State
    #: For programs: an ErrorKind, `budget`, a state; empty where there is a reply.
    kind: str
    #: For people.
    message: str
    #: As the results file has it.
    document: dict[str, Any]


def result_lines(keys: Keys, lines: Sequence[Line]) -> Flow[list[ResultLine]]:
    """The same lines for a results file."""
    failed = [line.job_id for line in lines if line.failure is not None]
    costs = dict(zip(failed, (yield from ask_patiently(_known_costs(keys, failed))), strict=True)) if failed else {}
    return [
        _answered(line, line.reply) if line.reply is not None else _unanswered(line, costs[line.job_id])
        for line in lines
    ]


def _answered(line: Line, reply: Reply[Any]) -> ResultLine:
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
    custom_id = line.custom_id or reply.job_id
    document = result_line(custom_id, Answered(reply.body, part, reply.request_id))
    return ResultLine(line.position, custom_id, State.SUCCEEDED, "", "", document)


def _unanswered(line: Line, nano_usd: int) -> ResultLine:
    failure = line.failure
    assert failure is not None
    part = HomaPart(
        job=failure.job_id,
        provider=failure.provider,
        model=failure.model,
        attempts=failure.attempts,
        cost_nano_usd=nano_usd,
        queued_ms=failure.queued_ms,
        latency_ms=failure.latency_ms,
    )
    custom_id = line.custom_id or failure.job_id
    outcome = Unanswered(failure.kind, failure.message, part, failure.request_id, failure.status)
    document = result_line(custom_id, outcome)
    return ResultLine(line.position, custom_id, _state(failure), failure.kind, failure.message, document)


def _state(failure: Failure) -> State:
    # A reply whose retention has ended counts as failed: its answer is not to be had any more.
    return State.FAILED if failure.state is State.SUCCEEDED else failure.state


def _known_costs(keys: Keys, job_ids: Sequence[str]) -> Op[list[int]]:
    """Known cost of jobs, nano-dollars."""
    commands = [("HGET", keys.job(job_id), "co") for job_id in job_ids]
    return read(commands, lambda replies: [number(value) for value in replies])
