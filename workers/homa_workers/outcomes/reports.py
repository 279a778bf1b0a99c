"""What a worker writes about an attempt: the report to the store's scripts, the reply or error that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import orjson

from homa_shared.calls.failures import Charge, ErrorKind, NotSent, ProviderError
from homa_shared.calls.reply import Completion, Usage
from homa_shared.model.json_safe import compact_json, sound_json
from homa_shared.model.pools import alias_of
from homa_shared.model.tokens import NO_TOKENS, NOTHING_USED, QuotaUse
from homa_shared.quota.plan import Reservation, TargetPlan, settlement
from homa_shared.store.transitions.attempts import Claim, Report
from homa_workers.attempt import RunningAttempt
from homa_workers.outcomes.outcomes import Interrupted, Recalled, name_of
from homa_workers.outcomes.retry_policy import ACCOUNT_COOL_MS, LONGEST_WAIT_MS, RULES

#: Shortest time that a breaker opens for, ms.
_LEAST_COOL_MS = 1000
#: Kinds that are refused before anything is sent: what was reserved is free again.
_UNSENT = frozenset({ErrorKind.UNREACHABLE})


def of_success(
    claim: Claim,
    completion: Completion,
    nano: int | None,
    plan: TargetPlan | None,
    *,
    worker: str = "",
    refused: int = 0,
) -> Report:
    """The report of a good reply. One without usage leaves its cost open at the bound.

    Args:
        worker: whose call it was: another one may have made one under the same number, where the store forgot.
        refused: requests of the call before its last one, each of which counts in the quota.
    """
    usage = completion.usage
    if not completion.metered:
        return Report(
            "succeeded",
            Charge.UNRESOLVED,
            bound=claim.bound,
            used=_requests(1 + refused),
            health="good",
            note=_note(completion.request_id),
            partial=completion.breaks_off,
            by=_by(claim),
            worker=worker,
            target=claim.target,
        )
    quota = completion.quota
    return Report(
        "succeeded",
        Charge.ACTUAL,
        nano=nano,
        input=usage.input_tokens,
        output=usage.output_tokens,
        cached=usage.cached_tokens,
        written=usage.cache_write_tokens,
        terms="+".join(usage.terms),
        fees=dict(usage.fees),
        used=_used(claim, usage, plan, 1 + refused),
        health="good",
        limits=(quota.limit_requests or 0, quota.limit_tokens or 0) if quota else None,
        partial=completion.breaks_off,
        by=_by(claim),
        worker=worker,
        target=claim.target,
    )


def of_recall(
    claim: Claim, completion: Completion, *, after_calls: bool = False, answered: bool = False, worker: str = ""
) -> Report:
    """The report of an answer that no call was left to be made for: whatever was reserved is free again.

    Args:
        after_calls: whether the attempt made calls before, which have reports of their own.
        answered: whether a middleware made it.
    """
    outcome = "answered" if answered else "succeeded" if after_calls else "cached"
    partial, by = completion.breaks_off, _by(claim)
    return Report(outcome, nano=0, used=NOTHING_USED, partial=partial, by=by, worker=worker, target=claim.target)


def of_error(
    claim: Claim,
    error: ProviderError,
    nano: int | None,
    latency_ms: int,
    *,
    floor: int = 0,
    worker: str = "",
    refused: int = 0,
) -> Report:
    """The report of an attempt without a good reply.

    Args:
        nano: what the reply cost whose usage the error tells; None for unpriced.
        floor: nano-dollars that what was delivered has certainly cost.
        worker, refused: as for `of_success`.
    """
    usage = error.usage or Usage()
    rate_limited = error.kind is ErrorKind.RATE_LIMITED
    # What this side cut or did not send says nothing about the provider.
    health = "" if isinstance(error, Interrupted | NotSent) else _health(error)
    return Report(
        name_of(error),
        error.charge,
        nano=nano,
        floor=floor,
        input=usage.input_tokens,
        output=usage.output_tokens,
        cached=usage.cached_tokens,
        written=usage.cache_write_tokens,
        terms="+".join(usage.terms),
        fees=dict(usage.fees),
        used=QuotaUse(refused, NO_TOKENS) if _was_unsent(error) else _requests(1 + refused),
        health=health,
        cool_ms=_cool_ms(error) if health in ("account", "model", "resource") else None,
        freeze_ms=(-1 if error.retry_after_s is None else int(error.retry_after_s * 1000)) if rate_limited else None,
        note=sound_json(
            {"error": error.message[:500], "status": error.status, "code": error.code, "request_id": error.request_id}
            | {"latency_ms": latency_ms}
        ).decode(),
        by=_by(claim),
        worker=worker,
        target=claim.target,
    )


def noting(report: Report, parameter_notes: Sequence[str]) -> Report:
    """A report that tells the job's history what was changed about an attempt's parameters."""
    if not parameter_notes:
        return report
    note = orjson.loads(report.note) if report.note else {}
    return replace(report, note=orjson.dumps({**note, "parameters": list(parameter_notes)}).decode())


def _health(error: ProviderError) -> str:
    """What breakers learn; a 403 without a code says that a model or a resource is refused, as often as an account."""
    if error.kind is ErrorKind.UNAUTHORIZED and error.status == 403 and error.code is None:
        return "resource"
    return RULES[error.kind].health


def _was_unsent(error: ProviderError) -> bool:
    """Whether nothing was sent: what was reserved is free again. This side's own halts say so by their charge."""
    if isinstance(error, Interrupted):
        return error.charge is Charge.NONE
    return error.kind in _UNSENT or isinstance(error, NotSent)


def _by(claim: Claim) -> str:
    """The provider called, where the job waited for a pool."""
    return claim.target.partition(":")[0] if alias_of(claim.queue) is not None else ""


def reply_json(
    attempt: RunningAttempt, completion: Completion, nano: int | None, recalled: Recalled | None = None
) -> bytes:
    """A reply as the store keeps it and results files show it; tokens and cost are those of all its calls.

    Args:
        nano: what the last call cost; None for unpriced.
    """
    claim, steps, usage = attempt.claim, attempt.steps, completion.usage
    provider, _, model = (attempt.answered_at or claim.target).partition(":")
    if steps.count:
        usage, nano = steps.usage + usage, nano if steps.spent.nano is not None else None
    called = recalled is None or recalled.called
    found: dict[str, Any] = {"cached_inputs": recalled.texts} if recalled is not None and recalled.texts else {}
    if attempt.parameter_notes:
        found["notes"] = list(attempt.parameter_notes)
    if attempt.before_answer:
        found["before"] = list(attempt.before_answer)
    return compact_json(
        {
            "body": completion.body,
            "provider": provider,
            "model": model,
            "attempt": claim.attempt,
            "attempts": claim.tries - (not called and not steps.own),
            "steps": steps.count - steps.refused + called,
            "cost_nano": nano,
            "prior_nano": claim.cost,
            "usage": usage.counts(),
            "request_id": completion.request_id,
            "custom_id": claim.custom_id or None,
            "latency_ms": attempt.latency_ms,
            "queued_ms": claim.waited_ms,
        }
        | found
        | _beside(usage)
    )


def _beside(usage: Usage) -> dict[str, Any]:
    """What a bill says beside tokens, where it says anything."""
    found: dict[str, Any] = {"terms": "+".join(usage.terms)} if usage.terms else {}
    return found | ({"fees": dict(usage.fees)} if usage.fees else {})


def error_json(attempt: RunningAttempt, error: ProviderError) -> bytes:
    """The end of a job without a reply, for people."""
    claim = attempt.claim
    provider, _, model = claim.target.partition(":")
    fields: dict[str, Any] = {
        "error": {"kind": name_of(error), "message": error.message, "status": error.status, "code": error.code},
        "provider": provider,
        "model": model,
        "attempts": claim.tries,
        "request_id": error.request_id,
        "custom_id": claim.custom_id or None,
        "latency_ms": attempt.latency_ms,
        "queued_ms": claim.waited_ms,
    }
    # A reply that was paid for is kept for whoever looks, though it is not an answer.
    if (body := getattr(error, "body", None)) is not None:
        fields["body"] = body
    return sound_json(fields)


def _used(claim: Claim, usage: Usage, plan: TargetPlan | None, requests: int) -> QuotaUse | None:
    """What the call really took from the quota; None where it is what was reserved, or no token limit asks."""
    if plan is None or not any(claim.tokens):
        return _requests(requests)
    return QuotaUse(requests, settlement(plan, usage, Reservation(1, *claim.tokens)).tokens)


def _requests(count: int) -> QuotaUse | None:
    """What a call took whose tokens stand as they were reserved; None for one request, which was reserved, too."""
    return None if count == 1 else QuotaUse(count)


def _cool_ms(error: ProviderError) -> int:
    """How long a breaker opens; at its end one call is tried, so that a wait of no use stops nobody for long."""
    asked_ms = int(error.retry_after_s * 1000) if error.retry_after_s else ACCOUNT_COOL_MS
    return max(_LEAST_COOL_MS, min(asked_ms, LONGEST_WAIT_MS))


def _note(request_id: str | None) -> str:
    return orjson.dumps({"request_id": request_id, "error": "the reply had no usage"}).decode()
