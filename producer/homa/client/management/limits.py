"""What is used of each quota, what is frozen, which breakers are open; how good estimates of tokens are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from homa.client.management.units import ms_of_span, seconds_of
from homa.client.management.wording import number, one_line, span
from homa.drivers.effects import Flow, ask
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.reads.fleet import LimitRow
from homa_shared.store.reads.token_error import Estimates, Learned, estimates


@dataclass(frozen=True, slots=True)
class LimitInfo:
    """One dimension of one scope, or one breaker."""

    #: An account (`openai`), or a model or model group of it (`openai/gpt-6-luna`).
    scope: str
    #: rpm, tpm, itpm, otpm, rpd, concurrency or breaker.
    dimension: str
    #: None where nothing limits it. Of a breaker: failures in a row that open it.
    limit: int | None
    #: Of a quota a minute: what has not been recovered yet. Of a breaker: failures in a row.
    used: int
    #: What may be reserved at once; None where nothing limits it.
    available: int | None
    #: 0 where it is not frozen.
    frozen_s: float
    #: Who froze it, and what the provider asked for; empty where it is not frozen.
    frozen_why: str
    #: Requests a second that adaptive mode allows now; None where a limit is configured.
    adaptive_rps: float | None
    #: Of a breaker: closed, open or half-open. Of a quota: that its bursts were made smaller; else empty.
    state: str
    #: Of a breaker: until a call may pass.
    wait_s: float
    #: Mean error of estimates of input tokens, as a part of them; None where nothing is known.
    estimate_error: float | None

    @classmethod
    def of(cls, row: LimitRow, error: float | None) -> LimitInfo:
        return cls(
            scope=row.scope,
            dimension=row.dimension,
            limit=row.limit,
            used=row.used,
            available=row.available,
            frozen_s=seconds_of(row.frozen_ms),
            frozen_why=row.frozen_why,
            adaptive_rps=row.adaptive_rate,
            state=row.state,
            wait_s=seconds_of(row.wait_ms),
            estimate_error=error,
        )

    @property
    def state_words(self) -> str:
        """What is out of the ordinary about it, for people."""
        if self.dimension == "breaker":
            return f"{self.state}, next call in {span(ms_of_span(self.wait_s))}" if self.wait_s else self.state
        if self.frozen_s:
            why = f": {self.frozen_why}" if self.frozen_why else ""
            return f"frozen for {span(ms_of_span(self.frozen_s))}{why}"
        return f"adaptive, {self.adaptive_rps:.1f} calls a second" if self.adaptive_rps is not None else self.state

    def __str__(self) -> str:
        of = f" of {number(self.limit)}" if self.limit is not None else ""
        return f"{self.scope} {self.dimension}: {one_line([f'{number(self.used)}{of} used', self.state_words])}"


@dataclass(frozen=True, slots=True)
class EstimateError:
    """How good the estimates of one target's input tokens are, as replies told."""

    target: str
    #: The scope whose quota they are reserved from.
    scope: str
    #: Mean error, as a part of the tokens that the provider counted; None where nothing is known.
    error: float | None
    #: What estimates are scaled by.
    factor: float
    replies: int
    estimated_tokens: int
    actual_tokens: int

    def __str__(self) -> str:
        off = "unknown" if self.error is None else f"±{self.error:.1%}"
        return f"{self.target}: {off} over {number(self.replies)} replies"


@dataclass(frozen=True, slots=True)
class Limits:
    """What is used of each limit; iterates over its rows."""

    rows: tuple[LimitInfo, ...]
    estimates: tuple[EstimateError, ...]
    #: Mean error of estimates by scope, also of scopes that nothing limits.
    scope_errors: tuple[tuple[str, float | None], ...] = ()

    def __iter__(self) -> Iterator[LimitInfo]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __str__(self) -> str:
        odd = [f"{row.scope} {row.state_words}" for row in self.rows if row.frozen_s or row.state == "open"]
        return one_line([f"{len(self.rows)} limits", *dict.fromkeys(odd)])


def limits(keys: Keys) -> Flow[Limits]:
    """What is used of each limit, and every breaker that ever counted."""
    rows = yield from ask(reads.limits(keys))
    known = yield from ask(estimates(keys))
    errors = _by_scope(known)
    return Limits(
        tuple(LimitInfo.of(row, errors.get(row.scope)) for row in rows),
        tuple(_error(one) for one in known),
        tuple(sorted(errors.items())),
    )


def _error(one: Estimates) -> EstimateError:
    learned = one.learned
    return EstimateError(
        one.target, one.scope, learned.error, learned.factor, learned.replies, learned.estimated, learned.actual
    )


def _by_scope(known: Sequence[Estimates]) -> dict[str, float | None]:
    """Mean error of the estimates of all models that share a scope."""
    sums: dict[str, Learned] = {}
    for one in known:
        if one.learned.error is not None:
            sums[one.scope] = sums.get(one.scope, Learned()) + one.learned
    return {scope: learned.error for scope, learned in sums.items()}
