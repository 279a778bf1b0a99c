"""Why what was asked of a job cannot be done."""

from __future__ import annotations

from homa.client.not_found import job_not_found
from homa_shared.model.errors import HomaError, InvalidRequest

#: Answers that the client itself gives, beside those of the store.
PROVIDER_GONE, REQUEST_NEWER = "provider gone", "request newer"

_REASONS = {
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
    PROVIDER_GONE: "the fleet no longer has any provider of its chain",
    REQUEST_NEWER: "its request is of a newer release: upgrade this one",
    "request gone": "its request is no longer kept",
    "damaged": "its record holds no number where one must stand; submit its request as a new job",
    "batch gone": "its batch is no longer kept",
    "batch cancelled": "its batch was cancelled",
    "conversation gone": "its conversation has no such turn any more",
    "conversation went on": "later turns of its conversation were answered without it",
}


def refusal(verb: str, name: str, answer: str) -> str:
    """What is said where the store's answer refuses to cancel, retry, resolve or purge (`verb`)."""
    return f"cannot {verb} {name}: {_REASONS.get(answer) or f'it is {answer}'}"


def refused(verb: str, name: str, answer: str) -> HomaError:
    """The same as an error."""
    return job_not_found(name) if answer == "unknown" else InvalidRequest(refusal(verb, name, answer))
