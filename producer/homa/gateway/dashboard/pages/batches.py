"""Batches: a page of them, the newest first."""

from __future__ import annotations

import asyncio
import re

from starlette.types import ASGIApp

from homa.client.management.batches import BatchInfo
from homa.gateway.dashboard.rendering import page
from homa.gateway.dashboard.visit import Visit
from homa_shared.model.errors import InvalidRequest
from homa_shared.store import reads

_ROWS, _LOOKS = 50, 4
_CURSOR = re.compile(r"[0-9]{1,15} [\w.-]{1,100}")


async def batches(visit: Visit) -> ASGIApp:
    """The page; a tenant's own are picked from the newest of all, a bounded number of them at a time."""
    cursor = visit.asked("cursor", 120)
    if cursor and not _CURSOR.fullmatch(cursor):
        raise InvalidRequest(f"cursor is {cursor!r:.80}: expected that of a page before; begin at the first page")
    found: list[BatchInfo] = []
    more = True
    for _ in range(_LOOKS):
        listed = await visit.ask(reads.batches_before(visit.keys, cursor, _ROWS))
        views = await asyncio.gather(*(visit.ask(reads.batch(visit.keys, each)) for each in listed.ids))
        found += [BatchInfo.of(view) for view in views if view is not None and visit.principal.sees(view.tenant)]
        cursor, more = listed.cursor, len(listed.ids) == _ROWS
        if not more or len(found) >= _ROWS:
            break
    now_ms = await visit.ask(reads.server_time(visit.keys))
    running = sum(not batch.complete for batch in found)
    return await page(
        visit, "batches.html", batches=found, cursor=cursor if more else None, now_ms=now_ms, running=running
    )
