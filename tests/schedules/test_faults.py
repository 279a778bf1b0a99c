"""What is wrong with one schedule is that one's alone: the others go on, and it pauses and says why."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.schedules.timing import Cron
from homa_shared.store import reads
from homa_shared.store.reads.schedules import backfill
from homa_shared.store.transitions.schedules import open_backfill
from tests.schedules.stand import Stand, ms

EIGHT = Cron("0 8 * * *", "Europe/Berlin")
#: Fields that no release writes, and what stops at them.
BROKEN: list[tuple[dict[str, Any], str]] = [
    ({"timing": '{"cron":"0 7 * * *","tz":"Nowhere/Gone"}'}, "Nowhere/Gone"),
    ({"holes": '["{{never}}"]'}, "never"),
    ({"entry": "{"}, "Expected"),
]


@pytest.mark.parametrize(("fields", "why"), BROKEN, ids=["calendar", "variable", "script"])
async def test_one_that_cannot_fire_pauses_and_the_others_go_on(stand: Stand, fields: dict[str, Any], why: str) -> None:
    broken = stand.make("broken")
    stand.store._client.hset(stand.keys.schedule(broken.id), mapping=fields)
    sound = stand.make("sound", EIGHT)
    await stand.sleep_to(ms(2026, 3, 2, 7))
    assert stand.waiting_jobs() == [f"{sound.id}-{ms(2026, 3, 2, 7)}"]
    assert stand.field(broken.id, "state") == "paused"
    assert stand.field(broken.id, "paused_why").startswith("it cannot go on: ")
    assert stand.alarm(broken.id).startswith("broken: ")
    assert why in stand.alarm(broken.id)
    assert "schedule.alarmed" in stand.events()


async def test_a_run_that_cannot_be_summed_up_pauses_its_schedule_alone(stand: Stand) -> None:
    broken, sound = stand.make("broken"), stand.make("sound", EIGHT)
    await stand.go_to(ms(2026, 3, 2, 7))
    for claim in stand.take(10).claims:
        stand.settle(claim)
    stand.redis("HSET", stand.keys.schedule_history(broken.id), ms(2026, 3, 2, 6), "{")
    await stand.turn()
    assert stand.states(sound.id) == ["2026-03-02T08:00 succeeded"]
    assert stand.redis("ZCARD", stand.keys.schedule_ended()) == 0
    assert stand.field(broken.id, "state") == "paused"
    assert stand.alarm(broken.id).startswith("broken: ")
    stand.redis("HDEL", stand.keys.schedule_history(broken.id), ms(2026, 3, 2, 6))


async def test_a_backfill_that_cannot_be_moved_on_ends_and_the_others_go_on(stand: Stand) -> None:
    broken, sound = stand.make("broken"), stand.make("sound", EIGHT)
    for name, made in (("b1", broken), ("b2", sound)):
        since, until = ms(2026, 2, 1), ms(2026, 2, 3)
        stand.run(open_backfill(stand.keys, name, made.id, since=since, until=until, cap=None, window=5))
    stand.redis("HSET", stand.keys.schedule(broken.id), "timing", '{"cron":"x","tz":"UTC"}')
    await stand.turn()
    assert len(stand.waiting_jobs()) == 2
    await stand.do_all()
    views = [stand.run(backfill(stand.keys, name)) for name in ("b1", "b2")]
    assert [view.state for view in views if view] == ["ended", "complete"]
    batches = [stand.run(reads.batch(stand.keys, name)) for name in ("b1", "b2")]
    assert [batch.state for batch in batches if batch] == ["complete", "complete"]
    assert stand.alarm(broken.id).startswith("broken: backfill b1")
