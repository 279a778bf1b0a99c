"""Quota of each account and model: what is reserved at receipt, what is settled at the end.

How tokens are counted against quota is the provider's own rule, its `Accounting`:

| accounting | at receipt | at the end |
|---|---|---|
| `MAX_THEN_ACTUAL` (OpenAI) | max(output cap, prompt) | what was used |
| `SUM_NO_REFUND` (Azure) | prompt + output cap | nothing comes back |
| `SUM_THEN_ACTUAL` (Bedrock) | prompt + output cap | what was used |
| `SPLIT` (Anthropic, and input_tpm/output_tpm anywhere) | prompt without cache reads; output not in debt | output |
| `INPUT_ONLY` (Gemini) | prompt | – |
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from enum import Enum
from fnmatch import fnmatchcase

from homa_shared.calls.reply import Usage
from homa_workers.simulator.buckets import CalendarWindow, Clock, DayWindow, TokenBucket
from homa_workers.simulator.config import Limits, SimulatorConfig
from homa_workers.simulator.wire import Failure, FailureKind, Prompt


class Accounting(Enum):
    MAX_THEN_ACTUAL = "max_then_actual"
    SUM_NO_REFUND = "sum_no_refund"
    SUM_THEN_ACTUAL = "sum_then_actual"
    SPLIT = "split"
    INPUT_ONLY = "input_only"


#: Accountings whose reservation is replaced by what was used.
_SETTLED_BY_USE = frozenset({Accounting.MAX_THEN_ACTUAL, Accounting.SUM_THEN_ACTUAL, Accounting.SPLIT})
#: Smallest amount asked of a bucket that only must not be in debt.
_ANY = 1.0


@dataclass(frozen=True, slots=True)
class Level:
    """A bucket as rate limit headers show it."""

    limit: int
    remaining: int
    reset_s: float


@dataclass(slots=True)
class Scope:
    """One account and model: its buckets, and what is in flight."""

    name: str
    limits: Limits
    buckets: dict[str, TokenBucket]
    #: The limit of each bucket per its own unit of time, as people write it.
    stated: dict[str, float]
    day: DayWindow | None
    in_flight: int = 0
    #: Requests in flight at most, since the start.
    peak: int = 0


@dataclass(slots=True)
class Ticket:
    """An admitted request's hold on its scope; `settle` ends it, once."""

    scope: Scope
    taken: dict[str, float]
    accounting: Accounting
    settled: bool = field(default=False)


class LimitTable:
    """All scopes, made when first asked for."""

    def __init__(self, config: SimulatorConfig, clock: Clock, epoch: Clock = time.time) -> None:
        self._clock = clock
        self._epoch = epoch
        self._scopes: dict[str, Scope] = {}
        self.configure(config)

    def configure(self, config: SimulatorConfig) -> None:
        """Use these limits from now on; scopes whose limits changed start with full buckets, their flights go on."""
        self._config = config
        for scope in self._scopes.values():
            fresh = self._make(scope.name)
            if (fresh.limits, fresh.stated, _capacities(fresh)) != (scope.limits, scope.stated, _capacities(scope)):
                scope.limits, scope.buckets, scope.stated, scope.day = (
                    fresh.limits,
                    fresh.buckets,
                    fresh.stated,
                    fresh.day,
                )

    def scope(self, account: str, model: str) -> Scope:
        name = f"{account}/{model}"
        scope = self._scopes.get(name)
        if scope is None:
            scope = self._scopes[name] = self._make(name)
        return scope

    def admit(self, account: str, prompt: Prompt, accounting: Accounting, cached_tokens: int) -> Ticket | Failure:
        """Reserve quota for a call, all dimensions or none."""
        scope = self.scope(account, prompt.model)
        needs = _needs(prompt, accounting, cached_tokens)
        now_s = self._clock()
        failure = self._refusal(scope, needs, now_s)
        if failure is not None:
            self._punish(scope)
            return failure
        for dimension, bucket in scope.buckets.items():
            bucket.take(needs[dimension], now_s)
        if scope.day is not None:
            scope.day.take(1, self._epoch())
        scope.in_flight += 1
        scope.peak = max(scope.peak, scope.in_flight)
        return Ticket(scope, needs, accounting)

    def count_refused(self, account: str, model: str) -> None:
        """A request that is refused whatever the limits say, such as one with an unknown parameter."""
        scope = self.scope(account, model)
        self._punish(scope)
        if scope.day is not None and self._config.failed_requests_count:
            scope.day.take(1, self._epoch())

    def _punish(self, scope: Scope) -> None:
        """What a refused request uses up, where refusals do."""
        if not self._config.failed_requests_count:
            return
        for dimension in ("requests", "requests_per_second"):
            if dimension in scope.buckets:
                scope.buckets[dimension].punish(1, self._clock())

    def settle(self, ticket: Ticket, usage: Usage | None) -> None:
        """End a request.

        Args:
            ticket: what `admit` gave; a second call does nothing.
            usage: what it used; None where it failed before any work.
        """
        if ticket.settled:
            return
        ticket.settled = True
        scope = ticket.scope
        scope.in_flight -= 1
        if usage is None:
            self._settle_failed(ticket)
            return
        now_s = self._clock()
        if "tokens" in scope.buckets and ticket.accounting in _SETTLED_BY_USE:
            scope.buckets["tokens"].take(usage.input_tokens + usage.output_tokens - ticket.taken["tokens"], now_s)
        if "output_tokens" in scope.buckets:
            scope.buckets["output_tokens"].take(usage.output_tokens - ticket.taken["output_tokens"], now_s)

    def levels(self, scope: Scope) -> dict[str, Level]:
        """Where each bucket stands, for headers."""
        now_s = self._clock()
        return {
            dimension: Level(int(scope.stated[dimension]), max(0, int(bucket.level(now_s))), bucket.full_in_s(now_s))
            for dimension, bucket in scope.buckets.items()
            if dimension != "requests_per_second"
        }

    def peaks(self) -> dict[str, int]:
        return {name: scope.peak for name, scope in self._scopes.items()}

    def _settle_failed(self, ticket: Ticket) -> None:
        counts = self._config.failed_requests_count
        now_s = self._clock()
        for dimension, bucket in ticket.scope.buckets.items():
            if not (counts and dimension.startswith("requests")):
                bucket.take(-ticket.taken[dimension], now_s)
        if ticket.scope.day is not None and not counts:
            ticket.scope.day.take(-1, self._epoch())

    def _refusal(self, scope: Scope, needs: dict[str, float], now_s: float) -> Failure | None:
        limits = scope.limits
        if limits.concurrency is not None and scope.in_flight >= limits.concurrency:
            return _refused(scope, "concurrency", limits.concurrency, scope.in_flight, 1, 1.0)
        if scope.day is not None and (wait_s := scope.day.wait_s(self._epoch())):
            return _refused(scope, "requests_per_day", scope.day.limit, scope.day.limit, 1, wait_s)
        worst: tuple[float, str] = (0.0, "")
        for dimension, bucket in scope.buckets.items():
            needed = needs[dimension]
            if needed > scope.stated[dimension] and dimension.endswith("tokens"):
                return Failure(
                    FailureKind.RATE_LIMITED,
                    f"Request too large for {scope.name} on {_WORDS[dimension]}: Limit {scope.stated[dimension]:g}, "
                    f"Requested {needed:g}. The input or output tokens must be reduced in order to run successfully.",
                    dimension,
                )
            worst = max(worst, (bucket.wait_s(max(needed, _ANY), now_s), dimension))
        wait_s, dimension = worst
        if not wait_s:
            return None
        limit = scope.stated[dimension]
        used = limit - max(0.0, scope.buckets[dimension].level(now_s))
        return _refused(scope, dimension, limit, used, needs[dimension], wait_s)

    def _make(self, name: str) -> Scope:
        limits = self._limits(name)
        now_s, burst_s = self._clock(), self._config.burst_s
        buckets: dict[str, TokenBucket] = {}
        stated: dict[str, float] = {}
        for dimension, per_minute in (
            ("requests", limits.rpm),
            ("tokens", limits.tpm),
            ("input_tokens", limits.input_tpm),
            ("output_tokens", limits.output_tpm),
        ):
            if per_minute is not None:
                rate_per_s = per_minute / 60
                buckets[dimension] = (
                    CalendarWindow(rate_per_s, self._config.window_s, now_s)
                    if self._config.window_s
                    else TokenBucket(rate_per_s, max(1.0, rate_per_s * burst_s), now_s)
                )
                stated[dimension] = per_minute
        if limits.rps is not None:
            buckets["requests_per_second"] = TokenBucket(limits.rps, max(1.0, limits.rps), now_s)
            stated["requests_per_second"] = limits.rps
        day = DayWindow(limits.rpd, self._epoch()) if limits.rpd is not None else None
        return Scope(name, limits, buckets, stated, day)

    def _limits(self, name: str) -> Limits:
        for pattern, limits in self._config.limits_by_scope.items():
            if fnmatchcase(name, pattern):
                return limits
        return self._config.limits


_WORDS = {
    "requests": "requests per min (RPM)",
    "requests_per_second": "requests per second (RPS)",
    "requests_per_day": "requests per day (RPD)",
    "tokens": "tokens per min (TPM)",
    "input_tokens": "input tokens per min (ITPM)",
    "output_tokens": "output tokens per min (OTPM)",
    "concurrency": "concurrent requests",
}


def _capacities(scope: Scope) -> dict[str, tuple[type[TokenBucket], float]]:
    return {dimension: (type(bucket), bucket.capacity) for dimension, bucket in scope.buckets.items()}


def _needs(prompt: Prompt, accounting: Accounting, cached_tokens: int) -> dict[str, float]:
    cap = (prompt.max_tokens or 0) * prompt.choices
    match accounting:
        case Accounting.MAX_THEN_ACTUAL:
            tokens = max(cap, prompt.prompt_tokens)
        case Accounting.SUM_NO_REFUND | Accounting.SUM_THEN_ACTUAL:
            tokens = prompt.prompt_tokens + cap
        case _:
            tokens = prompt.prompt_tokens
    uncached = prompt.prompt_tokens - (cached_tokens if accounting is Accounting.SPLIT else 0)
    return {"requests": 1, "requests_per_second": 1, "tokens": tokens, "input_tokens": uncached, "output_tokens": 0}


def _refused(scope: Scope, dimension: str, limit: float, used: float, needed: float, wait_s: float) -> Failure:
    message = (
        f"Rate limit reached for {scope.name} on {_WORDS[dimension]}: Limit {limit:g}, Used {used:.0f}, "
        f"Requested {needed:g}. Please try again in {wait_s:.3f}s."
    )
    return Failure(FailureKind.RATE_LIMITED, message, dimension, wait_s)
