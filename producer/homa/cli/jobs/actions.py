"""`homa jobs cancel|retry|resolve|purge`: what people change about jobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import click

from homa.cli import option_types
from homa.cli.context import say, session
from homa.cli.exit_status import SOME_FAILED, Stopped
from homa.cli.job_filters import chunks, each_page, filter_options, job_not_found, move_all, require_some
from homa.cli.jobs.retry import Retrier
from homa.cli.output import age, dollars, json_option, print_json, print_table, usd_or_null
from homa.client.session import Session
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.ids import split_attempt
from homa_shared.model.records import ENDED, Job, State
from homa_shared.store import reads
from homa_shared.store.transitions import admin

#: Answers that say that what was asked for was done, or is being done.
_GOOD = frozenset({"cancelled", "cancelling", "ok", "retried", "purged"})


@click.command()
@click.argument("jobs", nargs=-1)
@filter_options
@json_option
def cancel(jobs: Sequence[str], as_json: bool, **filters: str | None) -> None:
    """Cancel jobs.

    Those that wait end at once, those that run are stopped by their workers.
    """
    require_some(jobs, filters, "cancel")
    with session() as here:
        if jobs:
            answers = [answer for ids in chunks(jobs) for answer in here.store.run(admin.cancel(here.keys, ids))]
            _tell("cancel", list(zip(jobs, answers, strict=True)), as_json)
            return
        counts: Counter[str] = Counter()
        running: set[str] = set()

        def act(page: list[Job]) -> int:
            live = [job.id for job in page if not job.ended and job.id not in running]
            told = here.store.run(admin.cancel(here.keys, live))
            running.update(job for job, answer in zip(live, told, strict=True) if answer == "cancelling")
            counts["cancelled"] += told.count("cancelled")
            return told.count("cancelled")

        move_all(here, filters, act)
    _tell_counts({"cancelled": counts["cancelled"], "cancelling": len(running)}, as_json)


@click.command()
@click.argument("jobs", nargs=-1)
@filter_options
@json_option
def retry(jobs: Sequence[str], as_json: bool, **filters: str | None) -> None:
    """Retry ended jobs as new ones.

    Each begins at the first target of its chain, and has a new id; a line of a batch points to it. With filters:
    failed ones, unless --state says otherwise.
    """
    require_some(jobs, filters, "retry")
    with session() as here:
        retrier = Retrier(here)
        if jobs:
            _tell("retry", [(job, *retrier.retry(job)) for job in jobs], as_json)
            return
        counts: Counter[str] = Counter()
        wanted = {**filters, "state": filters.get("state") or State.FAILED.value}
        for page in each_page(here, wanted):
            counts.update(retrier.retry(job.id)[0] for job in page if job.ended and job.retried_by is None)
    _tell_counts({"retried": counts.pop("ok", 0), **counts}, as_json)


@click.command()
@click.argument("attempt", required=False, metavar="[JOB[:ATTEMPT]]")
@click.option(
    "--usd",
    "nano_usd",
    type=option_types.dollars,
    metavar="USD",
    help="What the provider billed for it, in dollars; 0 for nothing.",
)
@click.option("--note", default="", help="Kept in the job's history.")
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="Most attempts to list.")
@json_option
def resolve(attempt: str | None, nano_usd: int | None, note: str, limit: int, as_json: bool) -> None:
    """Settle an attempt of unknown cost by hand.

    Without arguments: list such attempts, oldest first.
    """
    with session() as here:
        if attempt is None:
            _list_unresolved(here, limit, as_json)
            return
        if nano_usd is None:
            raise InvalidRequest(f"--usd is missing: expected what {attempt} cost by the provider's bill, in dollars")
        job, number = _attempt_of(here, attempt)
        answer = here.store.run(admin.resolve(here.keys, job, number, nano_usd, note))
    _tell("resolve", [(f"{job}:{number}", answer)], as_json)


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
@json_option
def purge(jobs: Sequence[str], age_ms: int | None, as_json: bool, **filters: str | None) -> None:
    """Forget ended jobs at once.

    Ledger and totals stay, and so do jobs with unresolved cost. With filters or --older-than: jobs that failed, expired
    or were cancelled, unless --state says otherwise.
    """
    if age_ms is None or jobs:
        require_some(jobs, filters, "purge (or --older-than)")
    with session() as here:
        if jobs:
            _tell("purge", [(job, _purge_one(here, job)) for job in jobs], as_json)
            return
        before_ms = here.store.run(reads.server_time(here.keys)) - (age_ms or 0)
        counts: Counter[str] = Counter()
        for wanted in _ended_filters(filters):
            move_all(here, wanted, _purge_page(here, before_ms, counts))
    kept = {"kept for their unresolved cost": counts["kept"]} if counts["kept"] else {}
    _tell_counts({"purged": counts["purged"], **kept}, as_json)


def _purge_page(here: Session, before_ms: int, counts: Counter[str]) -> Callable[[list[Job]], int]:
    kept: set[str] = set()

    def act(page: list[Job]) -> int:
        old = [job for job in page if job.ended and (job.ended_ms or 0) <= before_ms]
        doubtful = {job.id for job in old if job.unresolved_nano_usd}
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


def _attempt_of(here: Session, name: str) -> tuple[str, int]:
    """Job and number of an attempt; the number may be left out where only one is unresolved."""
    if ":" in name:
        try:
            return split_attempt(name)
        except ValueError:
            raise InvalidRequest(f"{name!r} is not an attempt: expected JOB:NUMBER, such as j0abc:1") from None
    view = here.store.run(reads.job(here.keys, name))
    if view is None:
        raise job_not_found(name)
    open_ = [attempt.number for attempt in view.attempts if attempt.charge == "unresolved"]
    if len(open_) != 1:
        told = ", ".join(f"{name}:{number}" for number in open_) or "none"
        raise InvalidRequest(f"job {name} has {len(open_)} unresolved attempts ({told}): expected one; name it")
    return name, open_[0]


def _list_unresolved(here: Session, limit: int, as_json: bool) -> None:
    rows = here.store.run(reads.unresolved(here.keys, limit))
    now_ms = here.store.run(reads.server_time(here.keys))
    found = []
    for name, since_ms in rows:
        job, number = split_attempt(name)
        view = here.store.run(reads.job(here.keys, job))
        attempt = next((a for a in view.attempts if a.number == number), None) if view else None
        found.append((name, since_ms, attempt))
    if as_json:
        print_json(
            {
                "unresolved": [
                    {
                        "attempt": name,
                        "since_ms": since_ms,
                        "target": attempt.target if attempt else None,
                        "outcome": attempt.outcome if attempt else None,
                        "unresolved_usd": usd_or_null(attempt.unresolved_nano_usd) if attempt else None,
                        "request_id": attempt.note.get("request_id") if attempt else None,
                    }
                    for name, since_ms, attempt in found
                ]
            }
        )
        return
    print_table(
        ("ATTEMPT", "AGE", "TARGET", "OUTCOME", "AT MOST", "ERROR"),
        (
            (
                name,
                age(since_ms, now_ms),
                attempt.target if attempt else "",
                attempt.outcome if attempt else "",
                dollars(attempt.unresolved_nano_usd) if attempt else "",
                attempt.error if attempt else "",
            )
            for name, since_ms, attempt in found
        ),
        right={"AGE", "AT MOST"},
        wraps={"TARGET", "ERROR"},
        empty="no attempt is unresolved",
    )


def _tell(verb: str, answers: Sequence[tuple[str, ...]], as_json: bool) -> None:
    """What became of each job; status 1 where one of them was refused."""
    bad = [(name, answer) for name, answer, *_ in answers if answer not in _GOOD]
    if as_json:
        print_json(
            {
                "jobs": [
                    {"job": name, "answer": answer} | ({"retried_by": more[0] or None} if more else {})
                    for name, answer, *more in answers
                ]
            }
        )
    else:
        for name, answer, *more in answers:
            if answer in _GOOD:
                click.echo(f"{name} {'retried as' if more else answer}{''.join(f' {job}' for job in more)}")
    for name, answer in bad:
        say(f"cannot {verb} {name}: {_REFUSALS.get(answer) or f'it is {answer}'}")
    if bad:
        raise Stopped(SOME_FAILED)


def _tell_counts(counts: Mapping[str, int], as_json: bool) -> None:
    if as_json:
        print_json({name.replace(" ", "_"): count for name, count in counts.items()})
    else:
        click.echo(", ".join(f"{count} {name}" for name, count in counts.items()))


_REFUSALS = {
    "unknown": "no such job is in the store: its id is wrong, or its retention has ended",
    "succeeded": "it has succeeded",
    "failed": "it has failed before",
    "expired": "it has expired",
    "queued": "it still waits; `homa jobs cancel` first",
    "due": "it still waits; `homa jobs cancel` first",
    "waiting": "it still waits; `homa jobs cancel` first",
    "running": "it runs; `homa jobs cancel` first",
    "stale": "nothing is unresolved there: it was resolved before, or never was",
    "unresolved": "its cost is unresolved, and only its record can resolve it: `homa jobs resolve` first",
    "request gone": "its request is no longer kept",
    "batch gone": "its batch is no longer kept",
    "batch cancelled": "its batch was cancelled",
}
