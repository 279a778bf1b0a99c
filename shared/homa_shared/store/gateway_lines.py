"""Lines of a batch's file on their way: they become jobs, and what jobs came to is noted to stand in the batch's files.

Both move a cursor of the batch (gateway_batches.py), and a script refuses unless it stands where the mover believes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from homa_shared.model.constants import FULL_PERCENT
from homa_shared.store.gateway_files import Part
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, text
from homa_shared.store.sealing import sealed_error, sealed_record, sealed_request
from homa_shared.store.transitions.submit import Common, Entry


class Moved(StrEnum):
    """What became of a move of a cursor."""

    OK = "ok"
    #: Somebody else moved it.
    STALE = "stale"
    #: Nothing becomes a job any more.
    CLOSED = "closed"
    #: Lines may still become jobs.
    OPEN = "open"
    GONE = ""


@dataclass(frozen=True, slots=True)
class LostLine:
    """A line that cannot be sent."""

    job_id: str
    custom_id: str
    message: str
    status: int
    kind: str
    tenant: str = ""

    def outcome(self) -> bytes:
        """As a job's outcome."""
        error = {"kind": self.kind, "message": self.message, "status": self.status}
        return orjson.dumps({"error": error, "custom_id": self.custom_id})

    def entry(self) -> bytes:
        """Its record's fields."""
        said = {"ci": self.custom_id, "tn": self.tenant}
        return orjson.dumps({name: value for name, value in said.items() if value})


@dataclass(slots=True)
class Answers:
    """What a page of answers adds to a batch."""

    output: Sequence[Part] = ()
    error: Sequence[Part] = ()
    #: Counter -> by how much.
    counts: dict[str, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        return orjson.dumps({"output": self.output, "error": self.error, "counts": self.counts})


def promote_lines(
    keys: Keys,
    batch_id: str,
    *,
    start: int,
    to: int,
    offset: int,
    groups: Sequence[tuple[Common, Sequence[Entry]]],
    lost: Sequence[LostLine],
) -> Op[Moved]:
    """Lines of a batch become jobs, where its cursor stands at `start`; sending it again changes nothing.

    Args:
        to: the line behind them.
        offset: the byte of the file behind them.
        groups: jobs, by what they share.
        lost: lines that cannot be sent.
    """
    args: list[Any] = [batch_id, start, to, offset, FULL_PERCENT, len(groups)]
    args += [sealed_record(keys, common.encode()) for common, _ in groups]
    for number, (_, entries) in enumerate(groups, 1):
        for entry in entries:
            request, fields = sealed_request(keys, entry.request), sealed_record(keys, entry.encode())
            args += (number, entry.id, request, entry.deadline_ms, entry.due_ms, fields)
    for line in lost:
        args += (0, line.job_id, sealed_error(keys, line.outcome()), 0, 0, line.entry())
    return call(keys, "promote_lines", args, lambda reply: Moved(text(reply)))


def answer_jobs(
    keys: Keys, batch_id: str, start: int, to: int, answers: Answers, *, leave: Sequence[str] | None = None
) -> Op[Moved]:
    """Answers of jobs that ended stand in files, where `written` stands at `start`.

    Args:
        to: behind the last job, in the order in which they ended.
        leave: jobs that leave the store with it; None: all stay for their retention.
    """
    tail = (0,) if leave is None else (1, *leave)
    args = (batch_id, "written", start, to, 0, answers.encode(), *tail)
    return call(keys, "answer_lines", args, lambda reply: Moved(text(reply)))


def answer_unsent(keys: Keys, batch_id: str, start: int, to: int, offset: int, answers: Answers) -> Op[Moved]:
    """Answers of lines that never become jobs stand in files, where the cursor stands at `start`."""
    args = (batch_id, "cursor", start, to, offset, answers.encode(), 0)
    return call(keys, "answer_lines", args, lambda reply: Moved(text(reply)))
