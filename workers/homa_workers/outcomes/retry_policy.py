"""The retry and reroute table: what an error means for the job, the next target and the breakers.

Every decision is made here, from the error's kind, the job's record and its chain; the pipeline only carries it out.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from homa_shared.backoff import Backoff
from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.model.constants import BULK_SLACK_MS, SLACK_MS
from homa_shared.model.records import Lane, State
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.next_target import NextTarget
from homa_workers.outcomes.outcomes import Deferred, Ended, Outcome, Rerouted

#: Pauses before another try at the same target.
BACKOFF = Backoff(first_s=0.5, longest_s=60.0)
#: How long an account's breaker stays open where the provider named no time, ms.
ACCOUNT_COOL_MS = 60_000
#: Longest time that a provider's word keeps a breaker open or a job from its next try, ms: it may be a slip.
LONGEST_WAIT_MS = 3_600_000
#: Refusals for want of quota without a time to wait that cost a job no attempt; each further one counts.
FREE_REFUSALS = 100


@dataclass(frozen=True, slots=True)
class RetryRule:
    """One row of the table."""

    #: Try again at the same target.
    again: bool
    #: Go on to the next target when the same one is not tried again (or has been tried enough).
    next: bool
    #: What breakers learn: good, bad, account, model or nothing.
    health: str = ""
    #: Whether the attempt uses up attempt budget.
    counts: bool = True
    #: Most tries of a job after which the same target is still asked again; None: its attempt budget alone says.
    most_tries: int | None = None


RULES: dict[ErrorKind, RetryRule] = {
    ErrorKind.RATE_LIMITED: RetryRule(again=True, next=True, counts=False),
    ErrorKind.QUOTA_EXHAUSTED: RetryRule(again=False, next=True, health="account"),
    ErrorKind.UNAUTHORIZED: RetryRule(again=False, next=True, health="account"),
    ErrorKind.MODEL_NOT_FOUND: RetryRule(again=False, next=True, health="model"),
    ErrorKind.NOT_FOUND: RetryRule(again=False, next=True),
    ErrorKind.OVERLOADED: RetryRule(again=True, next=True, health="bad"),
    ErrorKind.UNREACHABLE: RetryRule(again=True, next=True, health="bad"),
    ErrorKind.AMBIGUOUS: RetryRule(again=True, next=True, health="bad"),
    ErrorKind.CONFLICT: RetryRule(again=True, next=True),
    ErrorKind.INVALID_REQUEST: RetryRule(again=False, next=False, health="good"),
    # The request is sound, and another model may take it as it is.
    ErrorKind.UNSUPPORTED_BY_MODEL: RetryRule(again=False, next=True, health="good"),
    ErrorKind.CONTEXT_TOO_LONG: RetryRule(again=False, next=True, health="good"),
    ErrorKind.CONTENT_POLICY: RetryRule(again=False, next=False, health="good"),
    ErrorKind.MALFORMED: RetryRule(again=True, next=True, health="bad"),
    # It may have been paid for, and would be as large again.
    ErrorKind.REPLY_TOO_LARGE: RetryRule(again=False, next=True, health="good"),
    # Each is billed, and chance alone may mend it: once more, then another model.
    ErrorKind.UNUSABLE_REPLY: RetryRule(again=True, next=True, health="good", most_tries=1),
    ErrorKind.INTERNAL: RetryRule(again=False, next=False),
}

#: Tries at one target before the next one's turn, where there is a next one.
TRIES_PER_TARGET = 2


def backoff_ms(tries: int, draw: Callable[[], float] = random.random) -> int:
    """The pause before another try at the same target, ms."""
    return int(BACKOFF.pause_s(tries, draw) * 1000)


def decide(
    claim: Claim,
    error: ProviderError,
    next_target: Callable[[], NextTarget | None],
    *,
    switch: bool = True,
    draw: Callable[[], float] = random.random,
) -> Outcome:
    """What to do about an error.

    Args:
        claim: the attempt that met it.
        error: the classified error.
        next_target: the next one that can do the job, None where the chain ends; asked only when needed.
        switch: whether the job may go on elsewhere; not after text of this target has been delivered.
        draw: source of jitter, in [0, 1).
    """
    rule = RULES[error.kind]
    if claim.batch and (error.kind is ErrorKind.UNAUTHORIZED or _out_of_money(error, claim)):
        # Each further line would meet the same wall; they wait, until somebody mends it and resumes the batch.
        return Deferred(error, 0, counts=False, pause_batch=f"{claim.target}: {error}")
    if error.kind is ErrorKind.AMBIGUOUS and claim.on_ambiguous == "fail":
        return Ended(error, State.FAILED)
    counts = rule.counts or _refused_for_long(claim, error)
    if counts and claim.tries >= claim.max_attempts:
        return Ended(error, State.FAILED)
    elsewhere = switch and _may_leave(rule, error, claim) and claim.fallbacks_left > 0
    wait_ms = max(int((error.retry_after_s or 0) * 1000), 0)
    again = rule.again and (rule.most_tries is None or claim.tries <= rule.most_tries)
    if again and not (elsewhere and _moves_on(claim, wait_ms, counts=counts)):
        return Deferred(error, _pause(claim, wait_ms, draw, counts=counts), counts)
    if elsewhere and (following := next_target()) is not None:
        return Rerouted(error, following, counts)
    if again:
        return Deferred(error, _pause(claim, wait_ms, draw, counts=counts), counts)
    return Ended(error, State.FAILED)


def stay_in_pool(claim: Claim, error: ProviderError, members: int) -> Deferred | None:
    """Back to the pool at once, where another member may take the job; None where the table decides.

    That holds for a rate limit, whose scope is frozen by then (take sends the job on where every member stays blocked
    for longer than its slack), and for what is wrong with one account or model alone, whose breaker is open by then,
    until each member could have had its turn.

    Args:
        members: how many serve the job's queue; one where it is not a pool's.
    """
    if members < 2:
        return None
    rule = RULES[error.kind]
    if error.kind is ErrorKind.RATE_LIMITED and not _refused_for_long(claim, error):
        return Deferred(error, 0, rule.counts)
    if rule.health in ("account", "model") and claim.tries < min(members, claim.max_attempts):
        return Deferred(error, 0, rule.counts)
    return None


def _refused_for_long(claim: Claim, error: ProviderError) -> bool:
    """Whether a refusal counts: a provider that names no wait of use again and again refuses for another reason.

    Attempts that used up no try have a number all the same.
    """
    names_no_wait = error.kind is ErrorKind.RATE_LIMITED and not error.retry_after_s
    return names_no_wait and claim.attempt - claim.tries >= FREE_REFUSALS


def _moves_on(claim: Claim, wait_ms: int, *, counts: bool) -> bool:
    """Whether the next target's turn has come: the wait is more than the job's slack, or this one was tried enough."""
    return wait_ms > _slack_ms(claim) or (counts and claim.tries % TRIES_PER_TARGET == 0)


def _slack_ms(claim: Claim) -> int:
    """The wait that a job accepts before it goes on (slack_of in scripts/lib/divert_offer.lua)."""
    if claim.slack_ms is not None:
        return claim.slack_ms
    return BULK_SLACK_MS if claim.lane == Lane.BULK else SLACK_MS


def _may_leave(rule: RetryRule, error: ProviderError, claim: Claim) -> bool:
    """Another provider's policy may see it otherwise; whether to ask it is the job's to say."""
    return rule.next or (error.kind is ErrorKind.CONTENT_POLICY and claim.on_content_policy == "reroute")


def _out_of_money(error: ProviderError, claim: Claim) -> bool:
    return error.kind is ErrorKind.QUOTA_EXHAUSTED and not claim.fallbacks_left


def _pause(claim: Claim, wait_ms: int, draw: Callable[[], float], *, counts: bool) -> int:
    """A rate-limited job goes straight back to its group, where the frozen scope holds it; others back off."""
    if not counts:
        return 0
    return max(min(wait_ms, LONGEST_WAIT_MS), backoff_ms(claim.tries, draw))
