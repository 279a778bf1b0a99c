"""A year of ticks over the changes of a zone's clocks fires exactly once.

Two schedulers race, one of them is killed at each await in turn, sent or not; the store is killed and started again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest

from homa_shared.model.errors import StoreUnavailable
from homa_shared.schedules.timing import Cron
from homa_shared.store.audit import audit
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import Op
from homa_workers.schedules.ticker import Ticker
from tests.chaos.servers import Server
from tests.schedules.stand import Stand, ms
from tests.schedules.year import real_time, wall_time

BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
BERLIN, NEW_YORK = "Europe/Berlin", "America/New_York"


def expected(line: str, zone: str) -> list[int]:
    """Ticks later than the begin."""
    before = BEGIN - timedelta(days=2)
    match line:
        case "30 2 * * *":
            found = wall_time(zone, before, END, 2, 30)
        case "30 1 * * *":
            found = wall_time(zone, before, END, 1, 30)
        case _:
            found = real_time(zone, before, END, lambda local: local.minute in (0, 30) and 1 <= local.hour <= 3)
    return [tick for tick in found if tick > ms(2026, 1, 1)]


LINES = ("30 2 * * *", "30 1 * * *", "*/30 1-3 * * *")
LINES_OF_ZONES = [(line, zone) for zone in (BERLIN, NEW_YORK) for line in LINES]
#: Days with changes of clocks, and one without, on which the store is killed.
RESTARTS = {BERLIN: ((3, 29), (6, 1), (10, 25)), NEW_YORK: ((3, 8), (6, 1), (11, 1))}


class Killed(BaseException):
    """The process is gone: nothing behind the await happens any more."""


@dataclass(slots=True)
class MortalStore:
    """A store whose user dies at one of its awaits.

    Args:
        dies_at: which one, from 0 on.
        sent: whether the store has done what was asked before.
    """

    store: AsyncStore
    dies_at: int
    sent: bool
    asked: int = 0

    @property
    def keys(self) -> Any:
        return self.store.keys

    async def run(self, op: Op[Any]) -> Any:
        dies = self.asked == self.dies_at
        self.asked += 1
        if dies and not self.sent:
            raise Killed
        answer = await self.store.run(op)
        if dies:
            raise Killed
        return answer


class Schedulers:
    """Two schedulers that look at the same time; those of the first place die again and again."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._deaths: Iterator[tuple[int, bool]] = cycle([(at, sent) for at in range(3) for sent in (False, True)])
        self.killed = 0

    async def turn(self) -> None:
        dies_at, sent = next(self._deaths)
        mortal = MortalStore(self._stand.async_store, dies_at, sent)
        doomed = Ticker(mortal, "doomed", lease_ms=30_000, hold_ms=1)  # type: ignore[arg-type]
        await asyncio.gather(self._until_death(doomed), self._stand.another("other").turn())

    async def _until_death(self, ticker: Ticker) -> None:
        try:
            while await ticker.turn() == 0.0:
                pass
        except Killed:
            self.killed += 1


def test_the_other_calendar_knows_of_the_changes() -> None:
    counts = {(line, zone): len(expected(line, zone)) for line, zone in LINES_OF_ZONES}
    assert counts["30 2 * * *", BERLIN] == counts["30 1 * * *", NEW_YORK] == 364
    # Two half hours that the clock leaves out, two that it repeats.
    assert counts["*/30 1-3 * * *", BERLIN] == counts["*/30 1-3 * * *", NEW_YORK] == 6 * 364


@pytest.mark.parametrize(("line", "zone"), LINES_OF_ZONES)
def test_the_calendars_agree(line: str, zone: str) -> None:
    timing, found = Cron(line, zone), []
    tick = timing.after(int(BEGIN.timestamp() * 1000))
    while tick is not None and tick <= int(END.timestamp() * 1000):
        assert timing.latest(tick, 0) == timing.latest(tick + 1, 0) == tick
        found.append(tick)
        tick = timing.after(tick)
    assert found == expected(line, zone)


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
async def test_a_year_of_ticks_fires_exactly_once(zone: str, tmp_path: Path, clock_of_tests: None) -> None:
    server = Server(tmp_path).start()
    try:
        stand = Stand(StoreAddress.parse(server.url), "year", ms(2026, 1, 1))
        made = {
            stand.make(f"s{number}", Cron(line, zone), overlap="allow", missed="all").id: expected(line, zone)
            for number, line in enumerate(LINES)
        }
        schedulers, restarts = Schedulers(stand), 0
        restart_at = [ms(2026, month, day, 1) for month, day in RESTARTS[zone]]
        end = ms(2026, 12, 31)
        while True:
            due = _next_due(stand)
            if due > end:
                break
            stand.clock.set(max(due, stand.now()))
            if restart_at and stand.now() >= restart_at[0]:
                restart_at.pop(0)
                restarts += 1
                await _restarted(server, stand)
            while (due := _next_due(stand)) <= stand.now():
                await schedulers.turn()
                # A store that came back holds ticks up until workers have told of what they do: time goes on.
                if _next_due(stand) == due:
                    stand.clock.set(stand.now() + 100)
        wanted = {f"{schedule}-{tick}" for schedule, ticks in made.items() for tick in ticks}
        assert set(stand.waiting_jobs()) == wanted
        assert stand.counters()["submitted"] == len(wanted)
        assert schedulers.killed > 500
        assert restarts == 3
        assert list(map(str, audit(stand.store))) == []
        await stand.aclose()
    finally:
        server.kill()


def _next_due(stand: Stand) -> int:
    while True:
        try:
            first = stand.redis("ZRANGE", stand.keys.schedules(), 0, 0, "WITHSCORES")
        except StoreUnavailable:
            continue
        entry = first[0] if isinstance(first[0], list) else first
        return int(float(entry[1]))


async def _restarted(server: Server, stand: Stand) -> None:
    """The store dies in the middle of a look, and comes back with all that it had answered."""
    looks = asyncio.gather(*(stand.another("w").turn() for _ in range(4)), return_exceptions=True)
    await asyncio.sleep(0)
    server.kill()
    server.start()
    await looks
