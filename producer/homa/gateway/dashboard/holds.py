"""What holds a job, in one sentence with a time."""

from __future__ import annotations

from dataclasses import dataclass

from homa.gateway.dashboard import wording
from homa_shared.model.pools import worker_command
from homa_shared.model.records import Job, State
from homa_shared.store.reads import Hold, Why

#: Kind of a hold -> the words in front of its name.
_WORDS = {
    "limit": "Waits for the limit",
    "breaker": "Waits for the breaker of",
    "budget": "Waits for the budget",
    "pause": "Paused:",
    "cancel": "Is being cancelled with",
    "leader": "Takes the answer of the equal job",
    "answer": "Waits for an answer from outside, in the run",
    "due": "Starts at its time, in the queue",
    "backlog": "Behind others in the queue",
    "settings": "No settings for the queue",
}


@dataclass(frozen=True, slots=True)
class Held:
    """Why a job does not run yet, or what became of it."""

    words: str
    #: What the words lead to: a scope, budget, job or batch; empty for nothing.
    name: str = ""
    #: An address of the dashboard, where there is a page of it.
    path: str = ""
    detail: str = ""
    #: When it may pass, ms; None where nobody knows.
    until_ms: int | None = None


def held(job: Job, why: Why | None, served: frozenset[str], now_ms: int) -> Held:
    """Why a live job waits.

    Args:
        why: of the store.
        served: queues that live workers take from.
    """
    if why is None:
        return Held("It has ended just now")
    first = why.holds[0] if why.holds else None
    if first is not None and first.kind == "running":
        return Held(f"In flight: {first.detail}" + (f", on {first.name}" if first.name else ""))
    if job.queue not in served and why.state is not State.RUNNING:
        return Held("No live worker serves the queue", job.queue, "/workers", f"start one: {worker_command(job.queue)}")
    if first is None or first.kind == "deadline":
        return Held("Goes as soon as a worker has a free slot", until_ms=None)
    return _of(first, now_ms)


def _of(hold: Hold, now_ms: int) -> Held:
    path = {
        "limit": f"/limits#{hold.name}",
        "breaker": f"/limits#{hold.name}",
        "budget": "/limits#budgets",
        "leader": f"/jobs/{hold.name}",
        "pause": f"/batches/{hold.name}" if hold.name.startswith("b") else "/workers",
        "cancel": f"/batches/{hold.name}",
        "answer": f"/batches/{hold.name}",
    }.get(hold.kind, "/workers")
    until = now_ms + hold.wait_ms if hold.wait_ms is not None and hold.wait_ms > 0 else None
    return Held(_WORDS.get(hold.kind, hold.kind), hold.name, path, hold.detail, until)


def ended(job: Job, error: str) -> Held:
    """What became of a job that has ended."""
    spent_ms = (job.ended_ms or job.submitted_ms) - job.submitted_ms
    if job.state is State.SUCCEEDED:
        return Held(f"Answered {wording.took(max(0, spent_ms))} after it was submitted")
    if job.retried_by:
        return Held("Retried as", job.retried_by, f"/jobs/{job.retried_by}", error)
    return Held(error or f"It has {job.state}")
