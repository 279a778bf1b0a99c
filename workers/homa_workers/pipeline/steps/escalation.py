"""Answers that do not fit, after all repairs: on to a model that is there for them."""

from __future__ import annotations

from dataclasses import replace

from homa_shared.calls.reply import Completion
from homa_workers.attempt import RunningAttempt
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.fleet.next_target import next_target
from homa_workers.outcomes.halting import Halted, Unfit
from homa_workers.outcomes.outcomes import Rerouted


def escalated(book: FleetBook, attempt: RunningAttempt, text: str, completion: Completion) -> Halted | None:
    """The way on to the next of the job's models for answers that do not fit; None where there is none.

    Args:
        text: what is wrong, for people.
        completion: the last answer, which is paid for.
    """
    claim = attempt.claim
    left = min(claim.fallbacks_left, attempt.request.rules.escalation)
    if not left or claim.tries >= claim.max_attempts:
        return None
    skipped: list[tuple[str, str]] = []
    following = next_target(book, replace(claim, fallbacks_left=left), attempt.request, skipped=skipped)
    attempt.skipped = skipped
    return None if following is None else Halted(Rerouted(Unfit("escalated", text, completion), following))
