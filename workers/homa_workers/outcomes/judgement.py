"""What comes of a call: whether its reply is the job's, and what an error means for the job."""

from __future__ import annotations

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Completion
from homa_shared.model.records import State
from homa_workers.attempt import RunningAttempt
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.fleet.next_target import next_target
from homa_workers.outcomes.outcomes import Declined, Deferred, Ended, Interrupted, Outcome, Succeeded
from homa_workers.outcomes.retry_policy import decide, stay_in_pool


def accept_or_decline(attempt: RunningAttempt, outcome: Succeeded) -> Succeeded:
    """A reply, unless a content policy speaks in it and the job would rather hear the next target.

    Raises:
        Declined: it would, there is one, and nobody has read the beginning.
    """
    claim, completion = attempt.claim, outcome.completion
    was_read = attempt.request.stream and completion.text
    may_leave = claim.on_content_policy == "reroute" and claim.fallbacks_left and not was_read
    if may_leave and is_refusal(completion):
        raise Declined(completion)
    return outcome


def is_refusal(completion: Completion) -> bool:
    """Whether the model declined to answer: asking again would not help."""
    choice = (completion.body.get("choices") or [{}])[0]
    return bool((choice.get("message") or {}).get("refusal")) or completion.finish_reason == "content_filter"


def judge(attempt: RunningAttempt, error: ProviderError, book: FleetBook) -> Outcome:
    """What an error means for the job; targets that are passed over are noted with the attempt."""
    if isinstance(error, Interrupted):
        return _end_or_leave(attempt, error)
    claim, request = attempt.claim, attempt.request
    # Somebody may have read the beginning: another model's words must not follow it.
    begun = bool(error.partial_text) and request.stream
    stays = None if begun else stay_in_pool(claim, error, book.members(claim.queue))
    if stays is not None:
        return stays
    wider = error.kind is ErrorKind.CONTEXT_TOO_LONG
    skipped: list[tuple[str, str]] = []
    attempt.skipped = skipped
    return decide(
        claim, error, lambda: next_target(book, claim, request, wider=wider, skipped=skipped), switch=not begun
    )


def _end_or_leave(attempt: RunningAttempt, error: Interrupted) -> Outcome:
    if error.why == "cancelled":
        return Ended(error, State.CANCELLED)
    if error.why == "expired":
        return Ended(error, State.EXPIRED)
    # The worker stops at once. The call may have been made: only a job that may be called twice goes on elsewhere.
    if attempt.claim.on_ambiguous == "fail":
        return Ended(error, State.FAILED)
    return Deferred(error, 0, counts=False)
