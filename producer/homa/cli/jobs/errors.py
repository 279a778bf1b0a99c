"""Why jobs of a listing ended without an answer."""

from __future__ import annotations

from collections.abc import Sequence

import orjson

from homa.cli.job_filters import chunks
from homa.client.session import Session
from homa_shared.model.records import ENDED, Job, State
from homa_shared.store import reads

#: Characters of an error that a line of the list has; `homa jobs show` has all of it.
_EXCERPT = 120


def errors_of(session: Session, jobs: Sequence[Job]) -> dict[str, str]:
    """`kind: message` by job, of those jobs that ended without an answer and whose outcome is still kept."""
    ended = [job.id for job in jobs if job.state in ENDED and job.state is not State.SUCCEEDED]
    found: dict[str, str] = {}
    for ids in chunks(ended):
        outcomes = session.store.run(reads.resolved_replies(session.keys, ids))
        for job_id, outcome in zip(ids, outcomes, strict=True):
            error = orjson.loads(outcome).get("error") if outcome else None
            if error:
                found[job_id] = f"{error.get('kind', 'error')}: {error.get('message', '')}"
    return found


def error_excerpt(error: str | None) -> str:
    """An error as a cell of a table: on one line, its beginning."""
    line = " ".join((error or "").split())
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}…"
