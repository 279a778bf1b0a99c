"""Schedules that homa.toml has become the store's: made, changed, paused, resumed; none is deleted unless asked.

1. Everything is checked, and compared with what stands, before anything is written.
2. Each schedule is defined by the fleet's settings and put by the script that makes any other, so that repeating it
   after a failure at any step changes nothing twice.
3. Then those that are to pause do. One that a person paused stays paused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from homa.client.planned_runs import plan_run
from homa.client.schedule_flows import ScheduleFlows, all_schedules
from homa.client.schedule_making import check_model, put_definition
from homa.drivers.effects import Flow, ask_patiently
from homa.submit.asked import Asked
from homa.submit.schedule_definition import (
    Policies,
    RunArguments,
    batch_definition,
    check_jitter,
    checked_name,
    checked_timing,
    define,
    definition_digest,
    request_for,
)
from homa.submit.submitter import Submitter
from homa_shared.model.errors import BudgetExceeded, InvalidRequest
from homa_shared.schedules.delivery import checked_targets
from homa_shared.schedules.timing import Timing
from homa_shared.schedules.variables import holes_in
from homa_shared.settings.schedule_section import ScheduleSettings
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.reads.schedules import ScheduleView
from homa_shared.store.sealing import is_known_by
from homa_shared.store.transitions import schedules as transitions
from homa_shared.store.transitions.schedules import Definition

#: Who made a schedule, as `homa schedules show` tells.
SETTINGS = "settings"
#: Why a schedule is paused that its table says to pause; one that was paused for another reason is left alone.
_PAUSED = "homa.toml says paused"


@dataclass(frozen=True, slots=True)
class ScheduleChange:
    """What becomes, or would become, of a schedule."""

    name: str
    #: made, changed, paused, resumed, gone (from the file), deleted, or past (its moment was before it was made).
    action: str


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A table, checked."""

    name: str
    table: ScheduleSettings
    asked: Asked | RunArguments
    timing: Timing
    policies: Policies

    @property
    def digest(self) -> str:
        return definition_digest(self.asked, self.timing, self.policies)


def compared_schedules(submitter: Submitter, tables: Mapping[str, ScheduleSettings]) -> Flow[list[ScheduleChange]]:
    """What `apply_schedules` would do, as far as the tables alone tell; nothing is written.

    Raises:
        InvalidRequest: a table is wrong, or a program or person made a schedule of its name.
    """
    views = yield from _standing(submitter)
    wanted = yield from _wanted(submitter, tables, views)
    changes = [
        ScheduleChange(one.name, action)
        for one in wanted
        for action in _actions(submitter.keys, one, views.get(one.name))
    ]
    return changes + [ScheduleChange(name, "gone") for name in _gone(tables, views)]


def apply_schedules(
    submitter: Submitter, tables: Mapping[str, ScheduleSettings], *, delete: bool = False
) -> Flow[list[ScheduleChange]]:
    """Makes schedules as tables of homa.toml have them; returns what changed.

    Args:
        delete: those that an earlier homa.toml had, and this one has not, are deleted; else they are told as `gone`.

    Raises:
        InvalidRequest: as `compared_schedules`; nothing was written.
        UnknownModel, BudgetExceeded: jobs of one could never be done; those before it were made.
    """
    views = yield from _standing(submitter)
    wanted = yield from _wanted(submitter, tables, views)
    changes: list[ScheduleChange] = []
    for one in wanted:
        changes += yield from _put(submitter, one, views.get(one.name))
    for name in _gone(tables, views):
        if delete:
            yield from ScheduleFlows(submitter.keys, name).delete()
        changes.append(ScheduleChange(name, "deleted" if delete else "gone"))
    return changes


def _standing(submitter: Submitter) -> Flow[dict[str, ScheduleView]]:
    found = yield from all_schedules(submitter.keys)
    return {view.name: view for view in found}


def _wanted(
    submitter: Submitter, tables: Mapping[str, ScheduleSettings], views: Mapping[str, ScheduleView]
) -> Flow[list[_Wanted]]:
    now_ms = yield from ask_patiently(reads.server_time(submitter.keys))
    found = []
    for name, table in tables.items():
        try:
            found.append(_checked(name, table, now_ms, submitter.settings_folder))
        except InvalidRequest as error:
            raise InvalidRequest(f"schedules.{name}: {error}") from None
        if name in views and views[name].origin != SETTINGS:
            raise InvalidRequest(
                f"schedules.{name}: a schedule of this name was not made by homa.toml: expected another name, "
                f"or `homa schedules delete {name}` before"
            )
    return found


def _checked(name: str, table: ScheduleSettings, now_ms: int, folder: str | None) -> _Wanted:
    checked_name(name)
    asked = (
        request_for(table.prompt or {}, {**table.options, "model": table.model})
        if table.run is None
        else plan_run(table.run, folder)
    )
    at = table.at
    if at is not None and at.tzinfo is None:
        at = at.replace(tzinfo=ZoneInfo(table.tz))
    timing = checked_timing(table.cron, table.every_s, at, table.tz, now_ms)
    check_jitter(timing, table.jitter_s * 1000, now_ms)
    if isinstance(asked, Asked):
        holes_in(asked.prepared.json.decode(), timing.zone)
    policies = Policies(
        table.missed,
        table.overlap,
        table.jitter_s * 1000,
        table.budget_nano_usd,
        table.budget_period,
        table.pause_after,
        checked_targets(table.deliver, timing.zone),
    )
    return _Wanted(name, table, asked, timing, policies)


def _actions(keys: Keys, one: _Wanted, view: ScheduleView | None) -> list[str]:
    if view is None:
        return ["made", "paused"] if one.table.paused else ["made"]
    changed = [] if is_known_by(keys, view.digest, one.digest) else ["changed"]
    return changed + _turn(one, view)


def _turn(one: _Wanted, view: ScheduleView) -> list[str]:
    """Whether it pauses or goes on."""
    if one.table.paused:
        return ["paused"] if view.state == "active" else []
    return ["resumed"] if view.state == "paused" and view.paused_why == _PAUSED else []


def _put(submitter: Submitter, one: _Wanted, view: ScheduleView | None) -> Flow[list[ScheduleChange]]:
    try:
        definition = yield from _defined(submitter, one)
    except (InvalidRequest, BudgetExceeded) as error:
        error.args = (f"schedules.{one.name}: {error}",)
        raise
    # An alias may stand for something else by now: what was said alone does not tell.
    put = yield from put_definition(submitter, definition, one.timing, one.policies, replace=True)
    if put.answer == "past":
        return [ScheduleChange(one.name, "past")]
    told = {"made": ["made"], "replaced": ["changed"]}.get(put.answer, [])
    turns = _turn(one, view) if view is not None else _actions(submitter.keys, one, None)[1:]
    for turn in turns:
        flows = ScheduleFlows(submitter.keys, one.name)
        if turn == "paused":
            yield from ask_patiently(transitions.pause_schedule(submitter.keys, put.id, _PAUSED))
        else:
            yield from flows.resume()
    return [ScheduleChange(one.name, action) for action in told + turns]


def _defined(submitter: Submitter, one: _Wanted) -> Flow[Definition]:
    if isinstance(one.asked, Asked):
        return (yield from define(submitter, one.name, one.asked, one.timing, one.policies, origin=SETTINGS))
    definition = batch_definition(one.name, one.asked, one.timing, one.policies, origin=SETTINGS)
    yield from check_model(submitter, one.asked)
    return definition


def _gone(tables: Mapping[str, ScheduleSettings], views: Mapping[str, ScheduleView]) -> list[str]:
    return [name for name, view in views.items() if view.origin == SETTINGS and name not in tables]
