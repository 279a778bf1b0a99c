"""Retries jobs: each one anew, from the first target of its chain that the fleet still has."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from homa.client.management.job_listing import JobFilter, failed_unless_said, read_page, require_batch
from homa.client.management.refusals import PROVIDER_GONE, REQUEST_NEWER, refused
from homa.client.management.wording import number, one_line
from homa.drivers.effects import Flow, ask
from homa_shared.calls.request import JobRequest, NewerRequest, Option
from homa_shared.model.errors import ConfigError, UnknownModel
from homa_shared.model.ids import new_job_id
from homa_shared.model.pools import Hop, queue_of
from homa_shared.quota.plan_rows import rows_of
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.fleet import read_fleet, write_plans
from homa_shared.store.transitions.next_target import NextTarget

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet


@dataclass(frozen=True, slots=True)
class Retries:
    """What became of jobs that somebody wanted retried."""

    retried: int
    #: Why not -> how many jobs.
    refused: Mapping[str, int]

    def __str__(self) -> str:
        return one_line([f"{number(self.retried)} retried", *(f"{number(n)} {why}" for why, n in self.refused.items())])


class Retrier:
    """Retries jobs of one store; reads the fleet's settings once."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._fleet: Fleet | None = None
        self._planned: set[str] = set()

    def retry(self, job_id: str) -> Flow[tuple[str, str]]:
        """Retries a job.

        Returns:
            `ok` and the job that retries it; `retried` and the job that did so before; or why not, and nothing.

        Raises:
            ConfigError: the store has no settings of a fleet.
            UnknownModel: the fleet no longer has any provider of its chain.
            NewerRequest: its request is of a newer release.
        """
        view = yield from ask(reads.job(self._keys, job_id))
        if view is None:
            return "unknown", ""
        first = None
        if view.request and view.job.ended:
            first = yield from self._first_target(JobRequest.decode(view.request))
        answer = yield from ask(admin.retry(self._keys, job_id, new_job_id(), first))
        return answer.answer, answer.job_id

    def tried(self, job_id: str) -> Flow[tuple[str, str]]:
        """The same of one among many, which the others do not wait for: what `retry` raises of it is an answer."""
        try:
            return (yield from self.retry(job_id))
        except UnknownModel:
            return PROVIDER_GONE, ""
        except NewerRequest:
            return REQUEST_NEWER, ""

    def retry_all(self, wanted: JobFilter) -> Flow[Retries]:
        """Retries the jobs that fit: failed ones, unless a state is said. Those that were retried before stay.

        Raises:
            JobNotFound: the batch named is not in the store.
            ConfigError: the store has no settings of a fleet.
        """
        yield from require_batch(self._keys, wanted.batch)
        counts: Counter[str] = Counter()
        cursor: str | None = ""
        while cursor is not None:
            page = yield from ask(read_page(self._keys, failed_unless_said(wanted), cursor or None))
            cursor = page.cursor
            for job in page.jobs:
                if job.ended and job.retried_by is None:
                    counts[(yield from self.tried(job.id))[0]] += 1
        return Retries(counts.pop("ok", 0), dict(counts))

    def _first_target(self, request: JobRequest) -> Flow[NextTarget]:
        """The first target of a chain that the fleet still has."""
        fleet = yield from self._fleet_here()
        place, hop = _first_left(fleet, request.options)
        first = request.options[place]
        if first.target not in self._planned:
            yield from ask(write_plans(self._keys, rows_of(fleet, hop)))
            self._planned.add(first.target)
        return NextTarget.of(first, queue_of(hop), len(request.options) - 1 - place)

    def _fleet_here(self) -> Flow[Fleet]:
        if self._fleet is None:
            self._fleet = yield from ask(read_fleet(self._keys))
        if self._fleet is None:
            raise ConfigError("the store has no fleet's settings yet: start a worker, or write them with `homa apply`")
        return self._fleet


def _first_left(fleet: Fleet, options: Sequence[Option]) -> tuple[int, Hop]:
    """The place of the first option whose provider the fleet has, and its hop; raises UnknownModel of the first one."""
    unknown: UnknownModel | None = None
    for place, option in enumerate(options):
        try:
            return place, fleet.hop(option.target)
        except UnknownModel as error:
            unknown = unknown or error
    assert unknown is not None
    raise unknown


def retry_one(keys: Keys, job_id: str) -> Flow[str]:
    """The job that retries a job now, or did so before.

    Raises:
        JobNotFound: the store holds no such job.
        InvalidRequest: it has not ended, or its request is no longer kept; else as `Retrier.retry`.
    """
    answer, new_id = yield from Retrier(keys).retry(job_id)
    if not new_id:
        raise refused("retry", job_id, answer)
    return new_id


def retry_lines(keys: Keys, batch_id: str, states: Sequence[str]) -> Flow[Retries]:
    """Retries the lines of a batch whose latest jobs ended in these states."""
    retrier, retried, refused_ = Retrier(keys), 0, Counter[str]()
    for state in states:
        done = yield from retrier.retry_all(JobFilter(state=state, batch=batch_id))
        retried += done.retried
        refused_.update(done.refused)
    return Retries(retried, dict(refused_))
