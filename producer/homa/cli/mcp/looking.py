"""Tools that look, explain and estimate: none of them changes anything or calls a provider.

The docstring of a tool is what the assistant reads of it.
"""

from __future__ import annotations

import time
from dataclasses import asdict
from decimal import Decimal
from typing import Any, get_args

import orjson

from homa.cli.batches.format import batch_document
from homa.cli.documents.batches import BatchDocument
from homa.cli.documents.jobs import ListedJobDocument
from homa.cli.jobs.json import attempt_document, job_document
from homa.client.management import batches as batch_reads
from homa.client.management import budgets as budget_reads
from homa.client.management import costs as cost_reads
from homa.client.management import limits as limit_reads
from homa.client.management import why as reasons
from homa.client.management.alarms import alarms
from homa.client.management.batches import BatchFilter
from homa.client.management.estimating import Estimating
from homa.client.management.job_listing import JobFilter, listing
from homa.client.management.jobs import JobInfo
from homa.client.management.status import status
from homa.client.management.status_document import StatusDocument, document
from homa.client.management.wording import answer_text
from homa.client.not_found import check_id, job_not_found
from homa.client.session import Session
from homa_shared.model.errors import InvalidRequest
from homa_shared.store import reads
from homa_shared.store.reads.money import By

#: Most rows of one answer: an assistant reads all of it.
MOST_ROWS = 50
#: Most characters of an answer's text.
MOST_TEXT = 4000


class Looking:
    """What an assistant may ask of a fleet.

    Args:
        here: used by several threads at once.
    """

    def __init__(self, here: Session) -> None:
        self._here = here

    def fleet_status(self) -> StatusDocument:
        """How the fleet is: what wants attention, what to do, store, queues, workers, hot limits, breakers, budgets."""
        began_s = time.monotonic()
        seen = self._here.driver.run(status(self._here.keys))
        return document(seen, alarms(seen), round((time.monotonic() - began_s) * 1000))

    def list_jobs(
        self,
        state: str | None = None,
        batch: str | None = None,
        provider: str | None = None,
        tenant: str | None = None,
        tag: str | None = None,
        limit: int = 20,
    ) -> list[ListedJobDocument]:
        """Jobs that fit, live ones first, then the newest: at most 50.

        state is queued, due, waiting, running, succeeded, failed, cancelled or expired; tag is key=value.
        """
        wanted = JobFilter(state, batch, None, provider, tenant, tag, None)
        found = self._here.driver.iterate(listing(self._here.keys, wanted, _rows(limit)))
        return [ListedJobDocument(**job_document(job), error=job.error) for job in found]

    def show_job(self, job: str, with_text: bool = False) -> dict[str, Any]:
        """A job with each of its attempts: target, outcome, error, cost. with_text adds the beginning of its answer."""
        check_id("job", job)
        view = self._here.store.run(reads.job(self._here.keys, job))
        if view is None:
            raise job_not_found(job)
        told = job_document(JobInfo.of(view.job)) | {"attempts": [attempt_document(one) for one in view.attempts]}
        if with_text:
            told["text"] = answer_text(orjson.loads(view.reply) if view.reply else None)[:MOST_TEXT]
        return told

    def why_job_waits(self, job: str) -> dict[str, Any]:
        """What holds a job and until when: a limit, a budget, a breaker, a pause, or that no worker lives."""
        found = self._here.driver.run(reasons.why(self._here.keys, job))
        holds = [asdict(hold) for hold in found.holds]
        return {"state": found.state, "verdict": str(found), "holds": holds, "live_workers": found.live_workers}

    def list_batches(self, state: str | None = None, tenant: str | None = None, limit: int = 20) -> list[BatchDocument]:
        """Batches, the newest first: at most 50. State is open, sealed or complete."""
        wanted = BatchFilter(state, tenant, None)
        found = self._here.driver.iterate(batch_reads.listing(self._here.keys, wanted, limit=_rows(limit)))
        return [batch_document(batch) for batch in found]

    def show_batch(self, batch: str) -> BatchDocument:
        """A batch: counts of its lines, cost, whether it is paused and why."""
        return batch_document(self._here.driver.run(batch_reads.batch_info(self._here.keys, batch)))

    def costs(self, by: str = "provider", since: str | None = None, until: str | None = None) -> dict[str, Any]:
        """What was spent, in dollars, by provider, model, tenant, tag, template or day; days (UTC) are YYYY-MM-DD."""
        measure = next((known for known in get_args(By) if known == by), None)
        if measure is None:
            raise InvalidRequest(f"by is {by!r:.80}: expected one of {', '.join(get_args(By))}")
        found = self._here.driver.run(cost_reads.costs(self._here.keys, by=measure, since=since, until=until))
        rows = [_plain(asdict(row)) for row in found.rows[:MOST_ROWS]]
        return {"summary": str(found), "rows": rows, "left_out": max(0, len(found.rows) - MOST_ROWS)}

    def limits(self) -> list[dict[str, Any]]:
        """What is used of each quota of each account and model, what is frozen, and the state of breakers."""
        return [_plain(asdict(row)) for row in self._here.driver.run(limit_reads.limits(self._here.keys))]

    def budgets(self) -> list[dict[str, Any]]:
        """What is spent, unresolved, reserved and free of each budget in its present period, in dollars."""
        return [_plain(asdict(row)) for row in self._here.driver.run(budget_reads.budgets(self._here.keys))]

    def estimate(self, prompts: list[str], model: str, max_tokens: int | None = None) -> dict[str, Any]:
        """What prompts would cost at a model, in dollars, and how long limits make it take. Nothing is called."""
        shared = {"model": model} | ({} if max_tokens is None else {"max_tokens": max_tokens})
        making = Estimating(self._here.submitter, self._here.context, shared, many=True)
        estimator = self._here.driver.run(making.begin())
        for prompt in prompts:
            making.add(estimator, prompt)
        found = asdict(estimator.estimate())
        return {name: value for name, value in _plain(found).items() if name != "first_messages"}


def _rows(limit: int) -> int:
    if not 1 <= limit <= MOST_ROWS:
        raise InvalidRequest(f"limit is {limit}: expected 1 to {MOST_ROWS}; narrow the filters to see others")
    return limit


def _plain(fields: dict[str, Any]) -> dict[str, Any]:
    """Dollars as decimal strings."""
    return {name: str(value) if isinstance(value, Decimal) else value for name, value in fields.items()}
