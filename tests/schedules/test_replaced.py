"""A schedule that gets another definition: nothing runs twice, and no run mixes two definitions."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.schedules.timing import Cron, Every, Once
from homa_shared.store.transitions.schedules import fire_ticks, look_schedules, open_backfill
from homa_workers.schedules.firing import firing_of
from tests.schedules.stand import DAY, HOUR, Stand, ms

WORKDAYS = Cron("0 7 * * 1-5", "Europe/Berlin")
OTHER: dict[str, Any] = {"request": '{"prompt":"day {{tick:%Y-%m-%d}}"}', "holes": '["{{tick:%Y-%m-%d}}"]'}


async def forget(stand: Stand, jobs: list[str]) -> list[str]:
    """Their retention has ended."""
    for job in jobs:
        stand.redis("DEL", stand.keys.job(job))
    return jobs


async def backfilled(stand: Stand, schedule: str, name: str, since: int) -> list[str]:
    op = open_backfill(stand.keys, name, schedule, since=since, until=stand.now(), cap=None, window=99)
    stand.run(op)
    await stand.turn()
    return await stand.do_all()


async def test_what_had_its_run_by_earlier_times_is_not_run_again(stand: Stand) -> None:
    made = stand.make("digest")
    await stand.go_to(ms(2026, 3, 2, 6))
    await forget(stand, await stand.do_all())
    stand.clock.set(ms(2026, 3, 2, 9))
    stand.make("digest", WORKDAYS, replace="1")
    assert await backfilled(stand, made.id, "b1", ms(2026, 3, 2)) == []
    stand.make("digest", replace="1")
    assert await backfilled(stand, made.id, "b2", ms(2026, 3, 2)) == []


async def test_ticks_between_those_of_earlier_times_have_had_no_run(stand: Stand) -> None:
    made = stand.make("digest")
    for day in (2, 3):
        await stand.go_to(ms(2026, 3, day, 6))
        await forget(stand, await stand.do_all())
    stand.clock.set(ms(2026, 3, 3, 9))
    stand.make("digest", Cron("0 */6,7 * * *", "Europe/Berlin"), replace="1")
    done = await backfilled(stand, made.id, "b1", ms(2026, 3, 2, 5))
    assert done == [f"{made.id}-{ms(2026, 3, *at)}" for at in ((2, 11), (2, 17), (2, 23), (3, 5))]


async def test_a_deleted_schedule_leaves_nothing_of_its_earlier_times(stand: Stand) -> None:
    from homa_shared.store.transitions.schedules import delete_schedule

    made = stand.make("digest")
    await stand.go_to(ms(2026, 3, 2, 6))
    await stand.do_all()
    stand.make("digest", WORKDAYS, replace="1")
    stand.run(delete_schedule(stand.keys, made.id))
    assert stand.redis("EXISTS", stand.keys.schedule_spans(f"{made.id}~0"), stand.keys.schedule_spans(made.id)) == 0


async def test_an_interval_goes_on_counting_from_where_it_began(stand: Stand) -> None:
    made = stand.make("often", Every(DAY, stand.now()))
    first = stand.field(made.id, "next")
    stand.clock.set(stand.now() + 20 * HOUR)
    other = Every(DAY, stand.now(), "Europe/Berlin")
    assert stand.make("often", other, replace="1", missed="all").answer == "replaced"
    assert stand.field(made.id, "next") == first
    await stand.go_to(stand.now() + 2 * DAY)
    assert [at[11:16] for at in stand.history(made.id)] == ["13:00", "13:00"]


async def test_values_of_one_definition_do_not_get_into_another_ones_request(stand: Stand) -> None:
    made = stand.make("digest", holes='["{{until}}"]', request='{"prompt":"{{until}}"}')
    stand.clock.set(ms(2026, 3, 2, 6))
    look = stand.run(look_schedules(stand.keys, worker="w", lease_ms=30_000, most=9, hold_ms=1))
    firings = [firing_of(due, look.now) for due in look.ticks]
    stand.make("digest", replace="1")
    assert stand.run(fire_ticks(stand.keys, firings, lease_ms=30_000)).answers == ["stale"]
    await stand.turn()
    (job,) = stand.waiting_jobs()
    assert "2026-03-01T13:00:00+01:00 to 2026-03-02T07:00:00+01:00" in stand.request(job)
    assert made.id in job


async def test_runs_that_wait_are_done_as_they_were_defined_when_their_tick_came(stand: Stand) -> None:
    made = stand.make("digest", overlap="queue")
    await stand.go_to(ms(2026, 3, 3, 6))
    stand.make("digest", overlap="queue", replace="1", **OTHER)
    await stand.go_to(ms(2026, 3, 4, 6))
    await stand.do_all()
    assert [stand.request(job) for job in stand.waiting_jobs()] == [
        '{"prompt":"2026-03-02T07:00:00+01:00 to 2026-03-03T07:00:00+01:00"}'
    ]
    await stand.do_all()
    assert [stand.request(job) for job in stand.waiting_jobs()] == ['{"prompt":"day 2026-03-04"}']
    assert stand.redis("EXISTS", stand.keys.schedule_definitions(made.id)) == 0


@pytest.mark.parametrize("replace", ["", "1"])
async def test_one_for_a_moment_that_is_done_is_not_made_again(stand: Stand, replace: str) -> None:
    moment = Once(stand.now() + HOUR)
    made = stand.make("once", moment)
    await stand.go_to(stand.now() + 2 * HOUR)
    await stand.do_all()
    assert stand.make("once", moment, replace=replace) == ("same", made.id)
    await stand.go_to(stand.now() + DAY)
    assert stand.counters()["submitted"] == 1


async def test_what_settings_made_of_a_definition_is_replaced_where_that_is_asked_for(stand: Stand) -> None:
    made = stand.make("digest", made="a", digest="d")
    assert stand.make("digest", made="b", digest="d").answer == "same"
    assert stand.make("digest", made="b", digest="d", replace="1").answer == "replaced"
    assert stand.make("digest", made="b", digest="d", replace="1").answer == "same"
    assert stand.field(made.id, "made") == "b"
