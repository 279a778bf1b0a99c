"""`homa jobs cancel|retry`: what people change about jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import click

from homa.cli.context import session
from homa.cli.documents.jobs import AnswersDocument, CancelledDocument, RetriedDocument
from homa.cli.job_filters import chunks, filter_options, job_filter, move_all, require_some
from homa.cli.jobs.answers import tell, tell_counts
from homa.cli.output import json_option
from homa.client.management.retries import Retrier
from homa_shared.model.records import Job
from homa_shared.store.audit_trail import NOTHING, audited
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op
from homa_shared.store.transitions import admin


@click.command()
@click.argument("jobs", nargs=-1)
@filter_options
@json_option(AnswersDocument, CancelledDocument)
def cancel(jobs: Sequence[str], as_json: bool, **filters: str | None) -> None:
    """Cancel jobs.

    Those that wait end at once, those that run are stopped by their workers.
    """
    require_some(jobs, filters, "cancel")
    with session() as here:
        if jobs:
            answers = [answer for ids in chunks(jobs) for answer in here.store.run(_cancelling(here.keys, ids))]
            tell("cancel", list(zip(jobs, answers, strict=True)), as_json)
            return
        counts: Counter[str] = Counter()
        running: set[str] = set()

        def act(page: list[Job]) -> int:
            live = [job.id for job in page if not job.ended and job.id not in running]
            told = here.store.run(_cancelling(here.keys, live))
            running.update(job for job, answer in zip(live, told, strict=True) if answer == "cancelling")
            counts["cancelled"] += told.count("cancelled")
            return told.count("cancelled")

        move_all(here, filters, act)
    tell_counts({"cancelled": counts["cancelled"], "cancelling": len(running)}, as_json)


def _cancelling(keys: Keys, jobs: Sequence[str]) -> Op[list[str]]:
    """Cancels some jobs, as an entry of the audit trail."""
    cancelling = admin.cancel(keys, jobs)
    return audited(cancelling, "jobs.cancelled", admin.named(jobs), jobs=len(jobs)) if jobs else cancelling


@click.command()
@click.argument("jobs", nargs=-1)
@filter_options
@json_option(AnswersDocument, RetriedDocument)
def retry(jobs: Sequence[str], as_json: bool, **filters: str | None) -> None:
    """Retry ended jobs as new ones.

    Each begins at the first target of its chain, and has a new id; a line of a batch points to it. With filters:
    failed ones, unless --state says otherwise.
    """
    require_some(jobs, filters, "retry")
    with session() as here:
        retrier = Retrier(here.keys)
        given = {name: value for name, value in filters.items() if value is not None}
        # One entry of the audit trail for all of them.
        here.store.run(audited(NOTHING, "jobs.retried", admin.named(jobs) or "by filters", **given))
        if jobs:
            tell("retry", [(job, *here.driver.run(retrier.tried(job))) for job in jobs], as_json)
            return
        done = here.driver.run(retrier.retry_all(job_filter(filters)))
    tell_counts({"retried": done.retried, **done.refused}, as_json)
