"""Pages about what belongs to all tenants: limits, workers and queues, failures, schedules, events, audit."""

from __future__ import annotations

import asyncio
import re

from starlette.types import ASGIApp

from homa.client.management.budgets import budgets
from homa.client.management.limits import LimitInfo
from homa.client.management.workers import workers as all_workers
from homa.client.schedule_flows import all_schedules
from homa.gateway.dashboard.causes import cause_rows, summary
from homa.gateway.dashboard.listing import job_page
from homa.gateway.dashboard.pulse import is_open
from homa.gateway.dashboard.quotas import WORDS, quotas
from homa.gateway.dashboard.rendering import page
from homa.gateway.dashboard.visit import Visit
from homa_shared.model.errors import InvalidRequest
from homa_shared.schedules.timing import read_timing
from homa_shared.store import reads
from homa_shared.store.audit_trail import latest
from homa_shared.store.reads.failures import FailureRow
from homa_shared.store.reads.failures import failures as failures_of

#: Events on a page, and entries of the audit trail.
_ROWS, _ENTRIES = 100, 300
_ENTRY = re.compile(r"[0-9]{1,15}-[0-9]{1,15}")
#: Hours whose failures are shown.
_HOURS = 24


async def limits(visit: Visit) -> ASGIApp:
    """Everything that can hold a job, and until when."""
    visit.require_fleet()
    look = await visit.desk.pulse.now()
    spent = await visit.run(budgets(visit.keys))
    frozen: dict[str, LimitInfo] = {}
    for row in look.limits:
        if row.frozen_s:
            frozen.setdefault(row.scope, row)
    return await page(
        visit,
        "limits.html",
        quotas=quotas(look, visit.desk.pulse.tally),
        frozen=list(frozen.values()),
        breakers=sorted((row for row in look.limits if row.dimension == "breaker"), key=lambda row: not is_open(row)),
        adaptive=[row for row in look.limits if row.adaptive_rps is not None and row.limit is None],
        budgets=spent,
        errors=[(scope, error) for scope, error in look.limits.scope_errors if error is not None],
        words=WORDS,
        open=sum(map(is_open, look.limits)),
        now_ms=look.now_ms,
    )


async def workers(visit: Visit) -> ASGIApp:
    """Who lives, what each serves; and what waits in each queue."""
    visit.require_fleet()
    look = await visit.desk.pulse.now()
    found = await visit.run(all_workers(visit.keys, gone=True))
    served = {queue for worker in found if worker.live for queue in worker.queues}
    return await page(
        visit,
        "workers.html",
        workers=sorted(found, key=lambda worker: (not worker.live, worker.id)),
        live=sum(worker.live for worker in found),
        queues=look.monitored.queues,
        oldest=look.monitored.oldest_ms,
        served=served,
        now_ms=look.now_ms,
    )


async def failures(visit: Visit) -> ASGIApp:
    """What failed within a day and was not retried: by cause, and the newest of it."""
    visit.require_fleet()
    now_ms = await visit.ask(reads.server_time(visit.keys))
    counted: list[FailureRow] = await visit.ask(failures_of(visit.keys, now_ms, _HOURS))
    rows = cause_rows(counted)
    newest = await job_page(visit, {"state": "failed"}, "")
    return await page(
        visit,
        "failures.html",
        causes=rows,
        summary=summary(rows),
        found=newest,
        said={"state": "failed"},
        now_ms=now_ms,
    )


async def schedules(visit: Visit) -> ASGIApp:
    """Schedules, when each fires next, and what became of its runs."""
    visit.require_fleet()
    now_ms = await visit.ask(reads.server_time(visit.keys))
    found = await visit.run(all_schedules(visit.keys))
    rows = [(view, read_timing(view.timing).words()) for view in found]
    return await page(visit, "schedules.html", schedules=rows, now_ms=now_ms)


async def events(visit: Visit) -> ASGIApp:
    """What happened, the newest first."""
    visit.require_fleet()
    before = _entry(visit)
    now_ms = await visit.ask(reads.server_time(visit.keys))
    found = (await visit.ask(reads.latest_events(visit.keys, _ROWS, before)))[::-1]
    return await page(
        visit,
        "events.html",
        look={"events": found},
        before=found[-1].id if len(found) == _ROWS else None,
        now_ms=now_ms,
    )


async def audit(visit: Visit) -> ASGIApp:
    """What people changed by hand, by whatever way, and whose content they read."""
    visit.require_fleet()
    found, now_ms = await asyncio.gather(
        visit.ask(latest(visit.keys, _ENTRIES)), visit.ask(reads.server_time(visit.keys))
    )
    return await page(visit, "audit.html", entries=found, most=_ENTRIES, now_ms=now_ms)


def _entry(visit: Visit) -> str:
    before = visit.asked("before", 40)
    if before and not _ENTRY.fullmatch(before):
        raise InvalidRequest(f"before is {before!r:.80}: expected that of a page before; begin at the newest")
    return before
