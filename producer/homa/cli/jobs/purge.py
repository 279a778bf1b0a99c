"""`homa jobs purge`: ended jobs are forgotten before their retention ends."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import click

from homa.cli import option_types
from homa.cli.context import session
from homa.cli.documents.jobs import AnswersDocument, PurgedDocument
from homa.cli.job_filters import filter_options, move_all, require_some
from homa.cli.jobs.answers import tell, tell_counts
from homa.cli.output import json_option
from homa.client.session import Session
from homa_shared.model.records import ENDED, Job, State
from homa_shared.store import reads
from homa_shared.store.transitions import admin


@click.command()
@click.argument("jobs", nargs=-1)
@filter_options
@click.option(
    "--older-than",
    "age_ms",
    type=option_types.span_ms,
    metavar="SPAN",
    help="Only jobs ended so long ago: 90s, 12h, 7d.",
)
@json_option(AnswersDocument, PurgedDocument)
def purge(jobs: Sequence[str], age_ms: int | None, as_json: bool, **filters: str | None) -> None:
    """Forget ended jobs at once.

    Ledger and totals stay, and so do jobs with unresolved cost. With filters or --older-than: jobs that failed, expired
    or were cancelled, unless --state says otherwise.
    """
    if age_ms is None or jobs:
        require_some(jobs, filters, "purge (or --older-than)")
    with session() as here:
        if jobs:
            tell("purge", [(job, _purge_one(here, job)) for job in jobs], as_json)
            return
        before_ms = here.store.run(reads.server_time(here.keys)) - (age_ms or 0)
        counts: Counter[str] = Counter()
        for wanted in _ended_filters(filters):
            move_all(here, wanted, _purge_page(here, before_ms, counts))
    kept = {"kept for their unresolved cost": counts["kept"]} if counts["kept"] else {}
    tell_counts({"purged": counts["purged"], **kept}, as_json)


def _purge_page(here: Session, before_ms: int, counts: Counter[str]) -> Callable[[list[Job]], int]:
    kept: set[str] = set()

    def act(page: list[Job]) -> int:
        old = [job for job in page if job.ended and (job.ended_ms or 0) <= before_ms]
        doubtful = {job.id for job in old if job.has_open_cost}
        counts["kept"] += len(doubtful - kept)
        kept.update(doubtful)
        purged = here.store.run(admin.purge(here.keys, [job.id for job in old if job.id not in doubtful]))
        counts["purged"] += purged
        return purged

    return act


def _ended_filters(filters: dict[str, str | None]) -> list[dict[str, str | None]]:
    if filters.get("state") or filters.get("batch"):
        return [filters]
    return [{**filters, "state": state.value} for state in (State.FAILED, State.CANCELLED, State.EXPIRED)]


def _purge_one(here: Session, job: str) -> str:
    view = here.store.run(reads.job(here.keys, job))
    if view is None:
        return "unknown"
    if view.job.state not in ENDED:
        return view.job.state
    return "purged" if here.store.run(admin.purge(here.keys, [job])) else "unresolved"
