"""Cancels and retries jobs: one, or those that filters pick."""

from __future__ import annotations

import asyncio
import shlex
from collections import Counter
from collections.abc import AsyncIterator

from homa.client.management.job_listing import JobFilter, read_page
from homa.client.management.refusals import refused
from homa.client.management.retries import Retrier, retry_one
from homa.gateway.dashboard import wording
from homa.gateway.dashboard.actions.action import Action, Question
from homa.gateway.dashboard.causes import words_of
from homa.gateway.dashboard.listing import wanted_jobs
from homa.gateway.dashboard.rendering import link
from homa.gateway.dashboard.visit import Visit
from homa_shared.calls.request import JobRequest
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import ENDED, Job, State
from homa_shared.store import reads
from homa_shared.store.reads import JobView
from homa_shared.store.transitions import admin

#: Most jobs that one button acts on: what is left shows on the page, with the same button.
MOST = 1000
#: Jobs whose requests are in memory at once.
_AT_ONCE = 50
_RETRIED = (State.FAILED, State.CANCELLED, State.EXPIRED)


async def _view(visit: Visit) -> JobView:
    job_id = visit.asked("job")
    view = await visit.ask(reads.job(visit.keys, job_id)) if job_id else None
    visit.principal.require_sight(job_id, view.job.tenant if view else None)
    assert view is not None
    return view


async def _ask_cancel(visit: Visit) -> Question:
    job = (await _view(visit)).job
    if job.state in ENDED:
        raise InvalidRequest(f"job {job.id} has {job.state}: there is nothing to cancel")
    running = job.state is State.RUNNING
    return Question(
        title="Cancel this job?",
        what="Its call is stopped; what the provider has done of it may be billed." if running else "It ends at once.",
        command=f"homa jobs cancel {job.id}",
        go="Cancel it",
        on=job.id,
        back=link(f"/jobs/{job.id}"),
        dangerous=True,
    )


async def _cancel(visit: Visit, question: Question) -> str:
    job_id = question.on
    answer = (await visit.ask(admin.cancel(visit.keys, [job_id])))[0]
    if answer not in ("cancelled", "cancelling"):
        raise refused("cancel", job_id, answer)
    return f"{job_id} is {'cancelled' if answer == 'cancelled' else 'being stopped by its worker'}"


async def _ask_retry(visit: Visit) -> Question:
    view = await _view(visit)
    job = view.job
    if job.state not in _RETRIED:
        raise InvalidRequest(f"job {job.id} is {job.state}: what failed, expired or was cancelled can be retried")
    if job.retried_by:
        raise InvalidRequest(f"job {job.id} was retried before: as {job.retried_by}")
    bound = bound_of(view)
    _require_models(visit, view)
    return Question(
        title="Retry this job?",
        what=f"A new job with the same request begins at the first target of its chain. {_at_most(bound)}",
        command=f"homa jobs retry {job.id}",
        go=f"Retry, at most {wording.money(bound, at_most=True)}" if bound is not None else "Retry, at no known price",
        on=job.id,
        back=link(f"/jobs/{job.id}"),
        bound_nano_usd=bound,
    )


async def _retry(visit: Visit, question: Question) -> str:
    return f"{question.on} is retried as {await visit.run(retry_one(visit.keys, question.on))}"


def bound_of(view: JobView) -> int | None:
    """Most that a retry of a job may cost, nano-dollars; None where a target of its chain has no price.

    Each of its attempts may be charged in full, at whichever target is dearest: an attempt whose outcome nobody knows
    stands at its bound, and the next one may go anywhere.
    """
    if not view.request:
        raise InvalidRequest(f"the request of job {view.job.id} is no longer kept: submit it as a new job")
    request = JobRequest.decode(view.request)
    bounds = [option.bound for option in request.options]
    known = [bound for bound in bounds if bound is not None]
    calls = int(view.job.raw.get("mx") or 1)
    if request.steps.tools:
        calls *= request.steps.max_steps
    calls += request.steps.content_retries if request.params.get("response_format") else 0
    return max(known) * calls if known and len(known) == len(bounds) else None


def _require_models(visit: Visit, view: JobView) -> None:
    """A key that is bound to some models starts no call of others."""
    if visit.principal.models and view.request:
        visit.principal.require_model(*JobRequest.decode(view.request).targets)


def _at_most(bound: int | None) -> str:
    if bound is None:
        return "No price is known of a target in its chain, so that no bound can be told."
    return f"At most {wording.money(bound, at_most=True)}, if every attempt that it may make is charged in full."


async def _matching(visit: Visit, said: dict[str, str]) -> AsyncIterator[Job]:
    """Jobs that filters pick and that can be acted on, at most `MOST`."""
    wanted, cursor, left = JobFilter(**said), "", MOST
    ends = said.get("state") in _RETRIED
    while left > 0:
        page = await visit.ask(read_page(visit.keys, wanted, cursor or None))
        for job in page.jobs:
            if ends == job.ended and not job.retried_by and left > 0:
                left -= 1
                yield job
        if page.cursor is None:
            return
        cursor = page.cursor


def _filters(visit: Visit) -> dict[str, str]:
    said = wanted_jobs(visit)
    if not said.keys() - {"tenant"} and visit.tenant is not None:
        raise InvalidRequest("no filter says which jobs: expected some, such as state=failed")
    if not said:
        raise InvalidRequest("no filter says which jobs: expected some, such as state=failed")
    return said


def _flags(said: dict[str, str]) -> str:
    return " ".join(f"--{name} {shlex.quote(value)}" for name, value in said.items())


async def _ask_cancel_all(visit: Visit) -> Question:
    said = _filters(visit)
    found = [job async for job in _matching(visit, said)]
    if not found:
        raise InvalidRequest("no live job fits these filters any more")
    running = sum(job.state is State.RUNNING for job in found)
    return Question(
        title=f"Cancel {wording.jobs(len(found))}?",
        what=f"{len(found) - running:,} that wait end at once; {running:,} calls in flight are stopped, and what "
        "providers have done of them may be billed." + _limited(len(found)),
        command=f"homa jobs cancel {_flags(said)}",
        go=f"Cancel {wording.jobs(len(found))}",
        on=_flags(said),
        back=link("/jobs", **said),
        dangerous=True,
        jobs=tuple(job.id for job in found),
    )


async def _cancel_all(visit: Visit, question: Question) -> str:
    ids, counts = question.jobs, Counter[str]()
    for start in range(0, len(ids), admin.SLICE):
        answers: list[str] = await visit.ask(admin.cancel(visit.keys, ids[start : start + admin.SLICE]))
        counts.update(answers)
    return f"{counts['cancelled']:,} cancelled, {counts['cancelling']:,} being stopped by their workers"


async def _ask_retry_all(visit: Visit) -> Question:
    said = _failed(visit)
    found = [job async for job in _matching(visit, said)]
    if not found:
        raise InvalidRequest("no job fits these filters any more: those that did were retried, or are no longer kept")
    bound = await _bound_of_all(visit, found)
    cause = said.get("cause")
    again = f"They failed by: {words_of(cause).lower()}. The same request may fail alike. " if cause else ""
    most = wording.money(bound, at_most=True)
    return Question(
        title=f"Retry {wording.jobs(len(found))}?",
        what=f"{again}Each begins again at the first target of its chain, as a new job that takes its place. "
        f"{_at_most(bound)}{_limited(len(found))}",
        command=f"homa jobs retry {_flags(said)}",
        go=f"Retry these {len(found):,}, at most {most}" if bound is not None else f"Retry these {len(found):,}",
        on=_flags(said),
        back=link(f"/batches/{said['batch']}") if said.get("batch") else link("/failures"),
        bound_nano_usd=bound,
        jobs=tuple(job.id for job in found),
    )


async def _retry_all(visit: Visit, question: Question) -> str:
    retrier, counts = Retrier(visit.keys), Counter[str]()
    for job_id in question.jobs:
        counts[(await visit.run(retrier.tried(job_id)))[0]] += 1
    done = counts.pop("ok", 0)
    refusals = "".join(f", {count:,} not: {why}" for why, count in counts.items())
    return f"{wording.jobs(done)} retried{refusals}"


async def _bound_of_all(visit: Visit, found: list[Job]) -> int | None:
    """Most that retries of jobs may cost together; None where one has no bound."""
    total = 0
    for start in range(0, len(found), _AT_ONCE):
        part = found[start : start + _AT_ONCE]
        views = await asyncio.gather(*(visit.ask(reads.job(visit.keys, job.id)) for job in part))
        for view in views:
            # What is gone, or has no request any more, is not retried either.
            if view is None or not view.request:
                continue
            _require_models(visit, view)
            bound = bound_of(view)
            if bound is None:
                return None
            total += bound
    return total


def _failed(visit: Visit) -> dict[str, str]:
    """The filters of jobs to retry: failed ones, unless a state is said."""
    said = _filters(visit)
    if said.get("state", State.FAILED) not in _RETRIED:
        raise InvalidRequest(f"state is {said['state']!r}: what failed, expired or was cancelled can be retried")
    return {"state": State.FAILED.value, **said}


def _limited(count: int) -> str:
    return f" These are the first {MOST:,}; the page shows what is left." if count >= MOST else ""


JOB_ACTIONS = {
    "cancel-job": Action(_ask_cancel, _cancel, "jobs.cancelled"),
    "retry-job": Action(_ask_retry, _retry, "jobs.retried"),
    "cancel-jobs": Action(_ask_cancel_all, _cancel_all, "jobs.cancelled"),
    "retry-jobs": Action(_ask_retry_all, _retry_all, "jobs.retried"),
    "retry-cause": Action(_ask_retry_all, _retry_all, "jobs.retried"),
}
