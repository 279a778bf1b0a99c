"""What the demo measured, and whether each promise held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from homa_shared.model.money import usd

#: Quota use is taken over the time in which this share of the calls came: the tail waits for the slowest of them.
_BUSY_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Balance:
    """One provider's ledger against its bill, nano-dollars."""

    provider: str
    calls: int
    known: int
    unresolved: int
    bill: int

    @property
    def holds(self) -> bool:
        """known <= bill <= known + unresolved; equal where nothing is unresolved."""
        return self.known <= self.bill <= self.known + self.unresolved


@dataclass(frozen=True, slots=True)
class QuotaUse:
    """How one model's quota was used."""

    scope: str
    rpm: int
    #: Calls a minute that the provider admitted while work waited.
    used_rpm: float


@dataclass(frozen=True, slots=True)
class PromiseCheck:
    """One promise put to the test."""

    name: str
    held: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything that the report tells."""

    documents: int
    succeeded: int
    failed: int
    #: Results by document: more or less than one each is a broken promise.
    results: Counter[str]
    #: Times that each fault struck, as the simulator counted.
    faults: dict[str, int]
    retried: int
    rerouted: int
    #: Jobs that another worker took over from the killed one.
    recovered: int
    rate_limited: int
    calls: int
    unresolved_attempts: int
    balances: Sequence[Balance]
    quotas: Sequence[QuotaUse]
    #: What the store's books say does not add up.
    book_errors: Sequence[str]
    seconds: float

    @property
    def checks(self) -> list[PromiseCheck]:
        """The promises, in the order of the design."""
        once = sum(count == 1 for count in self.results.values())
        return [
            PromiseCheck(
                "nothing is lost",
                once == self.documents and len(self.results) == self.documents and not self.book_errors,
                f"{once} of {self.documents} documents have exactly one result"
                + "".join(f"; {error}" for error in self.book_errors),
            ),
            PromiseCheck("a killed worker's jobs go on", self.recovered > 0, f"{self.recovered} jobs were taken over"),
            *(
                PromiseCheck(
                    f"nothing is paid unseen at {b.provider}",
                    b.holds,
                    f"known ${usd(b.known)} {'≤' if b.unresolved else '='} bill ${usd(b.bill)}"
                    + (f" ≤ known + unresolved ${usd(b.known + b.unresolved)}" if b.unresolved else ""),
                )
                for b in self.balances
            ),
            PromiseCheck(
                "never over the limit", not self.rate_limited, f"{self.rate_limited} of {self.calls} calls met a 429"
            ),
        ]

    @property
    def held(self) -> bool:
        return all(check.held for check in self.checks)

    def document(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "ok": self.held,
            "documents": self.documents,
            "succeeded": self.succeeded,
            "failed": self.failed,
            "results": self.results.total(),
            "calls": self.calls,
            "faults": self.faults,
            "retried": self.retried,
            "rerouted": self.rerouted,
            "recovered": self.recovered,
            "rate_limited": self.rate_limited,
            "unresolved_attempts": self.unresolved_attempts,
            "providers": [
                {
                    "provider": b.provider,
                    "calls": b.calls,
                    "known_usd": usd(b.known),
                    "unresolved_usd": usd(b.unresolved),
                    "bill_usd": usd(b.bill),
                    "ok": b.holds,
                }
                for b in self.balances
            ],
            "quotas": [{"scope": q.scope, "rpm": q.rpm, "used_rpm": round(q.used_rpm, 1)} for q in self.quotas],
            "checks": [{"check": check.name, "ok": check.held, "detail": check.detail} for check in self.checks],
            "seconds": round(self.seconds, 1),
        }


def quota_use(scope: str, rpm: int, seconds: Iterable[tuple[int, int, int, int]]) -> QuotaUse:
    """Use of one quota while work waited.

    Args:
        seconds: the simulator's count a second: second since 1970, received, admitted, tokens.
    """
    admitted = [(second, count) for second, _, count, _ in sorted(seconds)]
    wanted = _BUSY_SHARE * sum(count for _, count in admitted)
    busy: list[tuple[int, int]] = []
    for second in admitted:
        busy.append(second)
        if sum(count for _, count in busy) >= wanted:
            break
    # The first second has the burst, and like the last it is not a whole one.
    whole = busy[1:-1] or busy
    span_s = whole[-1][0] - whole[0][0] + 1 if whole else 1
    return QuotaUse(scope, rpm, sum(count for _, count in whole) * 60 / span_s)
