"""Pages of jobs, by their state and by what they belong to."""

from __future__ import annotations

import pytest

from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from tests.transitions.cell import OTHER, Cell


def listed(cell: Cell, limit: int = 3, **wanted: object) -> list[str]:
    """Ids of all pages."""
    found: list[str] = []
    cursor = None
    while True:
        page = cell.run(reads.jobs(cell.keys, limit=limit, cursor=cursor, **wanted))
        assert len(page.jobs) <= limit
        found += [job.id for job in page.jobs]
        if page.cursor is None:
            return found
        cursor = page.cursor


def test_jobs_are_listed_by_state_page_by_page(cell: Cell) -> None:
    cell.submit(*(f"s{i}" for i in range(4)))
    for claim in cell.take(4).claims:
        cell.settle(claim)
    cell.submit(*(f"f{i}" for i in range(4)))
    for claim in cell.take(4).claims:
        cell.fail(claim)
    cell.submit(*(f"r{i}" for i in range(4)))
    cell.take(4)
    cell.submit(*(f"d{i}" for i in range(4)), due_ms=60_000)
    cell.run(admin.open_batch(cell.keys, "w", {}))
    cell.run(admin.pause_batch(cell.keys, "w"))
    cell.submit("w-0", "w-1", batch="w", lane="high")
    cell.take(4)
    cell.submit(*(f"q{i}" for i in range(4)), lane="bulk")
    cell.submit("q4", target=OTHER, tenant="t")
    cell.submit("m", kind="m", target="actor")
    assert set(listed(cell, state="running")) == {f"r{i}" for i in range(4)}
    assert set(listed(cell, state="queued")) == {f"q{i}" for i in range(5)}
    assert set(listed(cell, state="due")) == {f"d{i}" for i in range(4)}
    assert listed(cell, state=State.WAITING) == ["w-0", "w-1"]
    assert listed(cell, state="failed") == ["f3", "f2", "f1", "f0"]
    assert listed(cell, state="succeeded") == ["s3", "s2", "s1", "s0"]
    assert listed(cell, state="cancelled") == []
    everything = listed(cell, limit=2)
    assert len(everything) == len(set(everything)) == 23


def test_jobs_are_listed_by_what_they_belong_to(cell: Cell) -> None:
    cell.submit("a", tenant="t1", tags="team=x\nkind=mail")
    cell.submit("b", tenant="t2", target="q:m", queue="q")
    assert listed(cell, tenant="t1") == ["a"]
    assert listed(cell, provider="q") == ["b"]
    assert listed(cell, queue="p") == ["a"]
    assert listed(cell, tag="kind=mail") == listed(cell, tag="team") == ["a"]
    assert listed(cell, tag="team=y") == []


def test_a_page_looks_at_a_bounded_number_of_jobs(cell: Cell) -> None:
    cell.submit(*(f"j{i}" for i in range(1200)))
    cell.submit("last", tenant="z")
    page = cell.run(reads.jobs(cell.keys, state="queued", provider="nobody", limit=10))
    assert (page.jobs, page.cursor is not None) == ([], True)
    assert listed(cell, state="queued", tenant="z") == ["last"]


@pytest.mark.parametrize("limit", [1, 7, 500])
def test_jobs_of_more_lists_than_a_call_reads_are_listed_once_each(cell: Cell, limit: int) -> None:
    """As many reasons to wait, and as many tenants, as there are jobs."""
    count = 700 if limit > 1 else 150
    for i in range(count):
        cell.submit(f"lead{i}", f"follow{i}", cache_key=f"k{i}", target=OTHER)
        cell.submit(f"t{i}", tenant=f"tenant{i}")
    cell.run(admin.pause_queue(cell.keys, "p"))
    for i in range(count):
        # Between pages the sweep gives reasons another order.
        cell.redis("ZREM", cell.keys.backlog("p", "default", OTHER, ""), f"follow{i}")
        cell.redis("ZADD", cell.keys.waiting(f"follow:k{i}"), i, f"follow{i}")
        cell.redis("ZADD", cell.keys.reasons(), count - i, f"follow:k{i}")
        cell.redis("HSET", cell.keys.job(f"follow{i}"), "st", "waiting", "why", f"follow:k{i}")
    cell.cooked = True
    assert sorted(listed(cell, limit, state="waiting")) == sorted(f"follow{i}" for i in range(count))
    found = listed(cell, limit, state="queued")
    assert sorted(found) == sorted(f"{name}{i}" for i in range(count) for name in ("lead", "t"))
    assert listed(cell, limit, state="queued", tenant="tenant99") == ["t99"]


def test_reasons_that_have_no_jobs_any_more_hold_no_page_up(cell: Cell) -> None:
    for i in range(1300):
        cell.redis("ZADD", cell.keys.reasons(), i, f"follow:k{i}")
    cell.cooked = True
    page = cell.run(reads.jobs(cell.keys, state="waiting", limit=5))
    assert page.cursor is not None
    assert listed(cell, state="waiting") == []


def test_successes_are_listed_across_long_stretches_of_other_lines(cell: Cell) -> None:
    cell.submit("s")
    cell.settle(cell.claim())
    cell.submit(*(f"f{i}" for i in range(600)))
    for claim in cell.take(600).claims:
        cell.fail(claim)
    assert listed(cell, state="succeeded") == ["s"]
