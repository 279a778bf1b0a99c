"""One table from the names of events in the store's stream to their types, and how an entry is read."""

from __future__ import annotations

import re
from collections.abc import Mapping

from homa_shared.model import events
from homa_shared.model.events import Event, JobEvent, Missed, OtherEvent

#: Name in the stream -> type. A name stays as long as stores may hold it.
KINDS: dict[str, type[Event]] = {
    "job.succeeded": events.JobSucceeded,
    "job.failed": events.JobFailed,
    "job.cancelled": events.JobCancelled,
    "job.expired": events.JobExpired,
    "job.deferred": events.JobDeferred,
    "job.rerouted": events.JobRerouted,
    "job.retried": events.JobRetried,
    "job.asked": events.JobAsked,
    "job.answered": events.JobAnswered,
    "job.recovered": events.JobRecovered,
    "job.resolved": events.AttemptResolved,
    "attempt.resolved": events.AttemptResolved,
    "batch.completed": events.BatchCompleted,
    "batch.paused": events.BatchPaused,
    "batch.resumed": events.BatchResumed,
    "batch.cancelled": events.BatchCancelled,
    "budget.used": events.BudgetMark,
    "breaker.opened": events.BreakerOpened,
    "breaker.closed": events.BreakerClosed,
    "scope.frozen": events.LimitFrozen,
    "scope.unfrozen": events.LimitUnfrozen,
    "queue.paused": events.QueuePaused,
    "queue.resumed": events.QueueResumed,
    "fleet.changed": events.FleetChanged,
    "schedule.alarmed": events.ScheduleAlarmed,
    "schedule.skipped": events.ScheduleSkipped,
    "schedule.paused": events.SchedulePaused,
    "schedule.resumed": events.ScheduleResumed,
    "schedule.deleted": events.ScheduleDeleted,
    "schedule.backfilled": events.BackfillStarted,
    "schedule.backfill_stopped": events.BackfillStopped,
    "webhook.failed": events.WebhookFailed,
}
#: Name of `Missed` among the events that are put back for one handler; the stream of the fleet's has none.
MISSED = "missed"
#: Field of a type -> field of the stream, where they are named differently.
_STORED = {"reason": "detail", "of": "detail", "token": "detail", "queue": "detail", "scope": "target"}


def decode(event_id: str, stored: Mapping[str, str]) -> Event:
    """The event of an entry of the stream; an unknown one, or one that cannot be read, is an `OtherEvent`."""
    name = stored.get("event", "")
    if name == MISSED and re.fullmatch(r"-?\d{1,18}", n := stored.get("n", ""), re.ASCII):
        return Missed(id=event_id, n=int(n) if int(n) > 0 else None)
    kind = KINDS.get(name)
    values: dict[str, object] = {}
    if kind is None or not _parsed(kind, stored, values):
        return OtherEvent(id=event_id, name=name, fields={k: v for k, v in stored.items() if k != "event"})
    return kind(id=event_id, **values)


def _parsed(kind: type[Event], stored: Mapping[str, str], values: dict[str, object]) -> bool:
    """Fills in the fields of a kind; False where the entry does not hold them."""
    detail = stored.get("detail", "")
    if kind is events.BudgetMark:
        found = re.fullmatch(r"(.*) (\d+)%", detail, re.DOTALL)
        values |= {"budget": found[1], "percent": int(found[2])} if found else {}
        return found is not None
    if issubclass(kind, events.ScheduleEvent):
        schedule, _, reason = detail.partition(": ")
        values |= {"schedule": schedule, "tenant": stored.get("tenant", ""), "reason": reason}
        return True
    if kind is events.FleetChanged:
        found = re.fullmatch(r"version (\d+)", detail)
        values |= {"version": int(found[1])} if found else {}
        return found is not None
    for name in kind.__dataclass_fields__.keys() - {"id"}:
        values[name] = stored.get(_STORED.get(name, name), "")
    if issubclass(kind, JobEvent):
        values["batch"] = values["batch"] or None
        pairs = (line.partition("=") for line in stored.get("tags", "").split("\n") if line)
        values["tags"] = {key: value for key, _, value in pairs}
    return True
