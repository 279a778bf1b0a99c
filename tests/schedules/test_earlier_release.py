"""Schedules of the release before: without generations, and with runs that go on among those that are kept."""

from __future__ import annotations

from homa_shared.store.transitions.schedules import open_backfill
from tests.schedules.stand import MINUTE, Stand, ms


def as_before(stand: Stand, schedule: str) -> None:
    stand.redis("HDEL", stand.keys.schedule(schedule), "gen", "made", "eras")
    for tick in stand.redis("HKEYS", stand.keys.schedule_history(schedule)):
        stand.redis("ZADD", stand.keys.schedule_runs(schedule), stand.now(), tick)


async def test_it_fires_backfills_and_is_replaced(stand: Stand) -> None:
    made = stand.make("digest")
    await stand.go_to(ms(2026, 3, 2, 6))
    as_before(stand, made.id)
    assert len(await stand.do_all()) == 1
    await stand.go_to(ms(2026, 3, 3, 6))
    assert len(await stand.do_all()) == 1
    assert stand.make("digest", replace="1", missed="all").answer == "replaced"
    stand.run(open_backfill(stand.keys, "b1", made.id, since=ms(2026, 2, 28), until=stand.now(), cap=None, window=9))
    await stand.turn()
    assert await stand.do_all() == [f"{made.id}-{ms(2026, *day, 6)}" for day in ((2, 28), (3, 1))]


async def test_runs_that_go_on_leave_a_full_history_when_they_have_ended(stand: Stand) -> None:
    from homa_shared.schedules.timing import Every

    made = stand.make("often", Every(MINUTE, stand.now()), overlap="allow")
    await stand.go_to(stand.now() + 130 * MINUTE)
    as_before(stand, made.id)
    await stand.go_to(stand.now() + 10 * MINUTE)
    assert len(stand.history(made.id)) == 140
    for _ in range(2):
        await stand.do_all()
    await stand.turn()
    assert [run["state"] for run in stand.history(made.id).values()] == ["succeeded"] * 100


async def test_a_run_that_waited_then_starts_by_the_definition_that_stands(stand: Stand) -> None:
    made = stand.make("digest", overlap="queue")
    await stand.go_to(ms(2026, 3, 3, 6))
    history = stand.keys.schedule_history(made.id)
    waiting = stand.redis("HGET", history, ms(2026, 3, 3, 6)).decode()
    assert '"gen":"0"' in waiting
    stand.redis("HSET", history, ms(2026, 3, 3, 6), waiting.replace('"gen":"0",', "").replace(',"gen":"0"', ""))
    await stand.do_all()
    assert await stand.do_all() == [f"{made.id}-{ms(2026, 3, 3, 6)}"]
