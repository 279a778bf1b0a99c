"""The overview: what does not serve, what is used of each quota, what runs and what failed; live."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp

from homa.gateway.answers import EventStream
from homa.gateway.dashboard import wording
from homa.gateway.dashboard.causes import cause_rows
from homa.gateway.dashboard.pulse import FRESH_S, Look, is_open
from homa.gateway.dashboard.quotas import binding, quotas
from homa.gateway.dashboard.rendering import link, page, render
from homa.gateway.dashboard.tally import Sums, Tally
from homa.gateway.dashboard.visit import Visit
from homa.gateway.errors import ApiError
from homa.gateway.waiting import leave
from homa_shared.model.errors import HomaError

_log = logging.getLogger("homa.gateway")

#: Most pages that are kept live by one process: more are shown, and stand still.
MOST_LIVE = 200
#: What has not changed is sent again after this time, so that the page knows that it is heard, s.
_SAME_S = 3.0
#: Strips, causes and batches on the page; each list has a page of its own.
_STRIPS, _CAUSES, _BATCHES = 8, 5, 5
#: A curve's width and height, px.
_WIDTH, _HEIGHT = 64, 20


@dataclass(slots=True)
class _Viewers:
    count: int = 0


_viewers = _Viewers()


async def overview(visit: Visit) -> ASGIApp:
    """The page; a tenant, who sees nothing of the fleet, begins with its jobs."""
    if not visit.sees_fleet:
        from starlette.responses import RedirectResponse

        return RedirectResponse(link("/jobs"), 303)
    return await page(visit, "overview.html", **_shown(await visit.desk.pulse.now(), visit.desk.pulse.tally))


async def live(visit: Visit) -> ASGIApp:
    """The moving part of the page by server-sent events, once a second while somebody looks."""
    visit.require_fleet()
    if _viewers.count >= MOST_LIVE:
        raise ApiError(503, f"{MOST_LIVE} pages are live already; this one stands still", "too_many_viewers", None, 30)
    return EventStream(_parts(visit), {}, leave)


async def _parts(visit: Visit) -> AsyncGenerator[bytes, None]:
    last, told_s = "", 0.0
    _viewers.count += 1
    try:
        while not _closes(visit):
            text = await _part(visit)
            if text is not None and (text != last or time.monotonic() - told_s >= _SAME_S):
                last, told_s = text, time.monotonic()
                yield b"".join(b"data: %b\n" % line for line in text.encode().splitlines()) + b"\n"
            await asyncio.sleep(FRESH_S)
            if not await _still_in(visit):
                return
    finally:
        _viewers.count -= 1


async def _part(visit: Visit) -> str | None:
    """The part as it is now; None while the store is away."""
    try:
        look = await visit.desk.pulse.now()
        return render(visit, "_overview.html", **_shown(look, visit.desk.pulse.tally))
    except HomaError as error:
        _log.warning("the overview stands still: %s", error)
        return None


async def _still_in(visit: Visit) -> bool:
    """Whether the session is still worth what it was: a revoked key closes what it had open."""
    if not visit.has_session:
        return not await visit.desk.doorkeeper.any_made()
    from homa.gateway.dashboard.page import COOKIE

    return await visit.desk.sessions.find(visit.request.cookies.get(COOKIE, "")) is not None


def _closes(visit: Visit) -> bool:
    """Whether the server is stopping: it waits for streams, and this one has no end of its own."""
    closing = getattr(visit.request.app.state, "closing", None)
    return closing is not None and bool(closing())


def _shown(look: Look, tally: Tally) -> dict[str, Any]:
    strips = binding(quotas(look, tally))
    total, curve = tally.total(), tally.curve(look.now_ms)
    window_ms = tally.window_ms(look.now_ms)
    rate = total.answered * 60_000 / window_ms
    queued = sum(row.queued for row in look.monitored.queues)
    return {
        "look": look,
        "now_ms": look.now_ms,
        "strips": strips[:_STRIPS],
        "more_strips": len(strips) - _STRIPS,
        "causes": cause_rows(look.failures)[:_CAUSES],
        "more_causes": max(0, len(look.failures) - _CAUSES),
        "failed": sum(row.count for row in look.failures),
        "running": look.batches[:_BATCHES],
        "total": total,
        "window_ms": window_ms,
        "rate": rate,
        "queued": queued,
        "oldest_ms": min(look.monitored.oldest_ms.values(), default=None),
        "drain_ms": queued / rate * 60_000 if rate and queued else None,
        "answered_curve": _points(curve, "answered"),
        "cost_curve": _points(curve, "nano_usd"),
        "trouble": _trouble(look),
        "lede": _lede(look, rate, len(strips)),
    }


def _points(curve: list[Sums], name: str) -> str:
    """A curve as SVG has it."""
    values = [getattr(sums, name) for sums in curve]
    top = max(values, default=0)
    if len(values) < 2 or not top:
        return ""
    step = _WIDTH / (len(values) - 1)
    return " ".join(f"{i * step:.0f},{_HEIGHT - 2 - 16 * value / top:.0f}" for i, value in enumerate(values))


def _trouble(look: Look) -> list[str]:
    """What does not serve, a sentence each."""
    told = []
    for row in look.limits:
        if row.frozen_s and row.dimension in ("rpm", "concurrency") and not _told_by_model(row.scope, look):
            told.append(f"{row.scope} is frozen for {wording.took(row.frozen_s * 1000)} more.")
        elif is_open(row):
            told.append(f"The breaker of {row.scope} is {row.state}: next call in {wording.took(row.wait_s * 1000)}.")
    served = {queue for worker in look.workers for queue in worker.queues}
    unserved = {row.queue for row in look.monitored.queues if row.queued and row.queue not in served}
    told += [f"Jobs wait in the queue {name}, and no live worker serves it." for name in sorted(unserved)]
    told += [f"The queue {name} is paused." for name in sorted({r.queue for r in look.monitored.queues if r.paused})]
    return list(dict.fromkeys(told))


def _told_by_model(scope: str, look: Look) -> bool:
    return "/" not in scope and any(row.frozen_s and row.scope.startswith(f"{scope}/") for row in look.limits)


def _lede(look: Look, rate: float, quotas_: int) -> str:
    serving = len({queue for worker in look.workers for queue in worker.queues})
    live_workers = f"{len(look.workers)} worker{'' if len(look.workers) == 1 else 's'}"
    return (
        f"{live_workers} serve{'s' if len(look.workers) == 1 else ''} {serving} queue{'' if serving == 1 else 's'}. "
        f"{rate:,.0f} jobs are answered a minute; {look.nav.held} of {quotas_} quotas stand still."
    )
