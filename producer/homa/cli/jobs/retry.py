"""Retries jobs: each one anew, from the first target of its chain that the fleet still has."""

from __future__ import annotations

from homa.client.session import Session
from homa_shared.calls.request import JobRequest
from homa_shared.model.errors import ConfigError
from homa_shared.model.ids import new_job_id
from homa_shared.model.pools import queue_of
from homa_shared.quota.plan_rows import rows_of
from homa_shared.settings.fleet import Fleet
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.fleet import read_fleet, write_plans
from homa_shared.store.transitions.next_target import NextTarget


class Retrier:
    """Retries jobs of one store."""

    def __init__(self, here: Session) -> None:
        self._here = here
        self._fleet = here.store.run(read_fleet(here.keys))
        self._planned: set[str] = set()

    def retry(self, job: str) -> tuple[str, str]:
        """Retries a job.

        Returns:
            `ok` and the job that retries it; `retried` and the job that did so before; or why not, and nothing.

        Raises:
            ConfigError: the store has no settings of a fleet.
            UnknownModel: the fleet no longer has the provider that it was for.
            InvalidRequest: its request is of a newer release.
        """
        view = self._here.store.run(reads.job(self._here.keys, job))
        if view is None:
            return "unknown", ""
        first = self._first_target(JobRequest.decode(view.request)) if view.request and view.job.ended else None
        answer = self._here.store.run(admin.retry(self._here.keys, job, new_job_id(), first))
        return answer.answer, answer.job_id

    def _first_target(self, request: JobRequest) -> NextTarget:
        """The first target of a chain."""
        fleet = self._fleet_here()
        first = request.options[0]
        hop = fleet.hop(first.target)
        if first.target not in self._planned:
            self._here.store.run(write_plans(self._here.keys, rows_of(fleet, hop)))
            self._planned.add(first.target)
        return NextTarget.of(first, queue_of(hop), len(request.options) - 1)

    def _fleet_here(self) -> Fleet:
        if self._fleet is None:
            raise ConfigError("the store has no fleet's settings yet: start a worker, or write them with `homa apply`")
        return self._fleet
