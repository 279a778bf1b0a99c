"""Schedules that are made: checked, defined, put into the store, for the sync and the async client."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from homa.drivers.effects import Flow, ask
from homa.submit.options import check_options
from homa.submit.schedule_definition import (
    Policies,
    RunArguments,
    batch_definition,
    check_jitter,
    checked_name,
    checked_timing,
    define,
    request_for,
)
from homa.submit.submitter import Submitter
from homa.submit.template import Template
from homa_shared.model.errors import InvalidRequest
from homa_shared.schedules.timing import Timing, jitter_of, past_words
from homa_shared.store import reads
from homa_shared.store.transitions import schedules as transitions


@dataclass(frozen=True, slots=True)
class ScheduleTimes:
    """When a schedule fires, as it was asked for: one of the three."""

    cron: str | None = None
    every_s: float | None = None
    at: datetime | None = None
    tz: str | None = None


def make_schedule(
    submitter: Submitter,
    name: str,
    request: str | Mapping[str, Any],
    times: ScheduleTimes,
    policies: Policies,
    options: Mapping[str, Any],
    *,
    replace: bool = False,
    origin: str = "api",
) -> Flow[str]:
    """Makes a schedule; returns its id. Making it again in the same way changes nothing.

    Raises:
        InvalidRequest: something of it is wrong, or another definition has the name and `replace` is not said.
        UnknownModel, BudgetExceeded: its jobs could never be done.
        StoreUnavailable, StoreFull: it was not made, as far as the store told.
    """
    checked_name(name)
    asked = request_for(request, options)
    now_ms = yield from ask(reads.server_time(submitter.keys))
    timing = checked_timing(times.cron, times.every_s, times.at, times.tz, now_ms)
    check_jitter(timing, policies.jitter_ms, now_ms)
    definition = yield from define(submitter, name, asked, timing, policies, origin=origin)
    return (yield from put_named(submitter, definition, timing, policies, now_ms, replace=replace))


def make_batch_schedule(
    submitter: Submitter,
    name: str,
    run: RunArguments,
    times: ScheduleTimes,
    policies: Policies,
    *,
    replace: bool = False,
) -> Flow[str]:
    """Makes a schedule of batches; returns its id. Making it again in the same way changes nothing.

    Raises:
        InvalidRequest: something of it is wrong, or another definition has the name and `replace` is not said.
        UnknownModel: its jobs could never be done.
        StoreUnavailable, StoreFull: it was not made, as far as the store told.
    """
    checked_name(name)
    now_ms = yield from ask(reads.server_time(submitter.keys))
    timing = checked_timing(times.cron, times.every_s, times.at, times.tz, now_ms)
    check_jitter(timing, policies.jitter_ms, now_ms)
    definition = batch_definition(name, run, timing, policies)
    yield from check_model(submitter, run)
    return (yield from put_named(submitter, definition, timing, policies, now_ms, replace=replace))


def check_model(submitter: Submitter, run: RunArguments) -> Flow[None]:
    """Raises UnknownModel where the model of a run is none that the fleet has."""
    if run.model is None:
        return
    view = yield from submitter.view()
    Template(view, check_options({"model": run.model, "fallbacks": run.fallbacks}))


def put_named(
    submitter: Submitter,
    definition: transitions.Definition,
    timing: Timing,
    policies: Policies,
    now_ms: int,
    *,
    replace: bool,
) -> Flow[str]:
    """Puts a definition into the store; returns its id.

    Raises:
        InvalidRequest: another definition has the name and `replace` is not said, or its moment is past.
    """
    put = yield from put_definition(submitter, definition, timing, policies, replace=replace)
    if put.answer == "taken":
        raise InvalidRequest(
            f"a schedule is named {definition.name!r} already, with another definition: "
            "expected another name, or replace=True (--replace) to change it"
        )
    if put.answer == "past":
        raise InvalidRequest(past_words(timing, now_ms))
    return put.id


def put_definition(
    submitter: Submitter, definition: transitions.Definition, timing: Timing, policies: Policies, *, replace: bool
) -> Flow[transitions.Put]:
    """Puts a definition into the store; what `put_schedule` answers."""
    now_ms = yield from ask(reads.server_time(submitter.keys))
    # None for a moment that is past: the schedule was made and done before, or it is refused.
    tick = timing.after(now_ms) or now_ms
    new_id = f"{definition.name}.{os.urandom(4).hex()}"
    op = transitions.put_schedule(
        submitter.keys,
        definition,
        new_id=new_id,
        tick=tick,
        due=tick + jitter_of(new_id, tick, policies.jitter_ms),
        replace=replace,
    )
    return (yield from ask(op))
