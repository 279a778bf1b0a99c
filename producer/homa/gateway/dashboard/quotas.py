"""How much of each quota is used, reserved and idle, and why it is idle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from homa.client.management.limits import LimitInfo
from homa.gateway.dashboard import wording
from homa.gateway.dashboard.pulse import Look, is_open
from homa.gateway.dashboard.tally import Sums, Tally
from homa_shared.store.reads import Demand
from homa_shared.store.reads.in_flight import Reserved

#: Dimension -> what is counted, how a minute of it is called, and how it is read from sums and from reservations.
WORDS = {
    "rpm": "requests a minute",
    "tpm": "tokens a minute",
    "itpm": "input tokens a minute",
    "otpm": "output tokens a minute",
    "rpd": "requests a day",
    "concurrency": "calls at once",
}
#: Below this share a quota is used fully: what is left is smaller than the next reservation.
_FULL = 0.1
_MINUTE_MS = 60_000


@dataclass(frozen=True, slots=True)
class Quota:
    """One dimension of one scope; shares are parts of its limit."""

    scope: str
    dimension: str
    limit: int
    used: float
    reserved: float
    #: Why the rest is idle, in a sentence.
    why: str
    #: ok, warn or bad: whether that is how it should be.
    tone: str

    @property
    def idle(self) -> float:
        return max(0.0, 1 - self.used - self.reserved)

    @property
    def words(self) -> str:
        return WORDS.get(self.dimension, self.dimension)


def quotas(look: Look, tally: Tally) -> list[Quota]:
    """Of every limit that is configured, the fullest first within its scope."""
    rows = [row for row in look.limits if row.dimension != "breaker" and row.limit]
    sums, window_ms = tally.by_target(), tally.window_ms(look.now_ms)
    found = [_quota(row, look, sums, window_ms) for row in rows]
    return sorted(found, key=lambda quota: (quota.scope, -(quota.used + quota.reserved)))


def binding(found: list[Quota]) -> list[Quota]:
    """Of each scope the dimension that is used most; accounts whose models have limits of their own are left out."""
    first = {quota.scope: quota for quota in reversed(found)}
    models = {scope.partition("/")[0] for scope in first if "/" in scope}
    return [quota for scope, quota in sorted(first.items()) if "/" in scope or scope not in models]


def _quota(row: LimitInfo, look: Look, sums: Mapping[str, Sums], window_ms: int) -> Quota:
    limit = row.limit or 1
    if row.dimension == "concurrency":
        used, reserved = 0.0, row.used / limit
    elif row.dimension == "rpd":
        used, reserved = row.used / limit, 0.0
    else:
        amount = sum(_amount(row.dimension, each) for target, each in sums.items() if _in(target, row.scope))
        used = amount / (limit * window_ms / _MINUTE_MS)
        reserved = _reserved(row.dimension, look.reserved.get(row.scope)) / limit
    used = min(1.0, used)
    reserved = min(1.0 - used, reserved)
    why, tone = _why(row, look, 1 - used - reserved)
    return Quota(row.scope, row.dimension, limit, used, reserved, why, tone)


def _in(target: str, scope: str) -> bool:
    """Whether calls of a target count in a scope: an account, a model of it, or a group of models by a pattern."""
    provider, _, model = target.partition(":")
    account, slash, pattern = scope.partition("/")
    return provider == account and (not slash or fnmatchcase(model, pattern))


def _amount(dimension: str, sums: Sums) -> int:
    return {
        "rpm": sums.requests,
        "tpm": sums.input_tokens + sums.output_tokens,
        "itpm": sums.input_tokens,
        "otpm": sums.output_tokens,
    }.get(dimension, 0)


def _reserved(dimension: str, held: Reserved | None) -> int:
    if held is None:
        return 0
    named = {
        "rpm": held.calls,
        "tpm": held.total_tokens or held.input_tokens + held.output_tokens,
        "itpm": held.input_tokens,
        "otpm": held.output_tokens,
    }
    return named.get(dimension, 0)


def _why(row: LimitInfo, look: Look, idle: float) -> tuple[str, str]:
    if row.frozen_s:
        because = f": {row.frozen_why.rstrip('.')}" if row.frozen_why else ""
        return f"Frozen for {wording.took(row.frozen_s * 1000)} more{because}.", "bad"
    account = row.scope.partition("/")[0]
    for breaker in look.limits:
        if is_open(breaker) and breaker.scope in (account, row.scope.replace("/", ":", 1)):
            return f"Breaker {breaker.state}, next call in {wording.took(breaker.wait_s * 1000)}.", "warn"
    if idle < _FULL:
        return "What is left is smaller than what the next call reserves.", "ok"
    return _demanded([each for each in look.monitored.demands if _in(each.target, row.scope)], look, account)


def _demanded(demands: list[Demand], look: Look, account: str) -> tuple[str, str]:
    """Why nothing of what waits uses it."""
    if not demands:
        aside = sum(row.waiting + row.due for row in look.monitored.queues if row.queue == account)
        if aside:
            waits = "waits" if aside == 1 else "wait"
            return (
                f"{wording.jobs(aside)} of its queue {waits} for a time, a budget or a batch; nothing else asks.",
                "ok",
            )
        return "Nothing waits for it.", "ok"
    held = [each for each in demands if each.wait_ms]
    if held:
        first = min(held, key=lambda each: each.wait_ms)
        short = WORDS.get(first.why, first.why or "quota")
        return f"The next call waits {wording.took(first.wait_ms)} for {short}.", "warn"
    queue = demands[0].queue
    serving = [worker for worker in look.workers if queue in worker.queues]
    if not serving:
        return f"Jobs wait, and no live worker serves the queue {queue}.", "bad"
    if any(row.paused for row in look.monitored.queues if row.queue == queue):
        return f"Jobs wait, and the queue {queue} is paused.", "warn"
    if all((worker.running or 0) >= (worker.concurrency or 1) for worker in serving):
        return f"Jobs wait, and all slots of its {len(serving)} workers are busy: start another one.", "warn"
    return "Jobs are being taken now.", "ok"
