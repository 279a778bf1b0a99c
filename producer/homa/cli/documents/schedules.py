"""Documents of `homa schedules`."""

from __future__ import annotations

from typing import NotRequired

from typing_extensions import TypedDict


class AlarmDocument(TypedDict):
    kind: str
    detail: str


class TimingDocument(TypedDict):
    """A cron line, an interval with its anchor, or one moment."""

    tz: str
    cron: NotRequired[str]
    every_ms: NotRequired[int]
    anchor_ms: NotRequired[int]
    at_ms: NotRequired[int]


class ScheduleDocument(TimingDocument):
    name: str
    id: str
    #: Arguments of `homa run`, where each tick makes a batch.
    run: list[str] | None
    state: str
    origin: str
    paused_why: str | None
    #: Moments of ISO 8601 in its zone.
    next: str | None
    starts: str | None
    last: str | None
    missed: str
    overlap: str
    jitter_ms: int
    budget_usd: str | None
    budget_period: str | None
    deliver: list[str]
    fired: int
    skipped: int
    succeeded: int
    failed: int
    cancelled: int
    late: int
    alarm: AlarmDocument | None


class MadeScheduleDocument(ScheduleDocument):
    next_ticks: list[str]


class ListedScheduleDocument(ScheduleDocument):
    #: For how long a tick is due that nobody has fired.
    late_ms: int


class SchedulesDocument(TypedDict):
    schedules: list[ListedScheduleDocument]


class ScheduleRunDocument(TypedDict):
    tick: str
    state: str
    by: str
    job: str | None
    batch: str | None
    lines: int | None
    lines_failed: int | None
    inputs_unsent: int | None
    cost_usd: str | None
    unresolved_usd: str | None
    missed: int
    detail: str | None


class DeliveryDocument(TypedDict):
    id: str
    tick: str
    target: str
    state: str
    tries: int
    error: str | None


class ShownScheduleDocument(MadeScheduleDocument, ListedScheduleDocument):
    runs: list[ScheduleRunDocument]
    deliveries: list[DeliveryDocument]


class StartedRunDocument(TypedDict):
    schedule: str
    #: One of them, as the schedule's work is.
    job: NotRequired[str]
    batch: NotRequired[str]


class ForecastDocument(TypedDict):
    ticks: int
    #: There are more than were counted.
    more_ticks: bool
    usual_usd: str | None
    most_usd: str | None


class BackfillDocument(ForecastDocument):
    schedule: str
    batch: str


class RedeliveredDocument(TypedDict):
    schedule: str
    again: int
    #: Deliveries of which nothing is kept that could be sent.
    gone: int
