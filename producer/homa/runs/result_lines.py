"""Lines of a batch that have ended, as lines of a results file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homa.client.batch_lines import Line
from homa.client.result_documents import answered, unanswered
from homa.client.results import Failure, Reply
from homa.drivers.effects import Flow, ask_patiently
from homa.files import result_line
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
    #: Quotes that it rests on; those that its texts do not have, and those of which nobody can tell.
    quotes: int = 0
    unverified: int = 0
    unchecked: int = 0


def result_lines(keys: Keys, lines: Sequence[Line[Any]], order: str = "") -> Flow[list[ResultLine]]:
    """The same lines for a results file.

    Args:
        order: digest of what all rows of the batch are asked; it stands beside the digest of the line's row.
    """
    failures = [line.job_id for line in lines if line.failure is not None]
    costs = yield from _known_costs(keys, failures)
    found = [_in_file(line, costs) for line in lines]
    for each in found:
        if "row" in (homa := each.document["homa"]):
            homa["order"] = order
    return found


def _in_file(line: Line[Any], costs: Mapping[str, int]) -> ResultLine:
    if line.reply is not None:
        return _answered(line, line.reply)
    assert line.failure is not None
    return _unanswered(line, line.failure, costs[line.job_id])


def _answered(line: Line[Any], reply: Reply[Any]) -> ResultLine:
    custom_id = line.custom_id or line.job_id
    document = result_line(custom_id, answered(reply))
    cut = is_cut(reply.body)
    return ResultLine(
        line.position, custom_id, State.SUCCEEDED, "", "", document, cut, cut and says_nothing(reply.body)
    )


def _unanswered(line: Line[Any], failure: Failure, nano_usd: int) -> ResultLine:
    custom_id = line.custom_id or line.job_id
    document = result_line(custom_id, unanswered(failure, nano_usd))
    return ResultLine(line.position, custom_id, _state(failure), failure.kind, failure.message, document)


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
