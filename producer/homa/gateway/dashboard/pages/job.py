"""A job: where its time and money went, what it is, and its content for those who may read it."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.types import ASGIApp

from homa.client.management.wording import answer_text
from homa.gateway.dashboard.audit import note
from homa.gateway.dashboard.holds import Held, ended
from homa.gateway.dashboard.holds import held as held_by
from homa.gateway.dashboard.job_content import content_of, medium_of
from homa.gateway.dashboard.listing import served_queues
from homa.gateway.dashboard.rendering import page, saved
from homa.gateway.dashboard.visit import Visit
from homa.gateway.dashboard.waterfall import waterfall
from homa.gateway.errors import ApiError
from homa_shared.calls.media import PDF, media_type
from homa_shared.model.records import ENDED
from homa_shared.store import reads
from homa_shared.store.reads import JobView

#: How the names of saved media end, by their types.
_ENDINGS = {
    PDF: "pdf",
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "image/heic": "heic",
    "image/heif": "heif",
}


async def job(visit: Visit) -> ASGIApp:
    """The page, without content."""
    return await _page(visit, await found_job(visit))


async def content(visit: Visit) -> ASGIApp:
    """The page with request and reply; that somebody read them is written down first."""
    view = await found_job(visit)
    if not visit.acts:
        raise ApiError(403, "this key's role is viewer: content is shown to operators", "role_not_allowed")
    await note(visit, "content.shown", view.job.id)
    return await _page(visit, view, shows=True)


async def medium(visit: Visit) -> ASGIApp:
    """A medium that a job shows, to be saved and never shown; that somebody fetched it is written down first."""
    view = await found_job(visit)
    if not visit.acts:
        raise ApiError(403, "this key's role is viewer: content is shown to operators", "role_not_allowed")
    digest = visit.request.path_params["digest"]
    data = await medium_of(visit, view, digest)
    await note(visit, "content.shown", view.job.id, medium=digest)
    return saved(data, f"{digest[:16]}.{_ENDINGS.get(media_type(data) or '', 'bin')}")


async def found_job(visit: Visit) -> JobView:
    """The job of the address; raises JobNotFound for another tenant's, in the same words as for none."""
    job_id = visit.request.path_params["job"]
    view = await visit.ask(reads.job(visit.keys, job_id))
    visit.principal.require_sight(job_id, view.job.tenant if view else None)
    assert view is not None
    return view


async def _page(visit: Visit, view: JobView, *, shows: bool = False) -> ASGIApp:
    job = view.job
    marks = await visit.ask(reads.stream_marks(visit.keys, job.id))
    now_ms = await visit.ask(reads.server_time(visit.keys))
    reply = orjson.loads(view.reply) if view.reply else None
    held = await _held(visit, view, reply, now_ms)
    waits_for = ": ".join(filter(None, (" ".join(filter(None, (held.words, held.name))), held.detail)))
    fall = waterfall(view, marks, now_ms, waits_for)
    return await page(
        visit,
        "job.html",
        view=view,
        job=job,
        fall=fall,
        held=held,
        reply=reply,
        usage=(reply or {}).get("usage") or {},
        content=await content_of(visit, view) if shows else None,
        has_content=bool(view.request or view.reply),
        now_ms=now_ms,
        live=job.state not in ENDED,
    )


async def _held(visit: Visit, view: JobView, reply: dict[str, Any] | None, now_ms: int) -> Held:
    if view.job.ended:
        return ended(view.job, answer_text(reply) if reply and "error" in reply else "")
    why = await visit.ask(reads.why(visit.keys, view.job.id))
    return held_by(view.job, why, await served_queues(visit), now_ms)
