"""Schedules of one namespace under a simulated clock, and the verbs by which tests drive them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from homa_shared.model.constants import LATE_MS
from homa_shared.schedules.timing import Cron, Timing, jitter_of, moment_in
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.transitions.schedules import Definition, Put, put_schedule
from homa_workers.schedules.ticker import Ticker
from tests.schedules.clock import SimulatedClock
from tests.transitions.cell import BOUND, Cell

DAILY = Cron("0 7 * * *", "Europe/Berlin")
MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def ms(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp() * 1000)  # type: ignore[arg-type,misc]


class Stand(Cell):
    """A cell whose clock stands at noon of the first of March until a test moves it."""

    def __init__(self, address: StoreAddress, namespace: str, now_ms: int = ms(2026, 3, 1, 12)) -> None:
        super().__init__(address, namespace)
        self.clock = SimulatedClock(self.store._client, self.keys.prefix)
        self.clock.set(now_ms)
        self.async_store = AsyncStore(address, namespace, role="test")
        self.ticker = self.another("w1")

    def another(self, worker: str) -> Ticker:
        """A worker's ticker; each look is its own."""
        return Ticker(self.async_store, worker, lease_ms=30_000, hold_ms=1)

    def now(self) -> int:
        return self.clock.now

    def make(self, name: str, timing: Timing = DAILY, *, bound: int | None = BOUND, **fields: Any) -> Put:
        """A schedule of one plain job; `fields` go into its hash."""
        jitter = int(fields.get("jitter", 0))
        common = {"v": 1, "kd": "j", "q": "p", "ln": "default", "tg": "p:m", "tn": "", "mx": 6}
        entry = {} if bound is None else {"bn": str(bound)}
        told = {
            "timing": orjson.dumps(timing.row()).decode(),
            "missed": "once",
            "overlap": "skip",
            "common": orjson.dumps(common).decode(),
            "entry": orjson.dumps(entry).decode(),
            "request": '{"prompt":"{{since}} to {{until}}"}',
            "holes": '["{{since}}","{{until}}"]',
        } | {field: value if isinstance(value, str) else str(value) for field, value in fields.items()}
        replace = bool(told.pop("replace", ""))
        said = {field: value for field, value in told.items() if field != "timing"}
        when = {field: value for field, value in timing.row().items() if field != "anchor_ms"}
        digest = told.pop("digest", str(hash((name, str(when), tuple(sorted(said.items()))))))
        tick = timing.after(self.now()) or self.now()
        new_id = f"{name}.{len(self.redis('HGETALL', self.keys.schedule_names()))}"
        op = put_schedule(
            self.keys,
            Definition(name, digest, told),
            new_id=new_id,
            tick=tick,
            due=tick + jitter_of(new_id, tick, jitter),
            replace=replace,
        )
        return self.run(op)

    async def turn(self) -> None:
        """One worker's looks, until nothing is to be done."""
        while await self.ticker.turn() == 0.0:
            pass

    async def go_to(self, moment_ms: int) -> None:
        """The clock goes on from tick to tick, and a worker is awake."""
        while True:
            await self.turn()
            due = self.redis("ZRANGE", self.keys.schedules(), 0, 0, "WITHSCORES")
            following = int(float(due[0][1] if isinstance(due[0], list) else due[1])) if due else moment_ms + 1
            if following > moment_ms:
                break
            self.clock.set(max(following, self.now()))
        self.clock.set(moment_ms)
        await self.turn()

    async def sleep_to(self, moment_ms: int) -> None:
        """Nobody is awake until then."""
        self.clock.set(moment_ms)
        await self.turn()

    async def do_all(self, **report: Any) -> list[str]:
        """A worker does what waits; runs are summed up."""
        done = []
        for claim in self.take(100).claims:
            self.settle(claim, **report)
            done.append(claim.id)
        await self.turn()
        return done

    def field(self, schedule: str, name: str) -> str:
        value = self.redis("HGET", self.keys.schedule(schedule), name)
        return "" if value is None else value.decode()

    def history(self, schedule: str) -> dict[str, dict[str, Any]]:
        """Runs by their tick for people."""
        flat = self.redis("HGETALL", self.keys.schedule_history(schedule))
        items = flat.items() if isinstance(flat, dict) else zip(flat[::2], flat[1::2], strict=True)
        runs = [orjson.loads(value) for _, value in sorted(items, key=lambda item: int(item[0]))]
        return {run["at"]: run for run in runs}

    def states(self, schedule: str) -> list[str]:
        return [f"{at[:16]} {run['state']}" for at, run in self.history(schedule).items()]

    def alarm(self, schedule: str) -> str:
        told = self.field(schedule, "alarm")
        return f"{orjson.loads(told)['kind']}: {orjson.loads(told)['detail']}" if told else ""

    def waiting_jobs(self) -> list[str]:
        """Of runs; those of backfills are in the bulk lane."""
        lanes = (self.keys.backlog("p", lane, "p:m", "") for lane in ("default", "bulk"))
        return [name.decode() for lane in lanes for name in self.redis("ZRANGE", lane, 0, -1)]

    def request(self, job: str) -> str:
        return str(self.redis("GET", self.keys.request(job)).decode())

    async def aclose(self) -> None:
        await self.async_store.aclose()
        self.store.close()


__all__ = ["DAILY", "DAY", "HOUR", "LATE_MS", "MINUTE", "Stand", "moment_in", "ms"]
