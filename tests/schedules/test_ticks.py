"""A schedule's ticks become runs: once, in time, with what lies between two of them."""

from __future__ import annotations

import asyncio

import pytest

from homa_shared.schedules.timing import Cron, Every, Once
from homa_shared.store.transitions.schedules import pause_schedule, resume_schedule, run_schedule
from tests.schedules.stand import DAILY, DAY, HOUR, MINUTE, Stand, ms


async def test_a_tick_becomes_a_job_that_knows_what_lies_behind_it(stand: Stand) -> None:
    made = stand.make("digest")
    await stand.go_to(ms(2026, 3, 2, 5, 59))
    assert stand.waiting_jobs() == []
    await stand.go_to(ms(2026, 3, 2, 6))
    (job,) = stand.waiting_jobs()
    assert job == f"{made.id}-{ms(2026, 3, 2, 6)}"
    assert stand.request(job) == '{"prompt":"2026-03-01T13:00:00+01:00 to 2026-03-02T07:00:00+01:00"}'
    await stand.do_all()
    await stand.go_to(ms(2026, 3, 3, 6))
    assert '"2026-03-02T07:00:00+01:00 to 2026-03-03T07:00:00+01:00"' in stand.request(stand.waiting_jobs()[0])
    await stand.do_all()
    assert stand.states(made.id) == ["2026-03-02T07:00 succeeded", "2026-03-03T07:00 succeeded"]
    assert stand.alarm(made.id) == ""


async def test_many_workers_fire_a_tick_once(stand: Stand) -> None:
    for number in range(30):
        stand.make(f"s{number}")
    others = [stand.another(f"w{number}") for number in range(8)]
    stand.clock.set(ms(2026, 3, 2, 6))
    await asyncio.gather(*(ticker.turn() for ticker in others for _ in range(3)))
    assert len(stand.waiting_jobs()) == 30
    assert stand.counters()["submitted"] == 30


async def test_one_worker_looks_and_the_others_leave_it_to_that_one(stand: Stand) -> None:
    stand.make("digest")
    stand.ticker._hold_ms = 60_000
    await stand.turn()
    stand.clock.set(ms(2026, 3, 2, 6))
    other = stand.another("w2")
    other._hold_ms = 60_000
    assert await other.turn() > 1
    assert stand.waiting_jobs() == []
    await stand.turn()
    assert len(stand.waiting_jobs()) == 1


async def test_an_interval_counts_from_its_anchor(stand: Stand) -> None:
    made = stand.make("often", Every(90 * MINUTE, stand.now()), overlap="allow")
    await stand.go_to(stand.now() + 5 * HOUR)
    assert stand.states(made.id) == [
        "2026-03-01T13:30 running",
        "2026-03-01T15:00 running",
        "2026-03-01T16:30 running",
    ]


async def test_a_schedule_for_one_moment_is_done_behind_it(stand: Stand) -> None:
    made = stand.make("once", Once(stand.now() + HOUR))
    await stand.go_to(stand.now() + 3 * DAY)
    assert len(stand.waiting_jobs()) == 1
    assert stand.field(made.id, "state") == "done"
    assert stand.redis("ZCARD", stand.keys.schedules()) == 0


async def test_jitter_delays_a_tick_by_the_same_whoever_asks(stand: Stand) -> None:
    made = stand.make("spread", jitter=HOUR)
    tick = ms(2026, 3, 2, 6)
    due = int(stand.field(made.id, "due"))
    assert tick <= due < tick + HOUR
    await stand.go_to(due - 1)
    assert stand.waiting_jobs() == []
    await stand.go_to(due)
    assert stand.waiting_jobs() == [f"{made.id}-{tick}"]


@pytest.mark.parametrize(
    ("missed", "expected"),
    [
        ("once", ["2026-03-04T07:00 running"]),
        ("skip", ["2026-03-04T07:00 skipped"]),
        ("all", ["2026-03-02T07:00 running"]),
    ],
)
async def test_ticks_that_nobody_was_awake_for(stand: Stand, missed: str, expected: list[str]) -> None:
    made = stand.make("digest", missed=missed)
    await stand.sleep_to(ms(2026, 3, 4, 9))
    assert stand.states(made.id) == expected
    following = ms(2026, 3, 3, 6) if missed == "all" else ms(2026, 3, 5, 6)
    assert stand.field(made.id, "next") == str(following)
    assert stand.alarm(made.id).startswith("late: 2026-03-02T07:00:00+01:00 was due ")


async def test_all_missed_ticks_run_one_behind_the_other(stand: Stand) -> None:
    made = stand.make("digest", missed="all")
    await stand.sleep_to(ms(2026, 3, 4, 9))
    for day in (2, 3, 4):
        assert await stand.do_all() == [f"{made.id}-{ms(2026, 3, day, 6)}"]
        await stand.sleep_to(stand.now() + 1000)
    assert await stand.do_all() == []
    assert [run["since"] for run in stand.history(made.id).values()] == [
        ms(2026, 3, 1, 12),
        ms(2026, 3, 2, 6),
        ms(2026, 3, 3, 6),
    ]


async def test_a_run_for_several_missed_ticks_covers_them(stand: Stand) -> None:
    made = stand.make("digest", missed="once")
    await stand.sleep_to(ms(2026, 3, 4, 9))
    assert "2026-03-01T13:00:00+01:00 to 2026-03-04T07:00:00+01:00" in stand.request(stand.waiting_jobs()[0])
    assert next(iter(stand.history(made.id).values()))["missed"] == 2


@pytest.mark.parametrize("missed", ["once", "skip", "all"])
async def test_a_tick_that_is_seconds_late_is_on_time(stand: Stand, missed: str) -> None:
    made = stand.make("digest", missed=missed)
    await stand.sleep_to(ms(2026, 3, 2, 6) + 59_000)
    assert stand.states(made.id) == ["2026-03-02T07:00 running"]
    assert stand.alarm(made.id) == ""


async def test_a_tick_is_skipped_while_the_run_before_it_goes_on(stand: Stand) -> None:
    made = stand.make("digest")
    await stand.go_to(ms(2026, 3, 3, 6))
    assert stand.states(made.id) == ["2026-03-02T07:00 running", "2026-03-03T07:00 skipped"]
    await stand.do_all()
    await stand.go_to(ms(2026, 3, 4, 6))
    assert stand.states(made.id)[-1] == "2026-03-04T07:00 running"
    assert stand.history(made.id)["2026-03-04T07:00:00+01:00"]["since"] == ms(2026, 3, 2, 6)


async def test_a_tick_waits_in_line_for_the_run_before_it(stand: Stand) -> None:
    made = stand.make("digest", overlap="queue")
    await stand.go_to(ms(2026, 3, 4, 6))
    assert [state.split()[1] for state in stand.states(made.id)] == ["running", "queued", "queued"]
    for day in (2, 3, 4):
        assert await stand.do_all() == [f"{made.id}-{ms(2026, 3, day, 6)}"]
    assert [state.split()[1] for state in stand.states(made.id)] == ["succeeded"] * 3


async def test_a_tick_cancels_the_run_before_it(stand: Stand) -> None:
    made = stand.make("digest", overlap="cancel")
    await stand.go_to(ms(2026, 3, 3, 6))
    assert [state.split()[1] for state in stand.states(made.id)] == ["cancelled", "running"]
    assert stand.waiting_jobs() == [f"{made.id}-{ms(2026, 3, 3, 6)}"]
    assert stand.state(f"{made.id}-{ms(2026, 3, 2, 6)}") == "cancelled"


async def test_nothing_fires_while_it_is_paused_and_nothing_is_made_up_for(stand: Stand) -> None:
    made = stand.make("digest", missed="all")
    assert stand.run(pause_schedule(stand.keys, made.id, "holidays")) == "active"
    await stand.go_to(ms(2026, 3, 9, 12))
    assert stand.waiting_jobs() == []
    tick = DAILY.after(stand.now())
    assert stand.run(resume_schedule(stand.keys, made.id, tick, tick)) == "paused"
    await stand.go_to(ms(2026, 3, 10, 12))
    assert stand.states(made.id) == ["2026-03-10T07:00 running"]


async def test_a_run_by_hand_is_beside_the_ticks(stand: Stand) -> None:
    made = stand.make("digest")
    tick = stand.now()
    values = ["then", "now"]
    job = stand.run(run_schedule(stand.keys, made.id, "0", tick, "now", values))
    assert stand.run(run_schedule(stand.keys, made.id, "0", tick, "now", values)) == job
    assert stand.waiting_jobs() == [job]
    await stand.do_all()
    await stand.go_to(ms(2026, 3, 2, 6))
    assert stand.history(made.id)["2026-03-02T07:00:00+01:00"]["since"] == ms(2026, 3, 1, 12)


async def test_another_definition_needs_to_be_asked_for(stand: Stand) -> None:
    made = stand.make("digest")
    assert stand.make("digest").answer == "same"
    assert stand.make("digest", missed="all").answer == "taken"
    assert stand.field(made.id, "missed") == "once"
    assert stand.make("digest", missed="all", replace="1") == ("replaced", made.id)
    assert stand.field(made.id, "missed") == "all"


async def test_other_times_take_effect_at_once(stand: Stand) -> None:
    made = stand.make("digest")
    stand.make("digest", Cron("0 8 * * *", "Europe/Berlin"), replace="1")
    await stand.go_to(ms(2026, 3, 2, 12))
    assert stand.states(made.id) == ["2026-03-02T08:00 running"]
