"""The handle of a schedule, for threads."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from homa.client.batch_flows import BatchFlows
from homa.client.handles import Batch, Job
from homa.client.job_flows import JobFlows
from homa.client.schedule_flows import WINDOW, ScheduleFlows
from homa.client.short_tracebacks import short_tracebacks
from homa.drivers.blocking import BlockingDriver

if TYPE_CHECKING:
    from homa_shared.store.reads.deliveries import Delivery
    from homa_shared.store.reads.schedules import ScheduleRun, ScheduleView


@short_tracebacks
class Schedule:
    """A schedule. The handle holds nothing but its name."""

    def __init__(self, driver: BlockingDriver, flows: ScheduleFlows) -> None:
        self._driver, self._flows = driver, flows

    @property
    def name(self) -> str:
        return self._flows.name

    def view(self) -> ScheduleView:
        """It as it stands: state, next tick, counts, alarm."""
        return self._driver.run(self._flows.view())

    def history(self) -> list[ScheduleRun]:
        """Its latest runs, up to a hundred, in the order of their ticks."""
        return self._driver.run(self._flows.history())

    def deliveries(self) -> list[Delivery]:
        """Its latest deliveries, up to two hundred, oldest first."""
        return self._driver.run(self._flows.deliveries())

    def redeliver(self, tick: datetime | None = None) -> int:
        """Try deliveries that failed again, for another day; returns how many.

        Args:
            tick: those of this one alone.
        """
        return (self._driver.run(self._flows.redeliver(tick))).again

    def next_ticks(self, count: int = 5) -> list[datetime]:
        """When it fires next, in its zone; empty while it is paused."""
        return self._driver.run(self._flows.next_ticks(count))

    def pause(self, why: str = "") -> None:
        """Fire no further tick; what came meanwhile is not made up for."""
        self._driver.run(self._flows.pause(why))

    def resume(self) -> None:
        """Fire again, from the next tick on; a standing alarm is taken as seen."""
        self._driver.run(self._flows.resume())

    def run(self) -> Job[None]:
        """Run it now, beside its ticks."""
        return Job(self._driver, JobFlows(self._flows.keys, self._driver.run(self._flows.run(as_batch=False))))

    def run_batch(self) -> Batch[None]:
        """Run a schedule of batches now, beside its ticks. A worker reads the input."""
        return Batch(self._driver, BatchFlows(self._flows.keys, self._driver.run(self._flows.run(as_batch=True))))

    def backfill(
        self,
        since: datetime,
        until: datetime,
        *,
        budget_usd: str | float | Decimal | None = None,
        window: int = WINDOW,
    ) -> Batch[None]:
        """Run it for ticks of the past that had no run, oldest first.

        Args:
            since: ticks from here on; without a zone in UTC.
            until: ticks before this.
            budget_usd: most that all of them may cost; where it has no room for another one, the backfill stops.
            window: most runs at once.

        Returns:
            The batch of its runs; the `custom_id` of a line is its tick. Where runs are batches themselves, it has
            their counts, and `history()` their ids.

        Raises:
            InvalidRequest: the range is empty, reversed or not past, or nobody knows what a run costs.
        """
        found = self._driver.run(self._flows.backfill(since, until, budget_usd, window))
        return Batch(self._driver, BatchFlows(self._flows.keys, found))

    def delete(self) -> None:
        """Forget it and its history. Runs that go on do so."""
        self._driver.run(self._flows.delete())

    def __repr__(self) -> str:
        return f"<Schedule {self.name}>"
