"""What `Homa` shows and changes of a fleet: the same as the command line, from the same code."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, TypeVar, overload

from homa.client.handles import Job
from homa.client.job_flows import JobFlows
from homa.client.management import (
    batches,
    budgets,
    costs,
    job_listing,
    limits,
    queues,
    resolutions,
    retries,
    why,
    workers,
)
from homa.client.management.batches import BatchFilter, BatchInfo, BatchState
from homa.client.management.budgets import BudgetInfo
from homa.client.management.costs import Costs
from homa.client.management.forecasting import Forecasting
from homa.client.management.ids import HasId, id_of, id_or_none
from homa.client.management.job_listing import JobFilter, StateName
from homa.client.management.jobs import JobInfo
from homa.client.management.limits import Limits
from homa.client.management.queues import QueueInfo
from homa.client.management.refusals import refused
from homa.client.management.resolutions import Unresolved
from homa.client.management.retries import Retries
from homa.client.management.why import Why
from homa.client.management.workers import WorkerInfo
from homa.drivers.blocking import BlockingDriver
from homa.drivers.context import Context
from homa.submit.option_checks import Whole
from homa.submit.submitter import Submitter
from homa_shared.store.reads.money import By

T = TypeVar("T")


class Management(Forecasting):
    """Methods of `Homa` about jobs, costs, limits and workers of the whole fleet."""

    _context: Context
    _driver: BlockingDriver
    _submitter: Submitter

    def jobs(
        self,
        *,
        state: StateName | None = None,
        batch: HasId | str | None = None,
        queue: str | None = None,
        provider: str | None = None,
        tenant: str | None = None,
        tag: str | None = None,
        template: str | None = None,
        cause: str | None = None,
        limit: int | None = None,
    ) -> Iterator[JobInfo]:
        """Jobs that fit all that is said: live ones first, then the ended, newest first; a batch's in its order.

        They are read a page at a time as they are iterated over.

        Args:
            batch: a handle, or an id.
            provider: of their present target.
            tag: `key=value`, or `key` for any value.
            template: `name@version` of a stored template, or `name` for any version.
            cause: kind of the error by which it failed, such as `content_policy`.
            limit: most jobs; None for all.

        Raises:
            InvalidRequest: an argument is wrong.
            JobNotFound: the batch is not in the store.
        """
        wanted = JobFilter(state, id_or_none("batch", batch), queue, provider, tenant, tag, template, cause)
        return self._driver.iterate(job_listing.listing(self._submitter.keys, wanted, _limit(limit)))

    def batches(
        self,
        *,
        state: BatchState | None = None,
        tenant: str | None = None,
        name: str | None = None,
        limit: int | None = None,
    ) -> Iterator[BatchInfo]:
        """Batches, the newest first, read a page at a time as they are iterated over.

        Args:
            state: open, sealed or complete.
            limit: most batches; None for all.

        Raises:
            InvalidRequest: an argument is wrong.
        """
        wanted = BatchFilter(state, tenant, name)
        found = batches.listing(self._submitter.keys, wanted, limit=_limit(limit))
        return self._driver.iterate(found)

    def costs(
        self,
        *,
        by: By = "provider",
        since: date | str | None = None,
        until: date | str | None = None,
        batch: HasId | str | None = None,
    ) -> Costs:
        """What was spent.

        Args:
            by: what a row stands for: provider, model, tenant, tag, template, day or batch.
            since: first day (UTC), as a date or `YYYY-MM-DD`.
            until: last day, included.
            batch: only this batch, whatever the days.

        Raises:
            InvalidRequest: an argument is wrong, or they do not go together.
            JobNotFound: the batch is not in the store.
        """
        named = id_or_none("batch", batch)
        return self._driver.run(costs.costs(self._submitter.keys, by=by, since=since, until=until, batch=named))

    def limits(self) -> Limits:
        """What is used of each quota, what is frozen, which breakers are open; how good estimates of tokens are."""
        return self._driver.run(limits.limits(self._submitter.keys))

    def queues(self) -> tuple[QueueInfo, ...]:
        """What waits and runs in each lane of each queue."""
        return self._driver.run(queues.queues(self._submitter.keys))

    def workers(self, *, gone: bool = False) -> tuple[WorkerInfo, ...]:
        """Live workers; with `gone` also those that are not, for an hour after their last beat."""
        return self._driver.run(workers.workers(self._submitter.keys, gone=gone))

    def budgets(self, *, past: bool = False) -> tuple[BudgetInfo, ...]:
        """What is spent of each budget in its current period; with `past` also in those that are over."""
        return self._driver.run(budgets.budgets(self._submitter.keys, past=past))

    def why(self, job: HasId | str) -> Why:
        """What holds a job, and until when: a limit, a budget, a breaker, a pause, or that no worker lives.

        Raises:
            JobNotFound: the store does not hold it.
        """
        return self._driver.run(why.why(self._submitter.keys, id_of("job", job)))

    @overload
    def retry(self, job: Job[T], /) -> Job[T]: ...

    @overload
    def retry(self, job: HasId | str, /) -> Job[Any]: ...

    @overload
    def retry(
        self,
        *,
        state: StateName | None = None,
        batch: HasId | str | None = None,
        queue: str | None = None,
        provider: str | None = None,
        tenant: str | None = None,
        tag: str | None = None,
        template: str | None = None,
        cause: str | None = None,
    ) -> Retries: ...

    def retry(
        self,
        job: Job[Any] | HasId | str | None = None,
        *,
        state: StateName | None = None,
        batch: HasId | str | None = None,
        queue: str | None = None,
        provider: str | None = None,
        tenant: str | None = None,
        tag: str | None = None,
        template: str | None = None,
        cause: str | None = None,
    ) -> Job[Any] | Retries:
        """Retry an ended job as a new one, or all that fit the filters of `jobs`: failed ones unless a state is said.

        A retry begins at the first target of the job's chain that the fleet still has; a line of a batch points to it.
        A job that was retried before answers with that retry.

        Raises:
            InvalidRequest: it has not ended, or its request is no longer kept; or nothing says which jobs.
            JobNotFound: the store does not hold it.
            UnknownModel: the fleet no longer has any provider of its chain; of many, such a job is refused and counted.
        """
        keys = self._submitter.keys
        wanted = JobFilter(state, id_or_none("batch", batch), queue, provider, tenant, tag, template, cause)
        job_listing.require_one(job, wanted)
        if job is None:
            return self._driver.run(retries.Retrier(keys).retry_all(wanted))
        again = self._driver.run(retries.retry_one(keys, id_of("job", job)))
        return Job(self._driver, JobFlows(keys, again, job.schema if isinstance(job, Job) else None))

    def resolve(self, attempt: HasId | str, *, usd: str | int | float | Decimal, note: str = "") -> None:
        """Settle an attempt of unknown cost by hand.

        Args:
            attempt: `job:number` as `unresolved` gives it, or the job where only one of its attempts is unresolved.
            usd: what the provider billed for it, in dollars; 0 for nothing.
            note: kept in the job's history.

        Raises:
            InvalidRequest: nothing is unresolved there, or it does not say which one.
            JobNotFound: the store does not hold the job.
        """
        name, nano_usd = id_of("attempt", attempt), resolutions.billed(usd)
        settled, answer = self._driver.run(resolutions.resolve(self._submitter.keys, name, nano_usd, note))
        if answer != "ok":
            raise refused("resolve", settled, answer)

    def unresolved(self, *, limit: int = 100) -> Iterator[Unresolved]:
        """Attempts whose cost nobody knows, oldest first."""
        return self._driver.iterate(resolutions.unresolved(self._submitter.keys, Whole()("limit", limit)))


def _limit(limit: int | None) -> int | None:
    return None if limit is None else Whole()("limit", limit)
