"""Schedules in words and as documents, and what of a command line stands for their values."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime
from typing import cast
from zoneinfo import ZoneInfo

import orjson

from homa.cli.documents.schedules import (
    DeliveryDocument,
    ForecastDocument,
    ScheduleDocument,
    ScheduleRunDocument,
    TimingDocument,
)
from homa.cli.output import dollars, number, span, usd_or_null
from homa.client.schedule_flows import BackfillForecast
from homa_shared.model.constants import LATE_MS
from homa_shared.model.errors import InvalidRequest
from homa_shared.schedules.delivery import shown_target
from homa_shared.schedules.timing import checked_zone, moment_in, read_timing
from homa_shared.store.reads.deliveries import Delivery
from homa_shared.store.reads.schedules import ScheduleRun, ScheduleView

#: Deliveries that are shown in words.
SHOWN = 20


def budget_of(text: str | None) -> tuple[str | None, str]:
    """Dollars and period of `USD/PERIOD`; a month where no period is said."""
    if text is None:
        return None, "month"
    amount, _, period = text.partition("/")
    return amount, period or "month"


def moment_of(option: str, text: str | None, zone: str) -> datetime | None:
    """A moment of ISO 8601; one without an offset is in the zone.

    Raises:
        InvalidRequest: it is none.
    """
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequest(
            f"{option} is {text!r:.80}: {error}; expected a moment such as 2026-01-31 or 2026-01-31T07:00"
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=ZoneInfo(checked_zone(zone)))


def late_ms(view: ScheduleView, now_ms: int) -> int:
    """For how long a tick is due that nobody has fired; 0 where none is late."""
    if view.state != "active" or view.due_ms is None or now_ms - view.due_ms <= LATE_MS:
        return 0
    return now_ms - view.due_ms


def needs_look(view: ScheduleView, now_ms: int) -> bool:
    """Whether a person should look: an alarm stands, it paused by itself, or nobody fires its ticks."""
    return view.alarm is not None or late_ms(view, now_ms) > 0


def alarm_words(view: ScheduleView, now_ms: int) -> str:
    if overdue := late_ms(view, now_ms):
        return f"late: a tick is due since {span(overdue)}; is a worker running?"
    return "" if view.alarm is None else f"{view.alarm.kind}: {view.alarm.detail}"


def short_moment(moment: str) -> str:
    """ISO 8601 to the minute, without its offset: the zone stands beside it."""
    return moment[:16].replace("T", " ")


def schedule_row(view: ScheduleView, now_ms: int) -> tuple[str, ...]:
    """As `homa schedules list` shows it in 80 columns; where nothing is to come, the state says so."""
    timing = read_timing(view.timing)
    is_due = view.state == "active" and view.due_ms is not None
    following = short_moment(moment_in(view.due_ms or 0, timing.zone)) if is_due else view.state
    failed = number(view.failed) if view.failed else ""
    return view.name, timing.words(), following, number(view.fired), failed, alarm_words(view, now_ms)


def schedule_facts(view: ScheduleView, ticks: Sequence[datetime], now_ms: int) -> list[tuple[str, str]]:
    return [
        ("schedule", view.name),
        ("id", view.id),
        ("when", read_timing(view.timing).words()),
        ("state", f"{view.state}: {view.paused_why}" if view.paused_why else view.state),
        ("next", ", ".join(tick.isoformat() for tick in ticks)),
        ("starts", _start(view)),
        ("runs", _arguments(view)),
        ("made by", "homa.toml" if view.origin == "settings" else ""),
        ("missed", view.missed),
        ("overlap", view.overlap),
        ("jitter", span(view.jitter_ms) if view.jitter_ms else ""),
        ("budget", f"{dollars(view.cap_nano_usd)} a {view.period}" if view.cap_nano_usd is not None else ""),
        ("delivers to", ", ".join(map(shown_target, view.deliver))),
        ("fired", number(view.fired)),
        ("skipped", number(view.skipped) if view.skipped else ""),
        ("failed", number(view.failed) if view.failed else ""),
        ("cancelled", number(view.cancelled) if view.cancelled else ""),
        ("late", number(view.late) if view.late else ""),
        ("alarm", alarm_words(view, now_ms)),
    ]


def _arguments(view: ScheduleView) -> str:
    """The command of which each tick makes a batch."""
    return f"homa run {shlex.join(orjson.loads(view.raw['request']))}" if view.fills else ""


def _start(view: ScheduleView) -> str:
    """When the work of the next tick starts, where jitter moves it."""
    if not view.jitter_ms or view.state != "active" or view.due_ms is None:
        return ""
    return moment_in(view.due_ms, read_timing(view.timing).zone)


def schedule_document(view: ScheduleView) -> ScheduleDocument:
    timing = read_timing(view.timing)
    return {
        "name": view.name,
        "id": view.id,
        **cast(TimingDocument, timing.row()),
        "run": orjson.loads(view.raw["request"]) if view.fills else None,
        "state": view.state,
        "origin": view.origin,
        "paused_why": view.paused_why or None,
        "next": moment_in(view.next_ms, timing.zone) if view.next_ms is not None else None,
        "starts": moment_in(view.due_ms, timing.zone) if view.due_ms is not None else None,
        "last": moment_in(view.last_ms, timing.zone) if view.last_ms is not None else None,
        "missed": view.missed,
        "overlap": view.overlap,
        "jitter_ms": view.jitter_ms,
        "budget_usd": usd_or_null(view.cap_nano_usd),
        "budget_period": view.period or None,
        "deliver": list(map(shown_target, view.deliver)),
        "fired": view.fired,
        "skipped": view.skipped,
        "succeeded": view.succeeded,
        "failed": view.failed,
        "cancelled": view.cancelled,
        "late": view.late,
        "alarm": None if view.alarm is None else {"kind": view.alarm.kind, "detail": view.alarm.detail},
    }


def forecast_words(forecast: BackfillForecast) -> str:
    ticks = f"{number(forecast.ticks)} {'tick' if forecast.ticks == 1 else 'ticks'}"
    costs = []
    if forecast.usual_nano_usd is not None:
        costs.append(f"{dollars(forecast.usual_nano_usd)} by what its runs usually cost")
    if forecast.most_nano_usd is not None:
        costs.append(f"{dollars(forecast.most_nano_usd)} at most")
    return f"{'more than ' if forecast.is_cut else ''}{ticks}, {', '.join(costs) or 'of unknown cost'}"


def forecast_document(forecast: BackfillForecast) -> ForecastDocument:
    return {
        "ticks": forecast.ticks,
        "more_ticks": forecast.is_cut,
        "usual_usd": usd_or_null(forecast.usual_nano_usd),
        "most_usd": usd_or_null(forecast.most_nano_usd),
    }


def run_row(run: ScheduleRun) -> tuple[str, ...]:
    by = "" if run.by == "tick" else run.by
    told = " ".join(filter(None, (run.job, run.detail)))
    return short_moment(run.at), run.state, by, dollars(run.cost_nano_usd), told


def run_document(run: ScheduleRun) -> ScheduleRunDocument:
    return {
        "tick": run.at,
        "state": run.state,
        "by": run.by,
        "job": None if run.batch else run.job or None,
        "batch": run.batch or None,
        "lines": run.lines,
        "lines_failed": run.lines_failed if run.batch else None,
        "inputs_unsent": run.unsent if run.batch else None,
        "cost_usd": usd_or_null(run.cost_nano_usd),
        "unresolved_usd": usd_or_null(run.unresolved_nano_usd),
        "missed": run.missed,
        "detail": run.detail or None,
    }


def delivery_row(delivery: Delivery, now_ms: int) -> tuple[str, ...]:
    again = f", again in {span(max(0, delivery.next_ms - now_ms))}" if delivery.next_ms is not None else ""
    told = f"{delivery.target}: {delivery.error}{again}" if delivery.error else delivery.target
    return short_moment(delivery.at), delivery.state, number(delivery.tries), told


def delivery_document(delivery: Delivery) -> DeliveryDocument:
    return {
        "id": delivery.id,
        "tick": delivery.at,
        "target": delivery.target,
        "state": delivery.state,
        "tries": delivery.tries,
        "error": delivery.error or None,
    }
