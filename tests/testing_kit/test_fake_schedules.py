"""Schedules in a fake fleet: the clock is moved from tick to tick, and each has its run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from homa.testing import Refused, fake

LUNA = "openai:gpt-6-luna"
DAY_S = 86_400


def test_each_tick_that_the_clock_passes_has_its_run() -> None:
    with fake("much") as homa:
        digest = homa.schedule("digest", "Since {{since}}, until {{until}}?", cron="0 7 * * *", model=LUNA)
        ticks = digest.next_ticks(3)
        homa.drain()
        homa.assert_called(times=0)
        homa.advance(3 * DAY_S)
        runs = sorted(digest.history(), key=lambda run: run.at)
        assert [(run.at, run.state, run.by) for run in runs] == [
            (tick.isoformat(), "succeeded", "tick") for tick in ticks
        ]
        assert [ticks[1].strftime("until %Y-%m-%d") in call.prompt for call in homa.calls] == [False, True, False]
        assert digest.view().alarm is None


def test_ticks_and_delays_come_in_their_order() -> None:
    with fake("ok") as homa:
        homa.schedule("hourly", "tick {{tick}}", every_s=3600, model=LUNA)
        homa.submit("between", model=LUNA, delay_s=5400)
        homa.advance(2 * 3600 + 1)
        assert [call.prompt.split()[0] for call in homa.calls] == ["tick", "between", "tick"]


def test_failed_runs_pause_a_schedule() -> None:
    with fake({"*": Refused("no")}) as homa:
        weekly = homa.schedule("weekly", "What happened?", cron="0 7 * * 1", model=LUNA, pause_after=2)
        homa.advance(timedelta(weeks=6).total_seconds())
        assert weekly.view().state == "paused"
        assert [run.state for run in weekly.history()] == ["failed", "failed"]
        homa.assert_called("What happened?", times=2)


def test_a_backfill_is_done_without_moving_the_clock() -> None:
    with fake("ok") as homa:
        daily = homa.schedule("daily", "{{tick:%Y-%m-%d}}", cron="0 7 * * *", model=LUNA)
        until = daily.next_ticks(1)[0] - timedelta(days=1)
        batch = daily.backfill(until - timedelta(days=3), until, budget_usd=1)
        homa.drain()
        assert batch.progress().complete
        homa.assert_called(times=3)


async def test_an_async_client_has_the_same() -> None:
    async with fake("ok") as homa:
        daily = await homa.schedule("daily", "What?", cron="0 7 * * *", model=LUNA)
        homa.advance(2 * DAY_S)
        assert [run.state for run in await daily.history()] == ["succeeded", "succeeded"]


@pytest.mark.parametrize("time", ["jumps", "passes"])
def test_no_tick_fires_before_its_time(time: str) -> None:
    with fake("ok", time=time) as homa:  # type: ignore[arg-type]
        once = homa.schedule("hourly", "tick", every_s=3600, model=LUNA)
        homa.advance(3598)
        assert list(once.history()) == []
        homa.advance(3)
        assert [run.state for run in once.history()] == ["succeeded"]
