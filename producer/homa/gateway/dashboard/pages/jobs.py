"""Jobs: a page of them by filters, and the search that leads to one."""

from __future__ import annotations

import re
import shlex
from typing import Any

from starlette.responses import RedirectResponse
from starlette.types import ASGIApp

from homa.gateway.dashboard.listing import FILTERS, job_page, wanted_jobs
from homa.gateway.dashboard.rendering import fragment, link, page
from homa.gateway.dashboard.visit import Visit
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.operation import read, text

_WORD = re.compile(r'(?<!\S)(\w{1,10}):("[^"]*"|\S+)')


async def jobs(visit: Visit) -> ASGIApp:
    """A page of jobs; asked for by a script behind a cursor, its rows alone."""
    said = wanted_jobs(visit)
    cursor = visit.asked("cursor", 60)
    found = await job_page(visit, said, cursor)
    shown: dict[str, Any] = {"said": said, "found": found, "now_ms": found.now_ms, "states": list(State)}
    if cursor and visit.request.headers.get("hx-request"):
        return fragment(visit, "_job_rows.html", **shown)
    own = {name: value for name, value in said.items() if name != "tenant" or visit.tenant is None}
    queues = (await visit.desk.pulse.now()).monitored.queues if visit.sees_fleet else []
    return await page(
        visit,
        "jobs.html",
        filters=own,
        counts=_counts(queues),
        providers=sorted({row.queue for row in queues}),
        command=_command(own),
        python=_python(own),
        note=visit.asked("note", 200),
        **shown,
    )


async def search(visit: Visit) -> ASGIApp:
    """To a job or batch of this id, to the job of this idempotency key, or to the jobs that filters pick."""
    asked = visit.asked("q")
    words = dict(_WORD.findall(asked))
    if words and words.keys() <= set(FILTERS):
        return _to(link("/jobs", **{name: value.strip('"') for name, value in words.items()}))
    if asked and not asked.isspace():
        job = await visit.ask(reads.job(visit.keys, asked))
        if job is not None and visit.principal.sees(job.job.tenant):
            return _to(link(f"/jobs/{_quoted(asked)}"))
        batch = await visit.ask(reads.batch(visit.keys, asked))
        if batch is not None and visit.principal.sees(batch.tenant):
            return _to(link(f"/batches/{_quoted(asked)}"))
        keyed = await visit.ask(
            read((("GET", visit.keys.idempotency(visit.principal.tenant, asked)),), lambda r: text(r[0]))
        )
        if keyed:
            return _to(link(f"/jobs/{_quoted(keyed.partition(' ')[0])}"))
        return _to(link("/jobs", note=asked))
    return _to(link("/jobs"))


def _to(address: str) -> RedirectResponse:
    return RedirectResponse(address, 303)


def _quoted(name: str) -> str:
    from urllib.parse import quote

    return quote(name, safe="")


def _counts(queues: list[reads.QueueRow]) -> dict[str, int]:
    """Live jobs by state."""
    return {name: sum(getattr(row, name) for row in queues) for name in ("queued", "running", "waiting", "due")}


def _command(said: dict[str, str]) -> str:
    return " ".join(["homa jobs list", *(f"--{name} {shlex.quote(value)}" for name, value in said.items())])


def _python(said: dict[str, str]) -> str:
    options = ", ".join(f"{name}={value!r}" for name, value in said.items())
    asked = f"{options}{', ' if options else ''}limit=50"
    return f"with Homa() as homa:\n    for job in homa.jobs({asked}):\n        print(job)"
