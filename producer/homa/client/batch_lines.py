"""The lines of a batch that have ended, in the order in which they ended, read a page at a time from any position."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from homa.client.outcomes import outcomes, read_ends
from homa.client.results import Failure, Reply
from homa.drivers.effects import Flow, ask_patiently
from homa_shared.model.errors import JobEnded
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, read, text

T = TypeVar("T")

#: Lines that are fetched at once.
PAGE = 250


@dataclass(frozen=True, slots=True)
class AnsweredLine(Generic[T]):
    """A line of a batch that has its reply."""

    #: Continue after this line: `batch.results(after=line.position)`.
    position: int
    custom_id: str
    job_id: str
    reply: Reply[T]
    failure: None = None
    ok: Literal[True] = True

    @property
    def error(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class FailedLine:
    """A line of a batch that ended otherwise; a failure is a value."""

    #: This and the two below as of `AnsweredLine`.
    position: int
    custom_id: str
    job_id: str
    #: How it ended.
    failure: Failure
    reply: None = None
    ok: Literal[False] = False

    @property
    def error(self) -> JobEnded:
        """The failure as an exception: JobFailed, JobCancelled or JobExpired."""
        return self.failure.error()


#: One line of a batch that has ended. `line.ok is True`, or `line.reply is not None`, tells type checkers which one.
Line: TypeAlias = AnsweredLine[T] | FailedLine


@dataclass(frozen=True, slots=True)
class LinePage:
    """Some of a batch's lines that ended one after the other."""

    #: Continue after this page.
    cursor: int
    lines: Sequence[Line[Any]]


def read_page(
    keys: Keys, batch_id: str, after: int, *, schema: Any = None, unless: Container[str] | None = None
) -> Flow[LinePage]:
    """The next lines that ended; the cursor stays where none has ended since.

    Args:
        after: the position after which to begin; 0 for the beginning.
        schema: what `Reply.parsed` is made with.
        unless: custom_ids that are left out, without reading their replies.
    """
    ids = yield from ask_patiently(reads.batch_done(keys, batch_id, after, PAGE))
    positions = {after + number: job_id for number, job_id in enumerate(ids, 1)}
    if ids and unless is not None:
        names = yield from ask_patiently(_custom_ids(keys, ids))
        positions = {
            position: job_id
            for (position, job_id), name in zip(positions.items(), names, strict=True)
            if name not in unless
        }
    lines = yield from _lines(keys, positions, schema)
    return LinePage(after + len(ids), lines)


def _lines(keys: Keys, positions: dict[int, str], schema: Any) -> Flow[list[Line[Any]]]:
    if not positions:
        return []
    found = yield from ask_patiently(read_ends(keys, list(positions.values())))
    ended = yield from outcomes(keys, found, schema)
    return [_line(position, outcome) for position, outcome in zip(positions, ended, strict=True)]


def _line(position: int, outcome: Reply[Any] | Failure) -> Line[Any]:
    custom_id = outcome.custom_id or ""
    if isinstance(outcome, Reply):
        return AnsweredLine(position, custom_id, outcome.job_id, outcome)
    return FailedLine(position, custom_id, outcome.job_id, outcome)


def _custom_ids(keys: Keys, job_ids: Sequence[str]) -> Op[list[str]]:
    return read([("HGET", keys.job(job_id), "ci") for job_id in job_ids], lambda replies: list(map(text, replies)))
