"""What becomes of runs: alarms, pauses, budgets, backfills."""

from __future__ import annotations

import asyncio
from itertools import cycle

import pytest

from homa_shared.model.ids import new_batch_id
from homa_shared.store import reads
from homa_shared.store.reads.schedules import backfill
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.schedules import delete_schedule, open_backfill, resume_schedule
from homa_workers.schedules.ticker import Ticker
from tests.schedules.stand import DAILY, HOUR, MINUTE, Stand, ms
from tests.schedules.test_year import Killed, MortalStore
from tests.transitions.cell import BOUND, COST

YEAR = (ms(2025, 3, 1), ms(2026, 3, 1))


async def fail_run(stand: Stand) -> None:
    stand.fail(stand.claim())
    await stand.turn()


async def test_a_failed_run_alarms_and_one_that_succeeds_clears_it(stand: Stand) -> None:
    made = stand.make("digest")
    await stand.go_to(ms(2026, 3, 2, 6))
    await fail_run(stand)
    assert stand.alarm(made.id).startswith("failed: 2026-03-02T07:00:00+01:00 failed: no")
    assert "schedule.alarmed" in stand.events()
    await stand.go_to(ms(2026, 3, 3, 6))
    await stand.do_all()
    assert stand.alarm(made.id) == ""


async def test_it_pauses_behind_so_many_failures_in_a_row(stand: Stand) -> None:
    made = stand.make("digest", pause_after=3)
    for day in (2, 3, 4):
        assert stand.field(made.id, "state") == "active"
        await stand.go_to(ms(2026, 3, day, 6))
        await fail_run(stand)
    assert stand.field(made.id, "state") == "paused"
    assert stand.field(made.id, "paused_why") == "3 runs in a row have failed"
    await stand.go_to(ms(2026, 3, 9))
    assert stand.waiting_jobs() == []
    tick = DAILY.after(stand.now())
    stand.run(resume_schedule(stand.keys, made.id, tick, tick))
    assert (stand.alarm(made.id), stand.field(made.id, "failures")) == ("", "0")


async def test_a_run_that_costs_more_than_three_times_the_usual_alarms(stand: Stand) -> None:
    made = stand.make("digest", bound=10_000)
    for day, cost in ((2, 70), (3, 80), (4, 60), (5, 209)):
        await stand.go_to(ms(2026, 3, day, 6))
        await stand.do_all(nano=cost)
        assert stand.alarm(made.id) == ""
    await stand.go_to(ms(2026, 3, 6, 6))
    await stand.do_all(nano=300)
    assert stand.alarm(made.id).startswith("cost: 2026-03-06T07:00:00+01:00 cost $0.0000003, more than 3 times")


async def test_a_run_that_does_not_end_is_late(stand: Stand) -> None:
    made = stand.make("digest")
    await stand.go_to(ms(2026, 3, 2, 6))
    await stand.sleep_to(stand.now() + HOUR + 2 * MINUTE)
    assert stand.alarm(made.id).startswith("late: 2026-03-02T07:00:00+01:00 has not ended after ")


async def test_a_schedules_budget_holds_over_its_runs(stand: Stand) -> None:
    made = stand.make("often", cap=BOUND + COST, period="total", overlap="allow")
    await stand.go_to(ms(2026, 3, 2, 6))
    await stand.do_all()
    await stand.go_to(ms(2026, 3, 3, 6))
    await stand.do_all()
    await stand.go_to(ms(2026, 3, 4, 6))
    assert await stand.do_all() == [], "spent 140 of 170: no room for a call of up to 100"
    assert stand.history(made.id)["2026-03-04T07:00:00+01:00"]["detail"].startswith(
        "its budget of $0.00000017 in total has "
    )
    assert [row.spent_nano_usd for row in stand.run(reads.budgets(stand.keys))] == [2 * COST]


async def test_a_run_that_is_retried_tells_of_its_new_end(stand: Stand) -> None:
    made = stand.make("digest")
    await stand.go_to(ms(2026, 3, 2, 6))
    (job,) = stand.waiting_jobs()
    await fail_run(stand)
    stand.run(admin.retry(stand.keys, job, "again"))
    await stand.do_all()
    run = stand.history(made.id)["2026-03-02T07:00:00+01:00"]
    assert (run["state"], run["job"]) == ("succeeded", "again")


async def test_a_backfill_does_what_had_no_run(stand: Stand) -> None:
    made = stand.make("digest", overlap="allow")
    await stand.go_to(ms(2026, 3, 4, 6))
    await stand.do_all()
    stand.run(open_backfill(stand.keys, "b1", made.id, since=ms(2026, 2, 25), until=ms(2026, 3, 4), cap=None, window=3))
    done = []
    for _ in range(6):
        await stand.turn()
        assert len(stand.waiting_jobs()) <= 3
        done += await stand.do_all()
    days = [(2026, 2, day) for day in range(25, 29)] + [(2026, 3, 1)]
    assert done == [f"{made.id}-{ms(*day, 6)}" for day in days]
    view = stand.run(backfill(stand.keys, "b1"))
    assert view is not None
    assert (view.state, view.fired, view.done_before, view.succeeded) == ("complete", 5, 2, 5)
    batch = stand.run(reads.batch(stand.keys, "b1"))
    assert batch is not None
    assert (batch.state, batch.total, batch.nano_usd) == ("complete", 5, 5 * COST)


async def test_a_second_backfill_of_the_same_range_does_nothing(stand: Stand) -> None:
    made = stand.make("digest")
    for name in ("b1", "b2"):
        stand.run(
            open_backfill(stand.keys, name, made.id, since=ms(2026, 2, 1), until=ms(2026, 3, 1), cap=None, window=9)
        )
        for _ in range(5):
            await stand.turn()
            for job in await stand.do_all():
                stand.redis("DEL", stand.keys.job(job))  # its retention has ended
    assert stand.counters()["submitted"] == 28
    assert stand.redis("ZCARD", stand.keys.schedule_spans(made.id)) == 1


@pytest.mark.parametrize("how", ["cancel", "delete"])
async def test_a_backfill_ends_with_its_batch_or_schedule(stand: Stand, how: str) -> None:
    made = stand.make("digest")
    stand.run(open_backfill(stand.keys, "b1", made.id, since=YEAR[0], until=YEAR[1], cap=None, window=2))
    await stand.turn()
    stand.run(admin.cancel_batch(stand.keys, "b1") if how == "cancel" else delete_schedule(stand.keys, made.id))
    await stand.turn()
    assert stand.redis("ZCARD", stand.keys.backfills()) == 0
    assert stand.counters()["submitted"] == 2


async def test_a_year_stays_under_its_budget_whoever_is_killed(stand: Stand) -> None:
    made = stand.make("digest")
    cap, batch = 100 * COST, new_batch_id()
    stand.run(open_backfill(stand.keys, batch, made.id, since=YEAR[0], until=YEAR[1], cap=cap, window=5))
    deaths = cycle([(at, sent) for at in range(3) for sent in (False, True)])
    killed = 0
    while stand.redis("ZCARD", stand.keys.backfills()) or stand.waiting_jobs():
        for at, sent in (next(deaths), next(deaths)):
            mortal = MortalStore(stand.async_store, at, sent)
            doomed = Ticker(mortal, "doomed", 30_000, hold_ms=1)  # type: ignore[arg-type]
            try:
                await asyncio.gather(doomed.turn(), stand.another("other").turn())
            except Killed:
                killed += 1
        claims = stand.take(20).claims
        for claim in claims:
            stand.settle(claim)
        stand.clock.set(stand.now() + 100)
        spent = stand.numbers(stand.keys.budget(f"batch:{batch}"))
        assert spent.get("spent", 0) + spent.get("unres", 0) + spent.get("reserved", 0) <= cap
    await stand.turn()
    assert killed >= 20
    spent = stand.numbers(stand.keys.budget(f"batch:{batch}"))
    view = stand.run(backfill(stand.keys, batch))
    assert view is not None
    assert view.state == "out of budget"
    # It stops where one more run might cost more than is left, and none of its runs was refused.
    assert cap - BOUND < spent["spent"] <= cap
    assert view.succeeded == view.fired == spent["spent"] // COST
    assert view.failed == 0
    assert stand.counters()["submitted"] == view.fired
