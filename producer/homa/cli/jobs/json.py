"""Jobs, attempts and steps for programs: what `--json` prints of them."""

from __future__ import annotations

from homa.cli.documents.jobs import AttemptDocument, JobDocument, PaidDocument, PastWaitDocument, StepDocument
from homa.cli.output import usd_or_null
from homa.client.management.jobs import JobInfo
from homa.client.management.units import ms_of, ms_of_known
from homa_shared.model.records import Attempt, Step
from homa_shared.store.reads import JobView


def job_document(job: JobInfo) -> JobDocument:
    """A job for programs."""
    return {
        "job": job.id,
        "state": job.state,
        "queue": job.queue,
        "lane": job.lane,
        "target": job.target,
        "tenant": job.tenant,
        "batch": job.batch,
        "custom_id": job.custom_id,
        "tags": job.tags,
        "attempt": job.attempt,
        "worker": job.worker,
        "waits_for": job.waits_for,
        "submitted_ms": ms_of(job.submitted_at),
        "due_ms": ms_of_known(job.due_at),
        "deadline_ms": ms_of_known(job.deadline_at),
        "ended_ms": ms_of_known(job.ended_at),
        "cost_usd": usd_or_null(job.cost_usd),
        "unresolved_usd": usd_or_null(job.unresolved_usd),
        "cache_saved_usd": usd_or_null(job.cache_saved_usd),
        "turn": job.turn,
        "retry_of": job.retry_of,
        "retried_by": job.retried_by,
    }


def attempt_document(attempt: Attempt) -> AttemptDocument:
    """An attempt for programs."""
    return {
        "attempt": attempt.number,
        "target": attempt.target,
        "outcome": attempt.outcome,
        "charge": attempt.charge,
        **_costs(attempt),
        "worker": attempt.worker,
        "started_ms": attempt.started_ms,
        "ended_ms": attempt.ended_ms,
        "error": attempt.error,
        "note": attempt.note,
    }


def past_waits(view: JobView) -> list[PastWaitDocument]:
    """What held a job for a while, attempt by attempt."""
    return [
        PastWaitDocument(attempt=attempt, wait_ms=wait.took_ms, kind=wait.kind, name=wait.name)
        for attempt, wait in view.waits()
    ]


def step_document(step: Step) -> StepDocument:
    """A paid reply that did not end its job, as `--json` shows it."""
    return {
        "step": step.number,
        "attempt": step.attempt,
        "target": step.target,
        "at_ms": step.at_ms,
        "input_tokens": step.input_tokens,
        "output_tokens": step.output_tokens,
        **_costs(step),
    }


def _costs(paid: Attempt | Step) -> PaidDocument:
    return {
        "tier": paid.terms or None,
        "fees": paid.fees,
        "cost_usd": None if paid.unpriced else usd_or_null(paid.nano_usd),
        "unresolved_usd": usd_or_null(paid.unresolved_nano_usd),
        "cache_saved_usd": usd_or_null(paid.cache_saved_nano_usd),
    }
