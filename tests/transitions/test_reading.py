"""What the store tells: queues, limits, ledger, events and replies."""

from __future__ import annotations

import orjson

from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.transitions import admin
from tests.transitions.cell import Cell


def test_nothing_is_known_of_an_unknown_job(cell: Cell) -> None:
    assert cell.run(reads.job(cell.keys, "nobody")) is None
    assert cell.run(reads.state(cell.keys, "nobody")) is None
    assert cell.run(reads.why(cell.keys, "nobody")) is None
    assert cell.run(reads.replies(cell.keys, ["nobody"])) == [None]
    assert cell.run(reads.resolved_replies(cell.keys, ["nobody"])) == [None]
    assert cell.run(reads.replies(cell.keys, [])) == cell.run(reads.resolved_replies(cell.keys, [])) == []


def test_queues_tell_each_lane(cell: Cell) -> None:
    cell.submit("a", "b", lane="high")
    cell.submit("c", lane="bulk", due_ms=60_000)
    cell.claim()
    cell.run(admin.pause_queue(cell.keys, "idle"))
    rows = [
        (r.queue, r.lane, r.queued, r.running, r.due, r.waiting, r.paused) for r in cell.run(reads.queues(cell.keys))
    ]
    assert rows == [
        ("idle", "default", 0, 0, 0, 0, True),
        ("p", "high", 1, 1, 0, 0, False),
        ("p", "bulk", 0, 0, 1, 0, False),
    ]


def test_limits_tell_what_is_used(cell: Cell) -> None:
    scope = cell.plan(rpm=600, tpm=60_000, conc=4)
    cell.submit("a", "b", tokens=(200, 0, 0))
    cell.claim()
    rows = {(r.scope, r.dimension): r for r in cell.run(reads.limits(cell.keys))}
    rpm, tpm, slots = rows[scope, "rpm"], rows[scope, "tpm"], rows["p", "concurrency"]
    assert (rpm.limit, rpm.used, rpm.available) == (600, 1, 4)
    assert (tpm.limit, 100 < tpm.used <= 200, 300 <= (tpm.available or 0) < 400) == (60_000, True, True)
    assert (slots.limit, slots.used, slots.available) == (4, 1, 3)


def test_an_unlimited_account_says_so(cell: Cell) -> None:
    cell.plan(adaptive=1)
    rows = {(r.scope, r.dimension): r for r in cell.run(reads.limits(cell.keys))}
    assert (rows["p", "concurrency"].limit, rows["p", "concurrency"].available) == (None, None)
    assert rows["p/m", "rpm"].adaptive_rate == 20


def test_ledger_and_events_are_read_on_from_any_line(cell: Cell) -> None:
    cell.submit("a", "b")
    for claim in cell.take().claims:
        cell.settle(claim)
    first, second = cell.run(reads.ledger(cell.keys))
    assert cell.run(reads.ledger(cell.keys, after=first.id)) == [second]
    assert first.at_ms <= cell.now()
    events = cell.run(reads.events(cell.keys))
    assert [e.job for e in cell.run(reads.events(cell.keys, after=events[0].id))] == ["b"]
    assert cell.run(reads.latest_events(cell.keys, 1)) == events[-1:]
    assert events[0].at_ms <= cell.now()


def test_events_can_be_followed(cell: Cell) -> None:
    cell.submit("a")
    cell.settle(cell.claim())
    seen = reads.followed(cell.store.wait(*reads.follow_events(cell.keys, "0")))
    assert [(e.name, e.job) for e in seen] == [("job.succeeded", "a")]
    assert reads.followed(cell.store.wait(*reads.follow_events(cell.keys, seen[-1].id, block_ms=10))) == []


async def test_operations_run_on_an_event_loop_as_well(cell: Cell, store_address: StoreAddress) -> None:
    cell.submit("a")
    store = AsyncStore(store_address, cell.keys.namespace)
    try:
        view = await store.run(reads.job(store.keys, "a"))
        assert view is not None
        assert view.job.state is State.QUEUED
        assert await store.run(reads.replies(store.keys, [])) == []
        assert len((await store.run(reads.jobs(store.keys))).jobs) == 0
        assert reads.followed(await store.wait(*reads.follow_events(store.keys, "0", block_ms=10))) == []
    finally:
        await store.aclose()


def test_replies_come_as_they_stand_or_resolved(cell: Cell) -> None:
    cell.submit("a", "b", cache_key="k")
    cell.settle(cell.take().claims[0])
    raw = cell.run(reads.replies(cell.keys, ["a", "b"]))
    assert orjson.loads(raw[1] or b"")["cached"] == "a"
    resolved = cell.run(reads.resolved_replies(cell.keys, ["a", "b"]))
    assert orjson.loads(resolved[1] or b"")["body"] == orjson.loads(resolved[0] or b"")["body"]
    assert orjson.loads(cell.view("b").reply or b"")["cached"] == "a"
