"""Causes of failures in words, and what their rows offer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from homa.gateway.dashboard import wording
from homa_shared.store.reads.failures import FailureRow

#: Kind of an error -> what happened, for people. A kind that is not here is shown by its own name.
_WORDS = {
    "rate_limited": "Over the provider's rate limit, for longer than the job may wait",
    "quota_exhausted": "The provider's account is out of quota",
    "unauthorized": "Key refused by the provider",
    "model_not_found": "The provider has no such model",
    "not_found": "Not found at the provider",
    "overloaded": "Provider overloaded, chain spent",
    "unreachable": "Provider not reachable, chain spent",
    "ambiguous": "Outcome unknown, not repeated",
    "invalid_request": "Refused as invalid by the provider",
    "unsupported_by_model": "The model cannot do what was asked",
    "context_too_long": "Prompt longer than the model's context",
    "content_policy": "Refused by content policy",
    "malformed": "The provider's reply could not be read",
    "reply_too_large": "Reply too large to be kept",
    "unusable_reply": "Answer does not fit the schema",
    "budget": "No room in the budget",
    "unpriced": "No price is known, and a budget applies",
    "too_large": "Larger than the limit itself",
    "cut": "Answer cut off at its output cap",
    "poisoned": "Killed three workers",
}


@dataclass(frozen=True, slots=True)
class CauseRow:
    """One row of failures by cause."""

    cause: str
    words: str
    target: str
    count: int
    first_ms: int
    last_ms: int
    sample: str

    @property
    def provider(self) -> str | None:
        """What a filter picks its jobs by, beside the cause; None for a pool, which several serve."""
        provider, colon, _ = self.target.partition(":")
        return provider if colon else None

    @property
    def button(self) -> str:
        return f"Retry these {self.count:,}…" if self.count > 1 else "Retry it…"


def cause_rows(found: Iterable[FailureRow]) -> list[CauseRow]:
    """Rows for people."""
    return [
        CauseRow(row.cause, words_of(row.cause), row.target, row.count, row.first_ms, row.last_ms, row.sample)
        for row in found
    ]


def words_of(cause: str) -> str:
    return _WORDS.get(cause) or cause.replace("_", " ").capitalize()


def summary(rows: list[CauseRow]) -> str:
    """How many failed, for how many causes."""
    causes = len({row.cause for row in rows})
    total = sum(row.count for row in rows)
    return f"{wording.jobs(total)}, {causes} cause{'' if causes == 1 else 's'}"
