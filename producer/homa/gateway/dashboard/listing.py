"""Which jobs a page lists, as its address says it, and where the next page begins."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass

import orjson

from homa.client.management.job_listing import JobFilter
from homa.client.management.wording import error_text
from homa.gateway.dashboard.holds import Held, ended, held
from homa.gateway.dashboard.visit import Visit
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import ENDED, Job, State
from homa_shared.store import reads

#: Rows on a page, and scripts that are called for one at most: each looks at 500 jobs.
ROWS, LOOKS = 50, 8
#: What a filter may say, in the address and in the search.
FILTERS = ("state", "batch", "queue", "provider", "tenant", "tag", "template", "cause")
_CURSOR = re.compile(
    r"(running|due|ended|batch)@\d{0,15}|(waiting|queued)@(\d{1,9}:\d{1,18}:\d{1,9}:\d{1,12})?|succeeded@(\d{1,15}-\d{1,15})?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class JobRow:
    """A job of a listing."""

    job: Job
    held: Held


@dataclass(frozen=True, slots=True)
class JobPage:
    """Some rows of a listing."""

    rows: list[JobRow]
    #: None at the end.
    cursor: str | None
    #: The store's clock.
    now_ms: int


def wanted_jobs(visit: Visit) -> dict[str, str]:
    """The filters that an address says, with the tenant that the visit is bound to.

    Raises:
        InvalidRequest: no job can have what one of them says.
    """
    said = {name: value for name in FILTERS if (value := visit.asked(name, 200))}
    if visit.tenant is not None:
        said["tenant"] = visit.tenant
    JobFilter(**said)
    return said


async def job_page(visit: Visit, said: dict[str, str], cursor: str) -> JobPage:
    """A page of the jobs that fit, in a bounded number of looks.

    Raises:
        InvalidRequest: the cursor is none of a page before.
    """
    if cursor and not (_CURSOR.fullmatch(cursor) and (cursor.startswith("batch@") == ("batch" in said))):
        raise InvalidRequest(f"cursor is {cursor!r:.80}: expected that of a page before; begin at the first page")
    now_ms = await visit.ask(reads.server_time(visit.keys))
    found: list[Job] = []
    following: str | None = cursor or None
    for _ in range(LOOKS):
        page = await visit.ask(reads.jobs(visit.keys, limit=ROWS - len(found), cursor=following, **said))
        found += page.jobs
        following = page.cursor
        if following is None or len(found) >= ROWS:
            break
    return JobPage(await _rows(visit, found, now_ms), following, now_ms)


async def _rows(visit: Visit, jobs: list[Job], now_ms: int) -> list[JobRow]:
    """What holds each of them, or how it ended: all of it asked for at once."""
    live = [job for job in jobs if job.state not in ENDED]
    failed = [job for job in jobs if job.state in ENDED and job.state is not State.SUCCEEDED]
    served = await served_queues(visit) if live else frozenset()
    reasons = await asyncio.gather(*(visit.ask(reads.why(visit.keys, job.id)) for job in live))
    outcomes = await visit.ask(reads.resolved_replies(visit.keys, [job.id for job in failed]))
    told = {job.id: held(job, why, served, now_ms) for job, why in zip(live, reasons, strict=True)}
    told |= {job.id: ended(job, _error(raw)) for job, raw in zip(failed, outcomes, strict=True)}
    return [JobRow(job, told.get(job.id) or ended(job, "")) for job in jobs]


async def served_queues(visit: Visit) -> frozenset[str]:
    """Queues that live workers take from."""
    rows = await visit.ask(reads.workers(visit.keys))
    return frozenset(
        name for row in rows if row.live for name in (*(row.facts.get("queues") or ()), row.facts.get("provider") or "")
    )


def _error(outcome: bytes | None) -> str:
    error = orjson.loads(outcome).get("error") if outcome else None
    return error_text(error) if error else ""
