"""What the store tells monitoring: all of it in as many commands for a million jobs as for none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call
from homa_shared.store.reads.fleet import QueueRow, queue_rows


@dataclass(frozen=True, slots=True)
class Demand:
    """A model that jobs of a lane wait for, as one provider serves it."""

    queue: str
    lane: str
    provider: str
    #: `provider:model`.
    target: str
    #: Until its next call may leave, ms; 0 is now.
    wait_ms: int
    #: What stands in its way: a limit's name, concurrency, frozen or breaker; empty for nothing.
    why: str
    #: How much of a second's quota one call takes, s; None where no quota limits it.
    quota_s: float | None
    #: Whose quota that is: models of a group share one.
    scope: str


@dataclass(frozen=True, slots=True)
class BudgetSum:
    """A budget that counts for everybody, in its present period; nano-dollars."""

    name: str
    cap: int
    spent: int
    unresolved: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Monitored:
    """One look at queues, counters, cache and budgets."""

    #: The store's clock, ms.
    now_ms: int
    queues: list[QueueRow]
    #: By queue and lane: when the oldest of the jobs that head a backlog was submitted, ms.
    oldest_ms: Mapping[tuple[str, str], int]
    demands: list[Demand]
    #: Jobs since the store was made: submitted, and those that ended, by state; `live` ones now.
    counters: Mapping[str, int]
    cache: Mapping[str, int]
    cache_entries: int
    vectors: int
    #: Attempts whose cost nobody knows yet.
    unresolved: int
    budgets: list[BudgetSum]


@dataclass(frozen=True, slots=True)
class RecentEnds:
    """Jobs that ended without an answer within a time. Of very many the latest 500 stand for all."""

    failed: int
    expired: int
    cancelled: int

    @classmethod
    def of(cls, failed: int, expired: int, cancelled: int, total: int) -> RecentEnds:
        """The counts of those that were looked at, as shares of all."""
        looked = failed + expired + cancelled
        share = total / looked if looked and total > looked else 1
        return cls(round(failed * share), round(expired * share), round(cancelled * share))


def recent_ends(keys: Keys, within_ms: int) -> Op[RecentEnds]:
    """How many jobs failed, expired or were cancelled within the last so many milliseconds."""
    return call(keys, "recent_ends", (within_ms,), lambda answer: RecentEnds.of(*map(int, answer)))


def monitored(keys: Keys) -> Op[Monitored]:
    """Everything that monitoring asks of jobs, in one script."""
    return call(keys, "metrics", (), _parse)


def _parse(answer: Any) -> Monitored:
    told = orjson.loads(answer)
    queues, oldest = [], {}
    for name, flat, lanes in _rows(told["queues"]):
        queues += queue_rows(name, _texts(flat))
        oldest.update({(name, lane): int(at_ms) for lane, at_ms in _rows(lanes)})
    return Monitored(
        now_ms=int(told["now"]),
        queues=queues,
        oldest_ms=oldest,
        demands=[_demand(*row) for row in _rows(told["demands"])],
        counters=_numbers(told["counters"]),
        cache=_numbers(told["cache"]),
        cache_entries=int(told["cache_entries"]),
        vectors=int(told["vectors"]),
        unresolved=int(told["unresolved"]),
        budgets=[BudgetSum(name, *map(int, amounts)) for name, *amounts in _rows(told["budgets"])],
    )


def _demand(
    queue: str, lane: str, provider: str, target: str, wait_ms: str, why: str, quota_s: float | None, scope: str
) -> Demand:
    return Demand(queue, lane, provider, target, int(wait_ms), why, quota_s, scope)


def _rows(table: Any) -> list[Any]:
    """A list of the script's; Lua has one kind of table, which is written as an object where it is empty."""
    return table if isinstance(table, list) else []


def _texts(flat: Any) -> dict[str, str]:
    items = _rows(flat)
    return dict(zip(items[::2], items[1::2], strict=True))


def _numbers(flat: Any) -> dict[str, int]:
    return {name: int(value) for name, value in _texts(flat).items() if value.lstrip("-").isdigit()}
