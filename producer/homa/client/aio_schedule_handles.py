"""The handle of a schedule, for event loops."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from homa.client.aio_handles import AsyncBatch, AsyncJob
from homa.client.batch_flows import BatchFlows
from homa.client.job_flows import JobFlows
from homa.client.schedule_flows import WINDOW, ScheduleFlows
from homa.client.short_tracebacks import short_tracebacks
from homa.drivers.aio import AwaitingDriver

if TYPE_CHECKING:
    from homa_shared.store.reads.deliveries import Delivery
    from homa_shared.store.reads.schedules import ScheduleRun, ScheduleView


@short_tracebacks
class AsyncSchedule:
    """A schedule. The handle holds nothing but its name; methods as `Schedule`'s, awaitable."""

    def __init__(self, driver: AwaitingDriver, flows: ScheduleFlows) -> None:
        self._driver, self._flows = driver, flows

    @property
    def name(self) -> str:
        return self._flows.name

    async def view(self) -> ScheduleView:
        """It as it stands: state, next tick, counts, alarm."""
        return await self._driver.run(self._flows.view())

    async def history(self) -> list[ScheduleRun]:
        """Its latest runs, up to a hundred, in the order of their ticks."""
        return await self._driver.run(self._flows.history())

    async def deliveries(self) -> list[Delivery]:
        """Its latest deliveries, up to two hundred, oldest first."""
        return await self._driver.run(self._flows.deliveries())

    async def redeliver(self, tick: datetime | None = None) -> int:
        """Try deliveries that failed again, for another day; returns how many.

        Args:
            tick: those of this one alone.
        """
        return (await self._driver.run(self._flows.redeliver(tick))).again

    async def next_ticks(self, count: int = 5) -> list[datetime]:
        """When it fires next, in its zone; empty while it is paused."""
        return await self._driver.run(self._flows.next_ticks(count))

    async def pause(self, why: str = "") -> None:
        """Fire no further tick; what came meanwhile is not made up for."""
        await self._driver.run(self._flows.pause(why))

    async def resume(self) -> None:
        """Fire again, from the next tick on; a standing alarm is taken as seen."""
        await self._driver.run(self._flows.resume())

    async def run(self) -> AsyncJob[None]:
        """Run it now, beside its ticks."""
        found = await self._driver.run(self._flows.run(as_batch=False))
        return AsyncJob(self._driver, JobFlows(self._flows.keys, found))

    async def run_batch(self) -> AsyncBatch[None]:
        """Run a schedule of batches now, beside its ticks. A worker reads the input."""
        found = await self._driver.run(self._flows.run(as_batch=True))
        return AsyncBatch(self._driver, BatchFlows(self._flows.keys, found))

    async def backfill(
        self,
        since: datetime,
        until: datetime,
        *,
        budget_usd: str | float | Decimal | None = None,
        window: int = WINDOW,
    ) -> AsyncBatch[None]:
        """Run it for ticks of the past that had no run; as `Schedule.backfill`."""
        found = await self._driver.run(self._flows.backfill(since, until, budget_usd, window))
        return AsyncBatch(self._driver, BatchFlows(self._flows.keys, found))

    async def delete(self) -> None:
        """Forget it and its history. Runs that go on do so."""
        await self._driver.run(self._flows.delete())

    def __repr__(self) -> str:
        return f"<AsyncSchedule {self.name}>"
