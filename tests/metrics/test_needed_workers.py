"""How many workers are needed: min(backlog, quota × latency) ÷ concurrency, and its edges."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from homa_shared.metrics.needed_workers import LONG_MS, USUAL_CALL_S, USUAL_SLOTS, Load, loads, needed_workers
from homa_shared.store.reads import Demand, LimitRow, Monitored, QueueRow, WorkerRow

USUAL = {"queued": 0, "running": 0, "calls_a_s": inf, "at_once": None, "call_s": 2.0, "slots": 10}


@pytest.mark.parametrize(
    ("load", "needed"),
    [
        ({}, 0),
        ({"queued": 1}, 1),
        ({"queued": 100}, 10),
        ({"queued": 101}, 11),
        ({"queued": 1_000_000, "calls_a_s": 10.0}, 2),
        ({"queued": 5, "calls_a_s": 1000.0}, 1),
        ({"queued": 1_000_000, "at_once": 15}, 2),
        # Somebody has to find out when a provider is well again.
        ({"queued": 1_000_000, "calls_a_s": 0.0}, 1),
        # What runs is not scaled away under itself, whatever the quota is said to be.
        ({"running": 45, "calls_a_s": 1.0}, 5),
        ({"queued": 9, "running": 45}, 6),
    ],
)
def test_the_formula(load: dict[str, Any], needed: int) -> None:
    assert needed_workers(Load(**{**USUAL, **load})) == needed


def seen(*, queues: list[QueueRow], demands: list[Demand]) -> Monitored:
    return Monitored(
        now_ms=0, queues=queues, oldest_ms={}, demands=demands, counters={}, cache={}, cache_entries=0, vectors=0,
        unresolved=0, budgets=[],
    )  # fmt: skip


def queue(name: str, queued: int, running: int = 0, *, paused: bool = False) -> QueueRow:
    return QueueRow(name, "default", queued, running, due=7, waiting=7, paused=paused)


def demand(queue: str, provider: str, scope: str, quota_s: float | None, wait_ms: int = 0) -> Demand:
    return Demand(queue, "default", provider, f"{provider}:m", wait_ms, "rpm" if wait_ms else "", quota_s, scope)


def worker(provider: str, *, live: bool = True, **facts: object) -> WorkerRow:
    return WorkerRow("w", {"provider": provider, **facts}, 100 if live else 100_000)


def test_quota_of_scopes_is_added_and_models_of_a_group_share_theirs() -> None:
    demands = [demand("p", "p", "p/a", 0.1), demand("p", "p", "p/b", 0.5), demand("p", "p", "p/b", 0.25)]
    found = loads(seen(queues=[queue("p", 50)], demands=demands), [], [])
    assert found["p"].calls_a_s == pytest.approx(10 + 2)


def test_a_scope_that_waits_for_long_feeds_nobody_and_one_without_a_limit_anybody() -> None:
    queues = [queue("p", 50)]
    blocked = loads(seen(queues=queues, demands=[demand("p", "p", "p/a", 0.1, LONG_MS + 1)]), [], [])
    assert blocked["p"].calls_a_s == 0
    free = loads(seen(queues=queues, demands=[demand("p", "p", "p/a", None)]), [], [])
    assert free["p"].calls_a_s == inf


def test_jobs_of_pools_count_for_each_provider_that_serves_them() -> None:
    demands = [demand("pool-fast", "p", "p/a", 1.0), demand("pool-fast", "q", "q/a", 1.0)]
    found = loads(seen(queues=[queue("p", 3), queue("pool-fast", 10)], demands=demands), [], [])
    assert (found["p"].queued, found["q"].queued) == (13, 10)
    assert "pool-fast" not in found


def test_what_is_paused_due_or_set_aside_needs_nobody() -> None:
    found = loads(seen(queues=[queue("p", 50, paused=True)], demands=[]), [], [worker("p")])
    assert needed_workers(found["p"]) == 0


def test_live_workers_tell_of_calls_and_slots_and_else_those_of_late() -> None:
    queues = seen(queues=[queue("p", 50)], demands=[])
    live, gone = (
        worker("p", typical_s=4.0, concurrency=20, running=3),
        worker("p", live=False, typical_s=1.0, concurrency=5),
    )
    found = loads(queues, [], [live, gone])["p"]
    assert (found.call_s, found.slots, found.running) == (4.0, 20, 3)
    found = loads(queues, [LimitRow("p", "rpm", 1, 0, 1, 0, None, "", 0)], [gone])["p"]
    assert (found.call_s, found.slots, found.running) == (1.0, 5, 0)


def test_before_any_worker_has_told_the_usual_is_taken() -> None:
    limits = [LimitRow("p", "concurrency", 30, 0, 30, 0, None, "", 0), LimitRow("p/m", "rpm", 1, 0, 1, 0, None, "", 0)]
    found = loads(seen(queues=[queue("p", 50)], demands=[]), limits, [worker("")])
    assert found.keys() == {"p"}
    assert (found["p"].call_s, found["p"].slots, found["p"].at_once) == (USUAL_CALL_S, USUAL_SLOTS, 30)
