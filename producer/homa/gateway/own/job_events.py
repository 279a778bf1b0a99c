"""`GET /v1/jobs/{id}/events`: a job's answer as it is written, by server-sent events, from any of them on.

delta      {"text", "attempt"}: a piece of the answer; its id is where to go on from; `tool_calls`, where it is of those
restarted  {"text", "attempt"}: what came before is void, and the answer begins anew with this
end        {"state", "result"}: the job has ended; the result is a line as a results file has it
error      {"message", "code"}: this cannot go on; the job itself may
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from typing import Any

from starlette.types import ASGIApp

from homa.client.results import Failure, Reply
from homa.client.streams import Piece, check_event_id
from homa.gateway import errors
from homa.gateway.answers import EventStream, event
from homa.gateway.endpoint import Inquiry
from homa.gateway.errors import ApiError
from homa.gateway.own.jobs import ended_line
from homa.gateway.waiting import leave
from homa.submit.asked import AcceptedJob
from homa_shared.model.errors import HomaError, JobEnded
from homa_shared.model.records import State

_log = logging.getLogger("homa.gateway")


async def job_events(inquiry: Inquiry) -> ASGIApp:
    """Follows a job; who stops following leaves the job as it is."""
    job_id = inquiry.request.path_params["job"]
    inquiry.principal.require_sight(job_id, await inquiry.jobs.tenant_of(job_id))
    after = inquiry.request.headers.get("last-event-id") or inquiry.request.query_params.get("after") or None
    check_event_id(after)
    return EventStream(_events(inquiry, job_id, after), {"x-homa-job": job_id}, leave)


async def _events(inquiry: Inquiry, job_id: str, after: str | None) -> AsyncGenerator[bytes, None]:
    last = after or ""
    try:
        async for item in inquiry.jobs.follow(AcceptedJob(job_id, is_new=False), after):
            if isinstance(item, Piece):
                last = item.id
                calls = {"tool_calls": item.tool_calls} if item.tool_calls else {}
                yield event({"text": str(item), "attempt": item.attempt, **calls}, item.event or "delta", last)
            else:
                yield _end(item, last)
    except JobEnded:
        yield _end(await inquiry.jobs.ended(job_id), last)
    except HomaError as error:
        yield _error(errors.of_error(error))
    except Exception:
        _log.exception("the events of job %s failed", job_id)
        yield _error(errors.internal())


def _end(ended: Reply[Any] | Failure, last: str) -> bytes:
    state = State.SUCCEEDED if isinstance(ended, Reply) else ended.state
    return event({"state": state, "result": ended_line(ended, None)}, "end", last)


def _error(told: ApiError) -> bytes:
    return event({"message": told.message, "code": told.code}, "error")
