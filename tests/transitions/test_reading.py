"""What the store tells: pages of jobs, queues, costs, events, and why a job waits."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import orjson
import pytest

from homa_shared.calls.failures import Charge
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import Op
from homa_shared.store.reads.money import By, CostTable
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.next_target import NextTarget
from tests.transitions.cell import COST, MODEL, OTHER, Cell


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


def hold(cell: Cell, job_id: str) -> reads.Hold:
    why = cell.run(reads.why(cell.keys, job_id))
    assert why is not None
    return why.holds[0]


def test_nothing_is_known_of_an_unknown_job(cell: Cell) -> None:
    assert cell.run(reads.job(cell.keys, "nobody")) is None
    assert cell.run(reads.state(cell.keys, "nobody")) is None
    assert cell.run(reads.why(cell.keys, "nobody")) is None
    assert cell.run(reads.replies(cell.keys, ["nobody"])) == [None]
    assert cell.run(reads.resolved_replies(cell.keys, ["nobody"])) == [None]
    assert cell.run(reads.replies(cell.keys, [])) == cell.run(reads.resolved_replies(cell.keys, [])) == []


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


def test_successes_are_listed_across_long_stretches_of_other_lines(cell: Cell) -> None:
    cell.submit("s")
    cell.settle(cell.claim())
    cell.submit(*(f"f{i}" for i in range(600)))
    for claim in cell.take(600).claims:
        cell.fail(claim)
    assert listed(cell, state="succeeded") == ["s"]


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


def test_costs_are_summed_by_any_key(cell: Cell) -> None:
    cell.submit("a", tenant="t1", tags="team=x\nkind=mail")
    cell.submit("b", tenant="t2", target=OTHER, tags="team=x")
    cell.settle(cell.claim())
    cell.fail(cell.claim(), charge=Charge.UNRESOLVED)

    def rows(by: By) -> dict[str, tuple[int, int]]:
        table = cell.run(reads.costs(cell.keys, by))
        assert (table.nano_usd, table.unresolved_nano_usd, table.unpriced) == (COST, 100, 0)
        return {r.key: (r.nano_usd, r.unresolved_nano_usd) for r in table.rows}

    assert rows("provider") == {"p": (COST, 100)}
    assert rows("model") == {MODEL: (COST, 0), OTHER: (0, 100)}
    assert rows("tenant") == {"t1": (COST, 0), "t2": (0, 100)}
    assert rows("tag") == {"team=x": (COST, 100), "kind=mail": (COST, 0)}
    today = date(1970, 1, 1) + timedelta(days=cell.now() // 86_400_000)
    assert rows("day") == {today.isoformat(): (COST, 100)}
    (row,) = cell.run(reads.costs(cell.keys, "provider", since=today, until=today)).rows
    assert (row.requests, row.input_tokens, row.output_tokens, row.cached_tokens) == (2, 5, 3, 0)
    assert cell.run(reads.costs(cell.keys, until=today - timedelta(days=1))).rows == []


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


# why


def test_a_job_that_only_needs_a_worker_is_held_by_nothing(cell: Cell) -> None:
    cell.submit("a")
    assert cell.run(reads.why(cell.keys, "a")) == reads.Why(State.QUEUED, [])


def test_why_names_the_limit_and_when_it_passes(cell: Cell) -> None:
    scope = cell.plan(rpm=60)
    cell.submit("a", "b")
    cell.claim()
    found = hold(cell, "b")
    assert (found.kind, found.name, found.detail) == ("limit", scope, "rpm")
    assert 0 < (found.wait_ms or 0) <= 1000


def test_why_names_freeze_slots_breaker_and_size(cell: Cell) -> None:
    scope = cell.plan(tpm=100, conc=1)
    cell.submit("a", "b", tokens=(1, 0, 0))
    claim = cell.claim()
    assert (hold(cell, "b").name, hold(cell, "b").detail) == ("p", "concurrency")
    cell.requeue(claim, outcome="rate_limited", freeze_ms=9000)
    assert (hold(cell, "b").name, hold(cell, "b").detail) == (scope, "frozen: p:m refused a, which asked for 9 s")
    cell.redis("HSET", cell.keys.breaker("p"), "state", "open", "until", cell.now() + 9000)
    assert (hold(cell, "b").kind, hold(cell, "b").name) == ("breaker", "p")
    cell.submit("huge", tokens=(101, 0, 0))
    why = cell.run(reads.why(cell.keys, "huge"))
    assert why is not None
    assert any(h.detail == "too large for tpm" or h.detail.startswith("frozen: ") for h in why.holds)


def test_why_names_budget_pause_leader_due_deadline_and_run(cell: Cell) -> None:
    cell.submit("run")
    cell.claim()
    assert (hold(cell, "run").kind, hold(cell, "run").name) == ("running", "w")
    cell.submit("due", due_ms=60_000, deadline_ms=90_000)
    why = cell.run(reads.why(cell.keys, "due"))
    assert why is not None
    assert [h.kind for h in why.holds] == ["due", "deadline"]
    assert 59_000 < (why.holds[0].wait_ms or 0) <= 60_000
    cell.submit("lead", "follow", cache_key="k")
    cell.take()
    assert (hold(cell, "follow").kind, hold(cell, "follow").name) == ("leader", "lead")
    cell.run(admin.open_batch(cell.keys, "b", {}))
    cell.run(admin.pause_batch(cell.keys, "b", "too many failures"))
    cell.submit("b-0", "b-1", batch="b")
    assert hold(cell, "b-0").detail == "its batch is paused: too many failures"
    cell.take()
    assert hold(cell, "b-0").kind == "pause"
    cell.run(admin.cancel_batch(cell.keys, "b"))
    assert hold(cell, "b-0").kind == "cancel"
    cell.run(admin.pause_queue(cell.keys, "p"))
    cell.submit("q")
    assert (hold(cell, "q").kind, hold(cell, "q").name) == ("pause", "p")


def test_why_names_the_budget_and_its_sums(cell: Cell) -> None:
    cell.budget(150, period="day", on_exceed="defer")
    cell.submit("a", "b")
    claim = cell.take().claims[0]
    found = hold(cell, "b")
    assert (found.kind, found.detail.split(":")[0]) == ("budget", "wait")
    cell.settle(claim, nano=100)
    cell.take()
    found = hold(cell, "b")
    assert found.detail.startswith("defer: spent $0.0000001, unresolved $0.00, reserved $0.00")
    assert 0 < (found.wait_ms or 0) <= 86_400_000
    cell.budget(1000, period="day")
    assert hold(cell, "b").detail.startswith("there is room again")
    cell.submit("c", bound=None)
    assert "unpriced" in hold(cell, "c").detail


def test_why_tells_how_many_stand_before_a_job(cell: Cell) -> None:
    cell.submit("a", "b", "c")
    assert hold(cell, "c").detail == "2 jobs of its group stand before it"


def test_a_pool_is_held_only_where_each_of_its_members_is(cell: Cell) -> None:
    for member, conc in (("p", 1), ("q", None)):
        row = {"name": f"pool-fast|{member}", "account": member, "quota": f"{member}/m", "real": f"{member}:m"}
        cell.run(admin.write_plans(cell.keys, [row | {"account_limits": {"conc": conc}, "quota_limits": {}}]))
    cell.run(admin.write_plans(cell.keys, [{"name": "pool-fast", "members": ["p", "q"]}]))
    cell.submit("a", "b", queue="pool-fast", target="pool-fast")
    cell.take(1, queues=("pool-fast",))
    assert cell.run(reads.why(cell.keys, "b")) == reads.Why(State.QUEUED, [])
    cell.redis("HSET", cell.keys.breaker("q"), "state", "open", "until", cell.now() + 500)
    assert hold(cell, "b").name == "q"


def test_nothing_holds_an_ended_job(cell: Cell) -> None:
    cell.submit("a")
    cell.settle(cell.claim())
    assert cell.run(reads.why(cell.keys, "a")) == reads.Why(State.SUCCEEDED, [])


# retry and purge


def test_a_failed_job_is_retried_as_a_new_one(cell: Cell) -> None:
    cell.submit("a", tags="k=v", deadline_ms=600_000, request=b'{"q":1}', bound=7, tenant="t")
    cell.fail(cell.claim())
    assert cell.run(admin.retry(cell.keys, "a", "r")) == admin.Retried("ok", "r")
    assert cell.run(admin.retry(cell.keys, "a", "r2")) == admin.Retried("retried", "r")
    claim = cell.claim()
    assert (claim.id, claim.tries, claim.request, claim.bound, claim.tags, claim.tenant) == (
        "r",
        1,
        b'{"q":1}',
        7,
        "k=v",
        "t",
    )
    assert 590_000 < claim.left_ms <= 600_000
    assert cell.counters() | {"live": 1, "submitted": 2, "failed": 1} == cell.counters()
    assert cell.redis("PTTL", cell.keys.request("r")) == -1


def test_a_retry_may_start_from_the_first_target_again(cell: Cell) -> None:
    cell.submit("a", fallbacks_left=1)
    cell.requeue(cell.claim(), "job.rerouted", to=NextTarget("q:m", "q"))
    cell.fail(cell.claim(provider="q", queues=("q",)))
    cell.run(admin.retry(cell.keys, "a", "r", NextTarget(MODEL, "p", 5, fallbacks_left=1)))
    claim = cell.claim()
    assert (claim.id, claim.target, claim.fallbacks_left, claim.bound) == ("r", MODEL, 1, 5)


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
def test_only_what_ended_without_success_is_retried(cell: Cell, state: str) -> None:
    cell.submit("a")
    if state != "queued":
        claim = cell.claim()
        if state == "succeeded":
            cell.settle(claim)
    assert cell.run(admin.retry(cell.keys, "a", "r")) == admin.Retried(state, "")
    assert cell.state("r") is None


def test_a_retry_says_what_is_missing(cell: Cell) -> None:
    assert cell.run(admin.retry(cell.keys, "nobody", "r")).answer == "unknown"
    cell.submit("a", "taken")
    cell.fail(cell.claim())
    assert cell.run(admin.retry(cell.keys, "a", "taken")).answer == "id taken"
    cell.redis("DEL", cell.keys.request("a"))
    assert cell.run(admin.retry(cell.keys, "a", "r")).answer == "request gone"


def test_purging_forgets_ended_jobs_and_no_others(cell: Cell) -> None:
    cell.submit("live", "done", "open")
    cell.take(1)
    first, second = cell.take().claims
    cell.fail(first)
    cell.fail(second, charge=Charge.UNRESOLVED)
    assert cell.run(admin.purge(cell.keys, ["live", "done", "open", "nobody"])) == 1
    assert (cell.state("live"), cell.state("done"), cell.state("open")) == (State.RUNNING, None, State.FAILED)
    assert cell.run(admin.purgeable(cell.keys, cell.now())) == ["open"]


def test_replies_come_as_they_stand_or_resolved(cell: Cell) -> None:
    cell.submit("a", "b", cache_key="k")
    cell.settle(cell.take().claims[0])
    raw = cell.run(reads.replies(cell.keys, ["a", "b"]))
    assert orjson.loads(raw[1] or b"")["cached"] == "a"
    resolved = cell.run(reads.resolved_replies(cell.keys, ["a", "b"]))
    assert orjson.loads(resolved[1] or b"")["body"] == orjson.loads(resolved[0] or b"")["body"]
    assert orjson.loads(cell.view("b").reply or b"")["cached"] == "a"


def test_costs_of_years_are_read_a_few_days_a_script(cell: Cell) -> None:
    days = [(date(2024, 1, 1) + timedelta(days=n)).isoformat() for n in range(60)]
    for day in days:
        cell.redis("SADD", cell.keys.days(), day)
        totals = {f"p:m|t{n}|nano": 1 for n in range(1000)}
        cell.redis("HSET", cell.keys.day(day), *(part for pair in totals.items() for part in pair))
    asked: list[Op[Any]] = []

    def slices(op: Op[CostTable]) -> CostTable:
        while True:
            asked.append(op)
            rest = op.next(cell.store._replies(op))
            if rest is None:
                return cell.run(op)
            op = rest

    by_day = slices(reads.costs(cell.keys, "day"))
    assert [(row.key, row.nano_usd) for row in by_day.rows] == [(day, 1000) for day in days]
    assert len(asked) == 12, "5000 totals a script"
    assert cell.run(reads.costs(cell.keys)).nano_usd == 60_000
    some = cell.run(reads.costs(cell.keys, "day", since=date(2024, 1, 4), until=date(2024, 2, 10)))
    assert [row.key for row in some.rows] == days[3:41]
    cell.cooked = True


async def test_an_event_loop_reads_years_of_costs_to_their_end_as_well(
    cell: Cell, store_url: str, namespace: str
) -> None:
    for n in range(3):
        cell.redis("SADD", cell.keys.days(), f"2024-01-0{n + 1}")
        totals = {f"p:m|t{i}|nano": 1 for i in range(3000)}
        cell.redis("HSET", cell.keys.day(f"2024-01-0{n + 1}"), *(part for pair in totals.items() for part in pair))
    store = AsyncStore(StoreAddress.parse(store_url), namespace, role="test")
    table = await store.run(reads.costs(cell.keys))
    await store.aclose()
    assert table.nano_usd == 9000
    cell.cooked = True


def test_a_bar_in_a_models_name_moves_no_cost_to_another_tenant(cell: Cell) -> None:
    cell.submit("a", target="p:m|victim", tenant="t")
    cell.settle(cell.claim())
    assert [row.key for row in cell.run(reads.costs(cell.keys, "tenant")).rows] == ["t"]
    assert [row.key for row in cell.run(reads.costs(cell.keys, "model")).rows] == ["p:m|victim"]
