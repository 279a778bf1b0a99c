"""A batch: how much of it is done, what it costs, when it ends, what holds it, why lines failed, and its results."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import orjson
from starlette.types import ASGIApp

from homa.client.management.batches import BatchInfo
from homa.client.management.wording import answer_text
from homa.gateway.dashboard.actions.fleet import batch_of
from homa.gateway.dashboard.audit import note
from homa.gateway.dashboard.batch_forecast import forecast
from homa.gateway.dashboard.causes import cause_rows
from homa.gateway.dashboard.charts import course_chart
from homa.gateway.dashboard.flow_steps import flow_run
from homa.gateway.dashboard.holds import Held, held
from homa.gateway.dashboard.listing import served_queues
from homa.gateway.dashboard.rendering import page
from homa.gateway.dashboard.visit import Visit
from homa.gateway.errors import ApiError
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.gateway_work import what_holds_batch
from homa_shared.store.reads import BatchView
from homa_shared.store.reads.failures import batch_failures

#: Results on a page; columns that answers in JSON are shown in, and characters of one.
_ROWS, _COLUMNS, _CHARACTERS = 25, 6, 200
_LOOKS = 3


@dataclass(frozen=True, slots=True)
class Result:
    """A line that has ended."""

    job_id: str
    custom_id: str
    state: str
    nano_usd: int
    took_ms: int
    #: The answer's fields by column, or all of it under `answer`; empty while content is not shown.
    fields: dict[str, str]


async def batch(visit: Visit) -> ASGIApp:
    """The page; answers are not shown."""
    return await _page(visit, await batch_of(visit, visit.request.path_params["batch"]), shows=False)


async def results(visit: Visit) -> ASGIApp:
    """The page with answers; that somebody read them is written down first."""
    view = await batch_of(visit, visit.request.path_params["batch"])
    if not visit.acts:
        raise ApiError(403, "this key's role is viewer: content is shown to operators", "role_not_allowed")
    await note(visit, "results.shown", view.id)
    return await _page(visit, view, shows=True)


async def _page(visit: Visit, view: BatchView, *, shows: bool) -> ASGIApp:
    now_ms = await visit.ask(reads.server_time(visit.keys))
    found, failed = await asyncio.gather(forecast(visit, view, now_ms), visit.ask(batch_failures(visit.keys, view.id)))
    lines = view.total or view.submitted
    start = int(asked) if (asked := visit.asked("start", 9)).isdecimal() else 0
    rows = await _results(visit, view, start, shows=shows)
    return await page(
        visit,
        "batch.html",
        view=view,
        batch=BatchInfo.of(view),
        lines=lines,
        forecast=found,
        chart=course_chart(found, lines, now_ms),
        causes=cause_rows(failed),
        run=await flow_run(visit, view.id),
        held=await _held(visit, view, now_ms),
        file_held=await visit.ask(what_holds_batch(visit.keys, view.id)) if visit.principal.sees_all else "",
        results=rows,
        columns=list(dict.fromkeys(name for row in rows for name in row.fields))[:_COLUMNS],
        shows=shows,
        start=start,
        rows=_ROWS,
        now_ms=now_ms,
    )


async def _held(visit: Visit, view: BatchView, now_ms: int) -> Held | None:
    """What holds the first of its lines that wait; None where none does, or none is found in a few looks."""
    if view.paused or view.complete or view.cancel:
        return None
    # Lines are taken in their order, more or less: what waits begins about behind those that have ended.
    cursor: str | None = f"batch@{max(0, view.ended - reads.LIVE_MS // 1000)}"
    for _ in range(_LOOKS):
        if cursor is None:
            return None
        asked = reads.jobs(visit.keys, batch=view.id, state=State.QUEUED, limit=1, cursor=cursor)
        found = await visit.ask(asked)
        for job in found.jobs:
            why = await visit.ask(reads.why(visit.keys, job.id))
            # Taken just now: nothing holds it.
            if why is None or why.state is not State.QUEUED:
                return None
            return held(job, why, await served_queues(visit), now_ms)
        cursor = found.cursor
    return None


async def _results(visit: Visit, view: BatchView, start: int, *, shows: bool) -> list[Result]:
    """Lines in the order in which they ended, the newest first."""
    first = -start - _ROWS
    command = ("LRANGE", visit.keys.batch_done(view.id), first, -start - 1)
    from homa_shared.store.operation import read, text

    ids = (await visit.ask(read((command,), lambda replies: [text(item) for item in replies[0]])))[::-1]
    views = await asyncio.gather(*(visit.ask(reads.job(visit.keys, job_id)) for job_id in ids))
    return [_result(found, shows=shows) for found in views if found is not None]


def _result(view: reads.JobView, *, shows: bool) -> Result:
    job = view.job
    reply: dict[str, Any] | None = orjson.loads(view.reply) if view.reply else None
    took_ms = (job.ended_ms or job.submitted_ms) - job.submitted_ms
    fields = _fields(answer_text(reply)) if shows and reply else {}
    return Result(job.id, job.custom_id or "", job.state, job.cost_nano_usd, took_ms, fields)


def _fields(answer: str) -> dict[str, str]:
    """An answer's fields where it is a JSON object; else all of it."""
    try:
        found = orjson.loads(answer)
    except orjson.JSONDecodeError:
        found = None
    if isinstance(found, dict) and found:
        return {str(name)[:40]: _short(value) for name, value in list(found.items())[:_COLUMNS]}
    return {"answer": _short(answer)}


def _short(value: Any) -> str:
    said = value if isinstance(value, str) else orjson.dumps(value).decode()
    return said if len(said) <= _CHARACTERS else f"{said[:_CHARACTERS]}…"
