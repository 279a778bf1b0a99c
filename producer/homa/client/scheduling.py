"""What `Homa` and `AsyncHoma` do with schedules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from homa_shared.model.errors import InvalidRequest

# What makes schedules is imported at the first use: clients without any start sooner.
if TYPE_CHECKING:
    from homa.client.aio_schedule_handles import AsyncSchedule
    from homa.client.schedule_handles import Schedule
    from homa.client.schedule_making import ScheduleTimes
    from homa.drivers.aio import AwaitingDriver
    from homa.drivers.blocking import BlockingDriver
    from homa.drivers.effects import Flow
    from homa.submit.schedule_definition import Policies, RunArguments
    from homa.submit.submitter import Submitter
    from homa_shared.store.reads.schedules import ScheduleView

Missed: TypeAlias = Literal["once", "skip", "all"]
Overlap: TypeAlias = Literal["skip", "queue", "cancel", "allow"]
Period: TypeAlias = Literal["day", "month", "total"]
Dollars: TypeAlias = str | float | Decimal


class Scheduling:
    """Schedules, for threads."""

    _driver: BlockingDriver
    _submitter: Submitter

    def schedule(
        self,
        name: str,
        request: str | Mapping[str, Any] | None = None,
        *,
        run: Sequence[str] | None = None,
        cron: str | None = None,
        every_s: float | None = None,
        at: datetime | None = None,
        tz: str | None = None,
        missed: Missed = "once",
        overlap: Overlap = "skip",
        jitter_s: float = 0,
        budget_usd: Dollars | None = None,
        budget_period: Period = "month",
        pause_after: int = 10,
        deliver: str | Sequence[str] | None = None,
        replace: bool = False,
        **options: Any,
    ) -> Schedule:
        """Make a schedule, or with its name alone get the handle of one that was made.

        Workers fire its ticks. Making it again in the same way changes nothing, so that a program may do so whenever
        it starts.

        Args:
            name: 1 to 64 letters, digits, `-` and `_`.
            request: a prompt, or a mapping of `submit`'s options. In it `{{tick}}`, `{{since}}` (the run before) and
                `{{until}}` stand for moments, with a format as in `{{tick:%Y-%m-%d}}`.
            run: instead of a request arguments of `homa run`, one by one: each tick makes a batch of what the inputs
                are then, such as `["/data/*.txt", "--prompt", "Classify: {{text}}", "--model", "openai:gpt-6-luna"]`.
                The same variables stand for moments in them; relative paths begin at this process's folder.
            cron: five fields; instead of it `every_s`, seconds between two ticks, or `at`, one moment.
            tz: IANA zone of the cron line, and of the moments; UTC unless said.
            missed: of ticks that came while no worker was awake: one run for all, none, or a run for each.
            overlap: when a tick comes while the run before goes on: skip it, queue it, cancel that run, or allow both.
            jitter_s: its work starts up to so many seconds behind each tick, by tick the same; less than what lies
                between two ticks.
            budget_usd: most that its runs may cost in a `budget_period` (in UTC).
            pause_after: failed runs in a row behind which it pauses; 0: never. Cancelled ones are not counted, nor are
                ticks for which the budget has no room.
            deliver: where what each run comes to goes: `https://…`, `mailto:name@host`, a directory or bucket
                (`/var/digests/`, `s3://bucket/digests/`), or several of them.
            replace: give a schedule of this name this definition, by the fleet's settings as they are now.
            options: as `submit`.

        Raises:
            InvalidRequest: something of it is wrong (a line that never fires, an unknown zone, a time that is past), or
                another definition has the name; nothing was stored.
            UnknownModel, BudgetExceeded: its jobs could never be done.
            StoreUnavailable, StoreFull: it was not made, as far as the store told.
        """
        if request is None and run is None:
            return self._handle(name, options, cron, every_s, at)
        from homa.client.schedule_making import ScheduleTimes
        from homa.submit.schedule_definition import Policies

        policies = Policies.checked(missed, overlap, jitter_s, budget_usd, budget_period, pause_after, deliver, tz)
        times = ScheduleTimes(cron, every_s, at, tz)
        kept = None
        if run is not None:
            from homa.client.planned_runs import plan_run

            _check_run_alone(request, options)
            kept = plan_run(run)
        self._driver.run(_making(self._submitter, name, request, kept, times, policies, options, replace=replace))
        return self._handle(name, {})

    def schedules(self) -> list[ScheduleView]:
        """Every schedule as it stands, by name."""
        from homa.client.schedule_flows import all_schedules

        return self._driver.run(all_schedules(self._submitter.keys))

    def _handle(self, name: str, options: Mapping[str, Any], *times: object) -> Schedule:
        _check_alone(name, options, times)
        from homa.client.schedule_flows import ScheduleFlows
        from homa.client.schedule_handles import Schedule
        from homa.submit.schedule_definition import checked_name

        return Schedule(self._driver, ScheduleFlows(self._submitter.keys, checked_name(name)))


class AsyncScheduling:
    """Schedules, for event loops."""

    _driver: AwaitingDriver
    _submitter: Submitter

    async def schedule(
        self,
        name: str,
        request: str | Mapping[str, Any] | None = None,
        *,
        run: Sequence[str] | None = None,
        cron: str | None = None,
        every_s: float | None = None,
        at: datetime | None = None,
        tz: str | None = None,
        missed: Missed = "once",
        overlap: Overlap = "skip",
        jitter_s: float = 0,
        budget_usd: Dollars | None = None,
        budget_period: Period = "month",
        pause_after: int = 10,
        deliver: str | Sequence[str] | None = None,
        replace: bool = False,
        **options: Any,
    ) -> AsyncSchedule:
        """Make a schedule, or with its name alone get the handle of one that was made; as `Homa.schedule`."""
        if request is None and run is None:
            _check_alone(name, options, (cron, every_s, at))
        else:
            from homa.client.schedule_making import ScheduleTimes
            from homa.submit.schedule_definition import Policies

            policies = Policies.checked(missed, overlap, jitter_s, budget_usd, budget_period, pause_after, deliver, tz)
            times = ScheduleTimes(cron, every_s, at, tz)
            kept = None
            if run is not None:
                import asyncio

                from homa.client.planned_runs import plan_run

                _check_run_alone(request, options)
                kept = await asyncio.to_thread(plan_run, run)
            making = _making(self._submitter, name, request, kept, times, policies, options, replace=replace)
            await self._driver.run(making)
        from homa.client.aio_schedule_handles import AsyncSchedule  # with asyncio, which `Homa` does without
        from homa.client.schedule_flows import ScheduleFlows
        from homa.submit.schedule_definition import checked_name

        return AsyncSchedule(self._driver, ScheduleFlows(self._submitter.keys, checked_name(name)))

    async def schedules(self) -> list[ScheduleView]:
        """Every schedule as it stands, by name."""
        from homa.client.schedule_flows import all_schedules

        return await self._driver.run(all_schedules(self._submitter.keys))


def _making(
    submitter: Submitter,
    name: str,
    request: str | Mapping[str, Any] | None,
    run: RunArguments | None,
    times: ScheduleTimes,
    policies: Policies,
    options: Mapping[str, Any],
    *,
    replace: bool,
) -> Flow[str]:
    """What makes a schedule of single jobs, or of batches."""
    if run is None:
        from homa.client.schedule_making import make_schedule

        return make_schedule(
            submitter, name, "" if request is None else request, times, policies, options, replace=replace
        )
    from homa.client.schedule_making import make_batch_schedule

    return make_batch_schedule(submitter, name, run, times, policies, replace=replace)


def _check_run_alone(request: object, options: Mapping[str, Any]) -> None:
    if request is not None or options:
        extra = "request" if request is not None else next(iter(options))
        raise InvalidRequest(f"{extra} beside run: expected it among the arguments of `homa run`")


def _check_alone(name: object, options: Mapping[str, Any], times: tuple[object, ...]) -> None:
    if options or any(value is not None for value in times):
        raise InvalidRequest(
            f"schedule {name!r:.80} has no request: expected a prompt or submit's options, run=[…], or the name alone"
        )
