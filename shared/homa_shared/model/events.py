"""What happened in a fleet, as types: frozen records, which event_kinds.py reads from the store's stream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened. `id` orders events, is unique in a namespace, and resumes a reader."""

    id: str

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(int(self.id.split("-", 1)[0]) / 1000, UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobEvent(Event):
    """Of one job; `target` is the `provider:model` that it stood at, `batch` None outside of batches."""

    job: str
    target: str
    batch: str | None
    tenant: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSucceeded(JobEvent):
    """A job ended with a reply, its own or a cached one; its cost is booked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFailed(JobEvent):
    """A job ended without a reply; `reason` says why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCancelled(JobEvent):
    """A job was cancelled; `reason` says when."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobExpired(JobEvent):
    """A job's deadline passed; `reason` says where it stood."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDeferred(JobEvent):
    """An attempt failed and the job is tried again at the same target; `reason` is the attempt's outcome."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRerouted(JobEvent):
    """A job went on to its next target, which `target` names; `reason` is why it left the one before."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRetried(JobEvent):
    """A job that had ended without success was retried by hand as `job`; `of` is the one that had ended."""

    of: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAsked(JobEvent):
    """A step of a flow waits for a person or a webhook, who answers by `token`; `batch` is its run."""

    token: str


@dataclass(frozen=True, slots=True, kw_only=True)
class JobAnswered(JobEvent):
    """A step of a flow that waited was answered by its token, and goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRecovered(JobEvent):
    """A worker was lost in mid-call and its job is queued again; `reason` names the attempt."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptResolved(JobEvent):
    """The unresolved cost of a job's attempt was settled, by hand or by age; `reason` names the attempt."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCompleted(Event):
    """Each line of a sealed batch has ended."""

    batch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchPaused(Event):
    """A batch was paused; `reason` is the pauser's words."""

    batch: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResumed(Event):
    """A paused batch goes on."""

    batch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCancelled(Event):
    """A batch is to end; its jobs are cancelled one by one then. `reason` is empty where somebody asked for it."""

    batch: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetMark(Event):
    """Of the budget instance `budget`, `percent` (50, 80, 100) is spent or unresolved."""

    budget: str
    percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerOpened(Event):
    """Calls to `scope` (a target or an account) are held back; `reason` says why and for how long."""

    scope: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerClosed(Event):
    """Calls to `scope` pass again."""

    scope: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitFrozen(Event):
    """A provider refused a call of `job` at `scope` and asked for a pause of a second or more."""

    scope: str
    job: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitUnfrozen(Event):
    """The pause of `scope` was ended before its time."""

    scope: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueuePaused(Event):
    """Nothing is taken from `queue` any more."""

    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueResumed(Event):
    """Jobs are taken from `queue` again."""

    queue: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetChanged(Event):
    """The fleet's settings were changed; `version` is the new one."""

    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleEvent(Event):
    """Of the schedule of that name; `reason` says more where there is more to say, and is empty elsewhere."""

    schedule: str
    tenant: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleAlarmed(ScheduleEvent):
    """A run of a schedule is late, failed, or was not fired; `reason` says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSkipped(ScheduleEvent):
    """A tick of a schedule had no run; `reason` says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulePaused(ScheduleEvent):
    """A schedule fires no more ticks, by a person or by itself; `reason` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleResumed(ScheduleEvent):
    """A paused schedule goes on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleDeleted(ScheduleEvent):
    """A schedule was deleted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillStarted(ScheduleEvent):
    """Past ticks of a schedule are run; `reason` says from when to when."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackfillStopped(ScheduleEvent):
    """A backfill ended before its last tick; `reason` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookFailed(Event):
    """The URL that was to be told of the end of a job or batch could not be; `reason` says why."""

    job: str
    batch: str
    tenant: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherEvent(Event):
    """An event that this release does not know, with its fields as they are stored."""

    name: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed(Event):
    """Events before `id` were trimmed before they were read; `n` of them, None where the store cannot tell how many."""

    n: int | None
