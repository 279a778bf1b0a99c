"""What an attempt's replies cost."""

from __future__ import annotations

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Completion, Usage
from homa_shared.model.json_safe import valid_text
from homa_shared.store.transitions.attempts import Claim
from homa_workers.attempt import RunningAttempt, Spent
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.outcomes.outcomes import Outcome, Succeeded, paid_usage


def known_price(book: FleetBook, log: WorkerLog, claim: Claim, completion: Completion) -> int | None:
    """Nano-dollars of a reply; None for unpriced. A price that cannot be found must not lose the reply."""
    if not completion.metered:
        return None
    try:
        return book.price(claim.target, completion)
    except Exception as error:
        log.defect(error, claim)
        return None


def last_price(book: FleetBook, log: WorkerLog, attempt: RunningAttempt, outcome: Outcome) -> int | None:
    """Nano-dollars of an attempt's last reply, be it good or not; 0 where nothing was called for it."""
    if isinstance(outcome, Succeeded) and not outcome.called:
        return 0
    usage = paid_usage(outcome)
    if usage is None:
        return None
    body = outcome.completion.body if isinstance(outcome, Succeeded) else {}
    return known_price(book, log, attempt.claim, Completion(body, usage))


def least_price(book: FleetBook, log: WorkerLog, claim: Claim, error: ProviderError) -> int:
    """Nano-dollars that a reply which broke off has certainly cost, where nobody told its usage."""
    if error.usage is not None or not error.partial_text:
        return 0
    # Four bytes a token, rounded up: what was delivered has certainly been written.
    seen = Usage(output_tokens=-(-len(valid_text(error.partial_text).encode()) // 4))
    return known_price(book, log, claim, Completion({}, seen)) or 0


def all_spent(attempt: RunningAttempt, outcome: Outcome, nano: int | None) -> Spent:
    """What the attempt's replies come to, its steps and the last one.

    Args:
        nano: what the last one cost.
    """
    before, usage = attempt.steps.spent, paid_usage(outcome)
    if usage is None and isinstance(outcome, Succeeded) and outcome.called:
        return before.and_reply(Usage(), None)
    return before if usage is None else before.and_reply(usage, nano)
