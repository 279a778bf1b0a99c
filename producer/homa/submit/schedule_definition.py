"""A schedule's definition checked, and its request made ready: what the store submits at each tick.

The request is encoded once, with its variables in it; quota and bound are reckoned of a text in whose place the longest
moments stand. Workers reckon again, by present prices, before they call.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from typing import Any

import orjson

from homa.drivers.effects import Flow
from homa.submit.affordability import check_affordable
from homa.submit.asked import Asked, ask_for
from homa.submit.encoded_messages import Prepared
from homa.submit.option_checks import Dollars, OneOf, Seconds, Whole
from homa.submit.request_digests import digest
from homa.submit.submitter import Submitter
from homa.submit.template import Template
from homa_shared.model.errors import InvalidRequest
from homa_shared.schedules.delivery import checked_targets
from homa_shared.schedules.timing import (
    Cron,
    Timing,
    checked_cron,
    checked_every,
    checked_once,
    checked_zone,
    span_words,
    ticks_between,
)
from homa_shared.schedules.variables import at_most, holes_in
from homa_shared.store.transitions.schedules import Definition

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
#: Ticks to come by which the shortest time between two of them is told.
_COMPARED_TICKS = 100
MISSED, OVERLAP, PERIODS = ("once", "skip", "all"), ("skip", "queue", "cancel", "allow"), ("day", "month", "total")


@dataclass(frozen=True, slots=True)
class RunArguments:
    """What a schedule keeps of a run whose batches it makes."""

    #: Of `homa run`, with absolute paths.
    arguments: tuple[str, ...]
    #: Nano-dollars for each batch; None for no cap of its own.
    line_cap: int | None
    #: `N` or `N%`: from where on a run counts as failed; None: when no line succeeds.
    failures_most: str | None
    model: str | None
    fallbacks: tuple[str, ...]
    tenant: str


@dataclass(frozen=True, slots=True)
class Policies:
    """How a schedule deals with ticks, beside when they are."""

    missed: str = "once"
    overlap: str = "skip"
    jitter_ms: int = 0
    #: Nano-dollars; None: no budget of its own.
    cap: int | None = None
    period: str = "month"
    #: Pauses after so many failed runs in a row; 0: never.
    pause_after: int = 10
    #: Where what runs come to goes.
    deliver: tuple[str, ...] = ()

    @classmethod
    def checked(
        cls,
        missed: object,
        overlap: object,
        jitter_s: object,
        budget_usd: object,
        budget_period: object,
        pause_after: object,
        deliver: object = None,
        tz: str | None = None,
    ) -> Policies:
        """Raises InvalidRequest for the first wrong one."""
        return cls(
            OneOf(MISSED)("missed", missed),
            OneOf(OVERLAP)("overlap", overlap),
            Seconds()("jitter_s", jitter_s),
            None if budget_usd is None else Dollars()("budget_usd", budget_usd),
            OneOf(PERIODS)("budget_period", budget_period),
            Whole(0)("pause_after", pause_after),
            checked_targets(deliver, "UTC" if tz is None else checked_zone(tz)),
        )


def checked_name(name: object) -> str:
    """Raises InvalidRequest for what cannot name a schedule."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidRequest(
            f"name is {name!r:.80}: expected 1 to 64 letters, digits, '-' and '_', a letter or digit first"
        )
    return name


def checked_timing(cron: object, every_s: object, at: object, tz: object, now_ms: int) -> Timing:
    """When it fires.

    Raises:
        InvalidRequest: not exactly one of the three is given, or it is wrong.
    """
    given = {name: value for name, value in (("cron", cron), ("every_s", every_s), ("at", at)) if value is not None}
    if len(given) != 1:
        found = " and ".join(given) or "none of them"
        raise InvalidRequest(f"cron, every_s, at: {found} given; expected one of the three")
    zone = "UTC" if tz is None else tz
    if cron is not None:
        return checked_cron(cron, zone, now_ms)  # type: ignore[arg-type]
    if every_s is not None:
        return checked_every(every_s, now_ms, zone)  # type: ignore[arg-type]
    return checked_once(at, now_ms, zone)  # type: ignore[arg-type]


def check_jitter(timing: Timing, jitter_ms: int, now_ms: int) -> None:
    """Raises InvalidRequest where the work of a tick might begin later than that of the next one."""
    if not jitter_ms:
        return
    # In UTC: what is allowed does not depend on how near the next change of clocks is.
    steady = replace(timing, zone="UTC") if isinstance(timing, Cron) else timing
    ticks = list(islice(ticks_between(steady, now_ms, 2**53), _COMPARED_TICKS))
    least = min((behind - tick for tick, behind in pairwise(ticks)), default=None)
    if least is not None and jitter_ms >= least:
        raise InvalidRequest(
            f"jitter_s is {jitter_ms / 1000:g}, and {timing.words()} has ticks {span_words(least)} apart: "
            "expected less than that"
        )


def request_for(request: object, options: Mapping[str, Any]) -> Asked:
    """A schedule's request.

    Args:
        request: a prompt, or options of `submit` with prompt or messages among them.
        options: further ones.

    Raises:
        InvalidRequest: it is neither, or an option is wrong, or none that a schedule can have.
    """
    if isinstance(request, str):
        said = {**options, "prompt": request}
    elif isinstance(request, Mapping):
        said = {**request, **options}
    else:
        raise InvalidRequest(f"request is {request!r:.80}: expected a prompt, or a mapping of submit's options")
    if said.get("key") is not None or said.get("delay_s") is not None:
        raise InvalidRequest("key and delay_s have no place in a schedule: its ticks name and time its jobs")
    asked = ask_for(said)
    if asked.prepared.media:
        raise InvalidRequest(
            "images and files are kept no longer than a job needs them: expected their URLs in a schedule's request"
        )
    return asked


def define(
    submitter: Submitter, name: str, asked: Asked, timing: Timing, policies: Policies, *, origin: str = "api"
) -> Flow[Definition]:
    """The definition, its request resolved by the fleet's settings as they stand.

    Raises:
        InvalidRequest, UnknownModel, BudgetExceeded: its jobs could never be done.
    """
    asked = yield from submitter.filled(asked, scheduled=True)
    view = yield from submitter.view_for(asked.options)
    yield from submitter.learn_template(view, asked.options)
    holes = holes_in(asked.prepared.json.decode(), timing.zone)
    longest = Prepared.of(at_most(list(asked.prepared.messages), holes, timing.zone)) if holes else None
    reckoned = longest or asked.prepared
    template, skipped = Template(view, asked.options).fit(reckoned)
    yield from submitter.write_plans(view, template.targets)
    # The longest text's reservations stand in the request, and with them the text that varies.
    prepared = replace(reckoned, stored=asked.prepared.json)
    entry = template.entry("", prepared, skipped=skipped)
    if entry.bound is None:
        if policies.cap is not None:
            check_affordable(template, None, policies.cap)
        template.check_bounded(reckoned)
    check_affordable(template, entry.bound, asked.options.job_budget, policies.cap)
    common = template.common_for(asked.prepared)
    fields = {
        "common": common.encode().decode(),
        "entry": entry.encode().decode(),
        "request": entry.request.decode(),
        "holes": orjson.dumps(holes).decode() if holes else "",
        "deadline": str(entry.deadline_ms or ""),
        "tenant": common.tenant,
        "origin": origin,
        "asked": digest(asked.options, asked.prepared),
        **_policy_fields(timing, policies),
    }
    fields["made"] = _digest_of({name: fields[name] for name in ("common", "entry", "request", "deadline")})
    return Definition(name, _digest(fields), fields)


def batch_definition(
    name: str, run: RunArguments, timing: Timing, policies: Policies, *, origin: str = "api"
) -> Definition:
    """The definition of a schedule whose runs are batches.

    Raises:
        InvalidRequest: a variable of the arguments is wrong.
    """
    told = orjson.dumps(run.arguments).decode()
    holes = holes_in(told, timing.zone, others=True)
    fields = {
        "request": told,
        "holes": orjson.dumps(holes).decode() if holes else "",
        "fills": "1",
        "line_cap": "" if run.line_cap is None else str(run.line_cap),
        "failures_most": run.failures_most or "",
        "tenant": run.tenant,
        "origin": origin,
        "asked": run_digest(run),
        **_policy_fields(timing, policies),
    }
    # Fields that a schedule of single jobs has, and this one has not.
    fields |= dict.fromkeys(("common", "entry", "deadline"), "")
    fields["made"] = fields["asked"]
    return Definition(name, _digest(fields), fields)


def run_digest(run: RunArguments) -> str:
    """What tells the arguments of one run from another's."""
    return _digest_of(["run", run.arguments])


def _policy_fields(timing: Timing, policies: Policies) -> dict[str, str]:
    return {
        "timing": orjson.dumps(timing.row()).decode(),
        "missed": policies.missed,
        "overlap": policies.overlap,
        "jitter": str(policies.jitter_ms or ""),
        "cap": "" if policies.cap is None else str(policies.cap),
        "period": "" if policies.cap is None else policies.period,
        "pause_after": str(policies.pause_after or ""),
        "deliver": orjson.dumps(policies.deliver).decode() if policies.deliver else "",
    }


def definition_digest(asked: Asked | RunArguments, timing: Timing, policies: Policies) -> str:
    """The digest that a definition has, whatever settings make of it."""
    if isinstance(asked, Asked):
        said = {"asked": digest(asked.options, asked.prepared), "tenant": asked.options.tenant}
    else:
        said = {"asked": run_digest(asked), "tenant": asked.tenant}
    return _digest(said | _policy_fields(timing, policies))


def _digest(fields: Mapping[str, str]) -> str:
    """What tells one definition from another: what was said, not what settings made of it."""
    said = {name: fields[name] for name in ("asked", "missed", "overlap", "jitter", "cap", "period", "pause_after")}
    # Left out where there is none: releases before had no deliveries, and their schedules keep their digests.
    if fields["deliver"]:
        said["deliver"] = fields["deliver"]
    # An interval counts from when it was first defined.
    timing = {name: value for name, value in orjson.loads(fields["timing"]).items() if name != "anchor_ms"}
    return _digest_of([said, timing, fields["tenant"]])


def _digest_of(told: object) -> str:
    return hashlib.sha256(orjson.dumps(told, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
