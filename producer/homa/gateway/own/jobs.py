"""`/v1/jobs`: submit a job, read it, cancel it; with all of the client's options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp

from homa.client.result_documents import answered, unanswered
from homa.client.results import Failure, Reply
from homa.files.result_line import result_line
from homa.gateway.answers import JsonAnswer
from homa.gateway.endpoint import Inquiry
from homa.gateway.errors import ApiError
from homa.gateway.job_headers import job_options
from homa.submit.asked import ask_for
from homa.submit.attachments import refuse_own_files
from homa.submit.job_options import known_names
from homa.submit.options import spread
from homa_shared.model.errors import InvalidRequest, JobNotFound
from homa_shared.model.money import usd
from homa_shared.model.records import ENDED, Attempt, Job
from homa_shared.store.gateway_keys import Role

#: Options that say whose job it is, or run code of the fleet's: not for a tenant's key.
_OF_OPERATORS = ("tenant", "run_tools")
_OPERATORS = frozenset({Role.OPERATOR, Role.ADMIN})


async def submit(inquiry: Inquiry) -> ASGIApp:
    """Accepts a job, and answers at once."""
    body, principal = inquiry.body, inquiry.principal
    principal.require_changes()
    for name in body:
        if name not in known_names():
            raise InvalidRequest(f"{name} is no option of a job: a provider's own go into provider_options")
        if name in _OF_OPERATORS and principal.role not in _OPERATORS:
            raise ApiError(403, f"{name} is not for a key of role {principal.role}", "role_not_allowed", name)
    if isinstance(body.get("provider_options"), Mapping) and body["provider_options"].keys() & set(_OF_OPERATORS):
        raise InvalidRequest("provider_options has Homa's own options: expected a provider's alone")
    refuse_own_files(spread(body), "a job")
    options = {"tenant": principal.tenant or None, **body, **job_options(inquiry.request.headers)}
    asked = ask_for(options)
    principal.require_model(asked.options.model, *asked.options.fallbacks)
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
    }
