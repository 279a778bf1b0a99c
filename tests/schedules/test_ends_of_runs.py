"""Runs that do not end as usual: cancelled, without a budget, forgotten, queued through a pause, of a full history."""

from __future__ import annotations

import pytest

from homa_shared.schedules.timing import Every, Once
from homa_shared.store import reads
from homa_shared.store.reads.schedules import backfill
from homa_shared.store.transitions.schedules import (
    delete_schedule,
    open_backfill,
    pause_schedule,
    resume_schedule,
)
from tests.schedules.stand import DAILY, DAY, HOUR, MINUTE, Stand, ms
from tests.transitions.cell import BOUND, COST


async def test_a_spent_budget_pauses_nothing_and_the_next_period_goes_on(stand: Stand) -> None:
    made = stand.make("often", Every(HOUR, stand.now()), cap=BOUND + COST, period="day", pause_after=3)
    for _ in range(11):
        await stand.go_to(stand.now() + HOUR)
        await stand.do_all()
    assert stand.field(made.id, "state") == "active"
    assert stand.alarm(made.id).startswith(
        "budget: 2026-03-01T15:00:00+00:00 was skipped: its budget of $0.00000017 a day"
    )
    assert stand.events().count("schedule.alarmed") == 1
    assert stand.field(made.id, "n.fired") == "2"
    await stand.go_to(stand.now() + HOUR)
    assert len(await stand.do_all()) == 1
    assert stand.alarm(made.id) == ""


async def test_ticks_without_a_budget_can_be_made_up_for(stand: Stand) -> None:
    made = stand.make("digest", cap=BOUND, period="total")
    for day in (2, 3, 4):
        await stand.go_to(ms(2026, 3, day, 6))
        await stand.do_all()
    stand.run(open_backfill(stand.keys, "b1", made.id, since=ms(2026, 3, 2), until=stand.now(), cap=None, window=9))
    await stand.turn()
    assert len(await stand.do_all()) == 2


async def test_cancelled_runs_are_no_failures(stand: Stand) -> None:
    made = stand.make("digest", overlap="cancel", pause_after=2)
    await stand.go_to(ms(2026, 3, 7, 6))
    assert stand.field(made.id, "state") == "active"
    assert stand.alarm(made.id).startswith("late: "), "nobody does them"
    assert (stand.field(made.id, "n.cancelled"), stand.field(made.id, "n.failed")) == ("5", "")


async def test_a_run_that_was_retried_is_counted_once(stand: Stand) -> None:
    from homa_shared.store.transitions import admin

    made = stand.make("digest")
    await stand.go_to(ms(2026, 3, 2, 6))
    (job,) = stand.waiting_jobs()
    stand.fail(stand.claim())
    await stand.turn()
    stand.run(admin.retry(stand.keys, job, "again"))
    await stand.do_all()
    (run,) = stand.history(made.id).values()
    assert "detail" not in run
    assert (stand.field(made.id, "n.failed"), stand.field(made.id, "n.succeeded")) == ("0", "1")


async def test_a_backfill_runs_no_tick_that_then_fires(stand: Stand) -> None:
    made = stand.make("digest", missed="all")
    await stand.sleep_to(ms(2026, 3, 4, 9))
    first = stand.claim()
    stand.run(open_backfill(stand.keys, "b1", made.id, since=ms(2026, 3, 2, 7), until=stand.now(), cap=None, window=9))
    await stand.turn()
    for job in await stand.do_all():
        stand.redis("DEL", stand.keys.job(job))
    stand.settle(first)
    await stand.turn()
    stand.clock.set(stand.now() + 2000)
    await stand.turn()
    assert stand.waiting_jobs() == []
    assert stand.field(made.id, "next") == str(ms(2026, 3, 5, 6))


@pytest.mark.parametrize("taken", [False, True])
async def test_a_deleted_schedules_backfill_is_complete_when_its_runs_are(stand: Stand, taken: bool) -> None:
    made = stand.make("digest")
    stand.run(open_backfill(stand.keys, "b1", made.id, since=ms(2026, 2, 1), until=ms(2026, 3, 1), cap=None, window=2))
    await stand.turn()
    claims = stand.take(9).claims if taken else []
    stand.run(delete_schedule(stand.keys, made.id))
    await stand.turn()
    for claim in claims:
        stand.settle(claim)
    await stand.do_all()
    batch = stand.run(reads.batch(stand.keys, "b1"))
    assert batch is not None
    assert (batch.state, batch.total, batch.succeeded) == ("complete", 2, 2)


async def test_runs_whose_records_are_gone_make_room_for_others(stand: Stand) -> None:
    made = stand.make("digest")
    stand.run(open_backfill(stand.keys, "b1", made.id, since=ms(2026, 2, 1), until=ms(2026, 2, 5), cap=None, window=2))
    await stand.turn()
    for claim in stand.take(10).claims:
        stand.settle(claim)
        stand.redis("DEL", stand.keys.job(claim.id))
    await stand.turn()
    assert len(await stand.do_all()) == 2
    view = stand.run(backfill(stand.keys, "b1"))
    assert view is not None
    assert (view.live, view.succeeded, view.failed) == (0, 2, 0)
    assert [state.split()[1] for state in stand.states(made.id)] == ["forgotten"] * 2 + ["succeeded"] * 2


async def test_runs_that_waited_through_a_pause_go_on_in_their_order(stand: Stand) -> None:
    made = stand.make("digest", overlap="queue")
    await stand.go_to(ms(2026, 3, 4, 6))
    stand.run(pause_schedule(stand.keys, made.id))
    await stand.do_all()
    assert stand.waiting_jobs() == []
    tick = DAILY.after(stand.now())
    stand.run(resume_schedule(stand.keys, made.id, tick, tick))
    await stand.turn()
    for day in (3, 4):
        assert await stand.do_all() == [f"{made.id}-{ms(2026, 3, day, 6)}"]


async def test_a_full_store_sums_up_and_lets_runs_wait(stand: Stand) -> None:
    made = stand.make("digest", overlap="queue")
    await stand.go_to(ms(2026, 3, 3, 6))
    stand.settle(stand.claim())
    used = stand.store._client.info("memory")["used_memory"]
    stand.store._client.config_set("maxmemory", int(used * 1.02))
    try:
        await stand.ticker.turn()
        assert [state.split()[1] for state in stand.states(made.id)] == ["succeeded", "queued"]
        assert stand.waiting_jobs() == []
    finally:
        stand.store._client.config_set("maxmemory", 0)
    stand.clock.set(stand.now() + 1000)
    await stand.turn()
    assert len(await stand.do_all()) == 1


async def test_a_history_that_is_full_keeps_what_goes_on(stand: Stand) -> None:
    made = stand.make("often", Every(MINUTE, stand.now()), overlap="allow")
    await stand.go_to(stand.now() + 150 * MINUTE)
    assert len(stand.history(made.id)) == 150
    assert stand.redis("ZCARD", stand.keys.schedule_runs(made.id)) == 0
    await stand.do_all()
    await stand.do_all()
    await stand.turn()
    assert len(stand.history(made.id)) == 100


async def test_the_alarm_of_one_that_is_done_can_be_taken_as_seen(stand: Stand) -> None:
    made = stand.make("once", Once(stand.now() + HOUR))
    await stand.go_to(stand.now() + 2 * HOUR)
    stand.fail(stand.claim())
    await stand.turn()
    assert stand.alarm(made.id).startswith("failed: ")
    assert stand.run(resume_schedule(stand.keys, made.id, None, None)) == "done"
    assert (stand.alarm(made.id), stand.field(made.id, "state")) == ("", "done")


async def test_jitter_makes_nothing_late(stand: Stand) -> None:
    from homa_shared.schedules.timing import jitter_of

    made = stand.make("spread", Every(HOUR, stand.now()), jitter=50 * MINUTE, missed="skip")
    tick = max(
        stand.now() + n * HOUR
        for n in range(2, 9)
        if jitter_of(made.id, stand.now() + n * HOUR, 50 * MINUTE) > 2 * MINUTE
    )
    await stand.sleep_to(tick + jitter_of(made.id, tick, 50 * MINUTE) + 500)
    assert [state.split()[1] for state in stand.states(made.id)] == ["running"]


async def test_a_range_that_was_done_before_is_passed_without_a_pause(stand: Stand) -> None:
    made = stand.make("often", Every(MINUTE, stand.now() - 2 * DAY))
    stand.redis("ZADD", stand.keys.schedule_spans(made.id), stand.now(), str(stand.now() - 2 * DAY))
    since, until = stand.now() - DAY, stand.now() - DAY + HOUR
    stand.run(open_backfill(stand.keys, "b1", made.id, since=since, until=until, cap=None, window=100))
    assert await stand.ticker.turn() == 0.0
    await stand.turn()
    view = stand.run(backfill(stand.keys, "b1"))
    assert view is not None
    assert (view.state, view.done_before) == ("complete", 60)
