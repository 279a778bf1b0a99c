"""Which jobs somebody means: filters that pick them from the store's indexes, a page at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Literal, TypeAlias

import orjson

from homa.client.management.jobs import JobInfo
from homa.client.management.wording import error_text
from homa.client.not_found import batch_not_found
from homa.drivers.effects import Emit, Flow, ask
from homa.submit.option_checks import check_text
from homa_shared.calls.prompt_templates import TemplateRef
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import ENDED, Job, State
from homa_shared.model.targets import nearest
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op

#: Jobs that are read and acted on at once.
PAGE = 250

StateName: TypeAlias = (
    State | Literal["queued", "due", "waiting", "running", "succeeded", "failed", "cancelled", "expired"]
)


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Jobs that fit everything that is said; None says nothing."""

    state: str | None = None
    batch: str | None = None
    queue: str | None = None
    #: Of their present target.
    provider: str | None = None
    tenant: str | None = None
    #: `key=value`, or `key` for any value.
    tag: str | None = None
    #: `name@version` of a stored template, or `name` for any version.
    template: str | None = None
    #: Kind of the error by which it failed.
    cause: str | None = None

    def __post_init__(self) -> None:
        """Raises InvalidRequest for what is not text, and for a state that there is none of."""
        for name, value in self.given.items():
            check_text(name, value)
        if self.template is not None:
            TemplateRef.parse(self.template)
        if self.state is not None:
            check_word("state", self.state, [state.value for state in State])

    @property
    def given(self) -> dict[str, str]:
        """What was said, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def check_word(name: str, value: str, words: Sequence[str]) -> None:
    """Raises InvalidRequest for what is none of some words."""
    if value not in words:
        close = nearest(value, words)
        hint = f": did you mean {close!r}?" if close else f": expected one of {', '.join(words)}"
        raise InvalidRequest(f"{name} is {value!r:.80}{hint}")


def read_page(
    keys: Keys, wanted: JobFilter, cursor: str | None, *, lists: Sequence[str] | None = None, limit: int | None = None
) -> Op[reads.Page]:
    """A page of the jobs that fit, behind a cursor (None: the first); of `PAGE` jobs where nothing is said."""
    return reads.jobs(keys, lists=lists, limit=limit or PAGE, cursor=cursor, **wanted.given)


def batch_view(keys: Keys, batch_id: str) -> Flow[reads.BatchView]:
    """A batch's record.

    Raises:
        JobNotFound: the store holds no such batch.
    """
    view = yield from ask(reads.batch(keys, batch_id))
    if view is None:
        raise batch_not_found(batch_id)
    return view


def require_batch(keys: Keys, batch_id: str | None) -> Flow[None]:
    """Raises JobNotFound where a batch is named that the store does not hold."""
    if batch_id is not None:
        yield from batch_view(keys, batch_id)


def listing(keys: Keys, wanted: JobFilter, limit: int | None = None) -> Flow[None]:
    """Emits the jobs that fit (`JobInfo`): live ones first, then ended ones, the newest first; a batch's in its order.

    Args:
        limit: most jobs; None for all. Whoever stops to read stops the paging.

    Raises:
        JobNotFound: the batch named is not in the store.
    """
    yield from require_batch(keys, wanted.batch)
    size = PAGE if limit is None else min(PAGE, limit)
    left = limit
    order = _Order(keys, wanted, size)
    while left is None or left > 0:
        found = yield from order.take(size if left is None else min(size, left))
        if not found:
            return
        left = None if left is None else left - len(found)
        errors = yield from _errors(keys, found)
        for job in found:
            yield Emit(JobInfo.of(job, errors.get(job.id)))


class _Walk:
    """Goes through one listing of the store."""

    def __init__(self, keys: Keys, wanted: JobFilter, size: int, lists: Sequence[str] | None = None) -> None:
        self._keys, self._wanted, self._size, self._lists = keys, wanted, size, lists
        self._cursor: str | None = ""
        self.ready: deque[Job] = deque()

    @property
    def over(self) -> bool:
        return self._cursor is None

    def page(self) -> Flow[list[Job]]:
        """The next page, which may be empty."""
        cursor = self._cursor or None
        op = read_page(self._keys, self._wanted, cursor, lists=self._lists, limit=self._size)
        page = yield from ask(op)
        self._cursor = page.cursor
        return page.jobs

    def fill(self) -> Flow[None]:
        """Reads until a job is ready, or there is none left."""
        while not self.ready and not self.over:
            self.ready.extend((yield from self.page()))


class _Order:
    """The order of a listing, over the lists that the store keeps."""

    def __init__(self, keys: Keys, wanted: JobFilter, size: int) -> None:
        def walk(lists: Sequence[str] | None = None) -> _Walk:
            return _Walk(keys, wanted, size, lists)

        if wanted.state or wanted.batch:
            self._groups = deque([[walk()]])
        else:
            # Two lists in the store, each newest first: successes stand in the ledger, the other ends in an index.
            self._groups = deque([[walk(reads.LIVE_LISTS)], [walk((name,)) for name in reads.ENDED_LISTS]])

    def take(self, count: int) -> Flow[list[Job]]:
        """The next jobs, at most `count`; none at the end."""
        taken: list[Job] = []
        while len(taken) < count and self._groups:
            for walk in self._groups[0]:
                yield from walk.fill()
            ready = [walk for walk in self._groups[0] if walk.ready]
            if not ready:
                self._groups.popleft()
                continue
            newest = max(ready, key=lambda walk: walk.ready[0].ended_ms or 0)
            taken.append(newest.ready.popleft())
        return taken


def _errors(keys: Keys, jobs: Sequence[Job]) -> Flow[dict[str, str]]:
    """`kind: message` by job, of those that ended without an answer and whose outcome is still kept."""
    ended = [job.id for job in jobs if job.state in ENDED and job.state is not State.SUCCEEDED]
    if not ended:
        return {}
    found: dict[str, str] = {}
    outcomes = yield from ask(reads.resolved_replies(keys, ended))
    for job_id, outcome in zip(ended, outcomes, strict=True):
        error = orjson.loads(outcome).get("error") if outcome else None
        if error:
            found[job_id] = error_text(error)
    return found


def failed_unless_said(wanted: JobFilter) -> JobFilter:
    """The same jobs; of any state, the failed ones."""
    return wanted if wanted.state else replace(wanted, state=State.FAILED.value)


def require_one(job: object, wanted: JobFilter) -> None:
    """Raises InvalidRequest unless there is a job or a filter, and not both: nobody retries everything by a slip."""
    if (job is None) == (not wanted.given):
        found = "neither a job nor a filter says" if job is None else "both a job and filters say"
        names = ", ".join(each.name for each in fields(JobFilter))
        raise InvalidRequest(f"{found} which jobs to retry: expected a job, or some of {names}")
