"""Lines of a batch that have ended, as lines of a results file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homa.client.batch_lines import Line
from homa.client.results import Failure, Reply
from homa.drivers.effects import Flow, ask_patiently
from homa.files import Answered, HomaPart, Unanswered, result_line
from homa.runs.row_request import DOCUMENT_NOTES
from homa_shared.calls.reply import is_cut, says_nothing
from homa_shared.model.records import State
from homa_shared.store.keys import Keys
from homa_shared.store.operation import number, read


@dataclass(frozen=True, slots=True)
class ResultLine:
    """One job's end."""

    #: Continue after this line.
    position: int
    custom_id: str
    state: State
    #: For programs: an ErrorKind, `budget`, a state; empty where there is a reply.
    kind: str
    #: For people.
    message: str
    #: As the results file has it.
    document: dict[str, Any]
    #: Whether there is a reply that was cut, and whether it says nothing.
    cut: bool = False
    empty: bool = False


def result_lines(keys: Keys, lines: Sequence[Line[Any]]) -> Flow[list[ResultLine]]:
    """The same lines for a results file."""
    failures = [line.job_id for line in lines if line.failure is not None]
    costs = yield from _known_costs(keys, failures)
    return [_in_file(line, costs) for line in lines]


def _in_file(line: Line[Any], costs: Mapping[str, int]) -> ResultLine:
    if line.reply is not None:
        return _answered(line, line.reply)
    assert line.failure is not None
    return _unanswered(line, line.failure, costs[line.job_id])


def _answered(line: Line[Any], reply: Reply[Any]) -> ResultLine:
    part = _homa_part(reply, reply.cost_nano_usd, cached=reply.cached)
    custom_id = line.custom_id or line.job_id
    document = result_line(custom_id, Answered(reply.body, part, reply.request_id))
    cut = is_cut(reply.body)
    return ResultLine(
        line.position, custom_id, State.SUCCEEDED, "", "", document, cut, cut and says_nothing(reply.body)
    )


def _unanswered(line: Line[Any], failure: Failure, nano_usd: int) -> ResultLine:
    part = _homa_part(failure, nano_usd)
    custom_id = line.custom_id or line.job_id
    outcome = Unanswered(failure.kind, failure.message, part, failure.request_id, failure.status)
    document = result_line(custom_id, outcome)
    return ResultLine(line.position, custom_id, _state(failure), failure.kind, failure.message, document)


def _homa_part(ended: Reply[Any] | Failure, nano_usd: int | None, *, cached: bool = False) -> HomaPart:
    metadata = dict(ended.metadata)
    noted = metadata.pop(DOCUMENT_NOTES, ())
    return HomaPart(
        job=ended.job_id,
        provider=ended.provider,
        model=ended.model,
        attempts=ended.attempts,
        cost_nano_usd=nano_usd,
        cached=cached,
        queued_ms=ended.queued_ms,
        latency_ms=ended.latency_ms,
        finish_reason=ended.finish_reason if isinstance(ended, Reply) else None,
        notes=(*noted, *(ended.notes if isinstance(ended, Reply) else ())),
        metadata=metadata,
    )


def _state(failure: Failure) -> State:
    # A reply whose retention has ended counts as failed: its answer can no longer be read.
    return State.FAILED if failure.state is State.SUCCEEDED else failure.state


def _known_costs(keys: Keys, job_ids: Sequence[str]) -> Flow[dict[str, int]]:
    """Known cost of jobs, nano-dollars."""
    if not job_ids:
        return {}
    commands = [("HGET", keys.job(job_id), "co") for job_id in job_ids]
    values = yield from ask_patiently(read(commands, lambda replies: [number(value) for value in replies]))
    return dict(zip(job_ids, values, strict=True))
