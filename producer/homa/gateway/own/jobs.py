"""`/v1/jobs`: submit a job, read it, cancel it; with all of the client's options."""

from __future__ import annotations

from typing import Any

from starlette.types import ASGIApp

from homa.client.management.job_listing import JobFilter, listing
from homa.client.management.retries import Retrier
from homa.client.result_documents import answered, unanswered
from homa.client.results import Failure, Reply
from homa.files.result_line import result_line
from homa.gateway.answers import JsonAnswer
from homa.gateway.endpoint import Inquiry
from homa.gateway.errors import ApiError
from homa.gateway.job_headers import job_options
from homa.gateway.own.documents import document_of
from homa.gateway.own.options import own_options
from homa.gateway.own.query import Query
from homa.submit.asked import ask_for
from homa_shared.model.errors import JobNotFound
from homa_shared.model.money import usd
from homa_shared.model.records import ENDED, Attempt, Job

#: What `GET /v1/jobs` can be asked for.
_FILTERS = ("state", "batch", "queue", "provider", "tenant", "tag", "template")


async def submit(inquiry: Inquiry) -> ASGIApp:
    """Accepts a job, and answers at once."""
    inquiry.principal.require_changes()
    options = own_options(inquiry.principal, inquiry.body)
    asked = ask_for(options | job_options(inquiry.request.headers))
    inquiry.principal.require_model(asked.options.model, *asked.options.fallbacks)
    job = await inquiry.submit(asked)
    headers = {"x-homa-job": job.job_id, "location": f"/v1/jobs/{job.job_id}"}
    return JsonAnswer({"id": job.job_id, "object": "job", "is_new": job.is_new}, 202, headers)


async def show(inquiry: Inquiry) -> ASGIApp:
    """A job's record, its attempts and, once it has ended, its result as a results file has it."""
    job_id = inquiry.request.path_params["job"]
    view = await inquiry.jobs.view(job_id)
    inquiry.principal.require_sight(job_id, view.job.tenant if view else None)
    assert view is not None
    return JsonAnswer(await job_document(inquiry, view.job, view.attempts))


async def list_jobs(inquiry: Inquiry) -> ASGIApp:
    """Jobs that fit all that the query says: live ones first, then the ended, the newest first.

    Query: state, batch, queue, provider, tenant, tag, template, limit.
    """
    query = Query(inquiry.request.query_params, (*_FILTERS, "limit"))
    given = query.texts(*_FILTERS)
    if not inquiry.principal.sees_all:
        given["tenant"] = inquiry.principal.tenant
    wanted, limit = JobFilter(**given), query.whole("limit", 100, most=1000)
    found = [row async for row in inquiry.jobs.iterate(listing(inquiry.jobs.keys, wanted, limit))]
    return JsonAnswer({"object": "list", "data": list(map(document_of, found))})


async def retry(inquiry: Inquiry) -> ASGIApp:
    """Retries a job that ended without an answer, as a new one."""
    inquiry.principal.require_changes()
    job_id = inquiry.request.path_params["job"]
    inquiry.principal.require_sight(job_id, await inquiry.jobs.tenant_of(job_id))
    await inquiry.count()
    answer, new_id = await inquiry.jobs.run(Retrier(inquiry.jobs.keys).retry(job_id))
    if answer not in ("ok", "retried"):
        raise ApiError(409, f"job {job_id} is not retried: {answer}", "not_retried", job_id=job_id)
    headers = {"x-homa-job": new_id, "location": f"/v1/jobs/{new_id}"}
    return JsonAnswer({"id": new_id, "object": "job", "retry_of": job_id, "is_new": answer == "ok"}, 202, headers)


async def cancel(inquiry: Inquiry) -> ASGIApp:
    """Cancels a job; one that runs is told to its worker."""
    inquiry.principal.require_changes()
    job_id = inquiry.request.path_params["job"]
    inquiry.principal.require_sight(job_id, await inquiry.jobs.tenant_of(job_id))
    return JsonAnswer({"id": job_id, "object": "job", "state": await inquiry.jobs.cancel(job_id)})


async def job_document(inquiry: Inquiry, job: Job, attempts: list[Attempt]) -> dict[str, Any]:
    """A job for programs. Times are ms since 1970 by the store's clock, dollars are decimal strings."""
    return {
        "id": job.id,
        "object": "job",
        "state": job.state,
        "target": job.target,
        "queue": job.queue,
        "lane": job.lane,
        "tenant": job.tenant,
        "tags": job.tags,
        "batch": job.batch,
        "submitted_ms": job.submitted_ms,
        "due_ms": job.due_ms,
        "deadline_ms": job.deadline_ms,
        "ended_ms": job.ended_ms,
        "waits_for": job.waits_for,
        "cost_usd": usd(job.cost_nano_usd),
        "unresolved_usd": usd(job.unresolved_nano_usd),
        "attempts": [_attempt(attempt) for attempt in attempts],
        "result": await result_of(inquiry, job) if job.state in ENDED else None,
    }


async def result_of(inquiry: Inquiry, job: Job) -> dict[str, Any]:
    """The line that a results file would have."""
    try:
        ended = await inquiry.jobs.ended(job.id)
    except JobNotFound:  # its retention ended just now
        raise JobNotFound(f"job {job.id} is not in the store: its retention has ended") from None
    return ended_line(ended, job.cost_nano_usd)


def ended_line(ended: Reply[Any] | Failure, nano_usd: int | None) -> dict[str, Any]:
    """The line of an outcome; see `result_of`."""
    outcome = answered(ended) if isinstance(ended, Reply) else unanswered(ended, nano_usd)
    return result_line(ended.custom_id or ended.job_id, outcome)


def _attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "number": attempt.number,
        "target": attempt.target,
        "outcome": attempt.outcome,
        "charge": attempt.charge,
        "cost_usd": usd(attempt.nano_usd),
        "unresolved_usd": usd(attempt.unresolved_nano_usd),
        "started_ms": attempt.started_ms,
        "ended_ms": attempt.ended_ms,
        "error": attempt.error,
        "waited": [{"wait_ms": wait.took_ms, "kind": wait.kind, "name": wait.name} for wait in attempt.waits],
    }
