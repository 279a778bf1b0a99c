"""`/v1/job-batches`: batches of jobs: submit, list, read, cancel, retry, read results, follow."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Mapping
from typing import Any

from starlette.types import ASGIApp

from homa.client.batch_flows import BatchFlows
from homa.client.batch_lines import PAGE, Line, read_page
from homa.client.batch_submission import BatchSubmission
from homa.client.management.batches import BatchFilter, batch_info, listing
from homa.client.management.retries import retry_lines
from homa.drivers.effects import ask
from homa.gateway import errors
from homa.gateway.answers import EventStream, JsonAnswer, event
from homa.gateway.endpoint import Inquiry
from homa.gateway.own.documents import document_of
from homa.gateway.own.jobs import ended_line
from homa.gateway.own.options import own_options
from homa.gateway.own.query import Query
from homa.gateway.waiting import leave
from homa_shared.model.errors import HomaError, InvalidRequest, JobNotFound
from homa_shared.store import reads

_log = logging.getLogger("homa.gateway")
#: Most lines of one request; more go through a file (`/v1/files`, `/v1/batches`) or the Python client.
MOST_LINES = 10_000
_STATES = ("failed", "cancelled", "expired")


async def submit(inquiry: Inquiry) -> ASGIApp:
    """Accepts a batch; answers once all its lines are accepted.

    Body: `requests` (prompts, or objects of options of a job), `name`, and options that lines share.
    """
    principal, body = inquiry.principal, dict(inquiry.body)
    principal.require_changes()
    requests, name = body.pop("requests", None), body.pop("name", None)
    if not isinstance(requests, list) or not requests or len(requests) > MOST_LINES:
        raise InvalidRequest(f"requests is {requests!r:.80}: expected a list of 1 to {MOST_LINES} prompts or objects")
    if name is not None and (not isinstance(name, str) or len(name) > 200):
        raise InvalidRequest(f"name is {name!r:.80}: expected text of at most 200 characters")
    shared = own_options(principal, body, "a batch")
    lines = [_line(inquiry, request, place, shared) for place, request in enumerate(requests)]
    await inquiry.count()
    facts = {"gateway_key": principal.budget_key} if principal.budget_key else {}
    submission = inquiry.jobs.batch({**shared, "name": name or ""}, facts)
    await inquiry.jobs.run(submission.open())
    await _fill(inquiry, submission, lines)
    headers = {"location": f"/v1/job-batches/{submission.id}"}
    return JsonAnswer(await _document(inquiry, submission.id), 202, headers)


async def _fill(inquiry: Inquiry, submission: BatchSubmission, lines: list[Any]) -> None:
    try:
        for line in lines:
            if submission.add(line):
                await inquiry.jobs.run(submission.flush())
        await inquiry.jobs.run(submission.seal())
    except BaseException as error:
        await inquiry.jobs.run(submission.abandon(error))
        raise


def _line(inquiry: Inquiry, request: Any, place: int, shared: Mapping[str, Any]) -> Any:
    """A line as the caller may give it."""
    said = {"prompt": request} if isinstance(request, str) else request
    if not isinstance(said, dict):
        raise InvalidRequest(f"requests[{place}] is {request!r:.80}: expected a prompt, or an object of options")
    for name in ("tenant", "budget_usd", "webhook"):
        if name in said:
            found = f"requests[{place}].{name} is {said[name]!r:.80}"
            raise InvalidRequest(f"{found}: expected it beside requests, since it belongs to the batch")
    line = {name: value for name, value in own_options(inquiry.principal, said).items() if name != "tenant"}
    named = [line.get("model", shared.get("model")), *_listed(line.get("fallbacks", shared.get("fallbacks")))]
    inquiry.principal.require_model(*(model for model in named if isinstance(model, str)))
    return line


def _listed(fallbacks: Any) -> list[Any]:
    return list(fallbacks) if isinstance(fallbacks, list) else []


async def list_batches(inquiry: Inquiry) -> ASGIApp:
    """Batches, the newest first. Query: state (open, sealed, complete), tenant, name, limit."""
    query = Query(inquiry.request.query_params, ("state", "tenant", "name", "limit"))
    given = query.texts("state", "tenant", "name")
    if not inquiry.principal.sees_all:
        given["tenant"] = inquiry.principal.tenant
    flow = listing(inquiry.jobs.keys, BatchFilter(**given), limit=query.whole("limit", 100, most=1000))
    found = [document_of(row) async for row in inquiry.jobs.iterate(flow)]
    return JsonAnswer({"object": "list", "data": found})


async def show(inquiry: Inquiry) -> ASGIApp:
    """A batch: its state, its lines by state, its cost."""
    return JsonAnswer(await _document(inquiry, await _seen(inquiry)))


async def cancel(inquiry: Inquiry) -> ASGIApp:
    """Ends all lines that have not ended."""
    inquiry.principal.require_changes()
    batch = await _seen(inquiry)
    await inquiry.jobs.run(BatchFlows(inquiry.jobs.keys, batch).cancel())
    return JsonAnswer(await _document(inquiry, batch))


async def retry(inquiry: Inquiry) -> ASGIApp:
    """Retries lines that ended without an answer. Body: `states` (failed, cancelled, expired; default: failed)."""
    inquiry.principal.require_changes()
    states = inquiry.body.get("states", ["failed"])
    if not isinstance(states, list) or not states or any(state not in _STATES for state in states):
        raise InvalidRequest(f"states is {states!r:.80}: expected a list out of {', '.join(_STATES)}")
    batch = await _seen(inquiry)
    await inquiry.count()
    done = await inquiry.jobs.run(retry_lines(inquiry.jobs.keys, batch, list(dict.fromkeys(states))))
    return JsonAnswer({"id": batch, "object": "job_batch", **document_of(done)}, 202)


async def results(inquiry: Inquiry) -> ASGIApp:
    """Lines that have ended, in the order in which they did, as a results file has them. Query: after, a position."""
    after = Query(inquiry.request.query_params, ("after",)).whole("after", 0, least=0, most=10**10)
    batch = await _seen(inquiry)
    page = await inquiry.jobs.run(read_page(inquiry.jobs.keys, batch, after))
    data = [{"position": line.position, **_result(line)} for line in page.lines]
    more = page.cursor - after >= PAGE
    return JsonAnswer({"object": "list", "data": data, "position": page.cursor, "has_more": more})


async def events(inquiry: Inquiry) -> ASGIApp:
    """Follows a batch by server-sent events: `line` for each that ends, then `end`; `Last-Event-ID` resumes."""
    said = inquiry.request.headers.get("last-event-id") or inquiry.request.query_params.get("after") or "0"
    after = Query({"after": said}, ("after",)).whole("after", 0, least=0, most=10**10)
    batch = await _seen(inquiry)
    return EventStream(_events(inquiry, batch, after), {}, leave)


async def _events(inquiry: Inquiry, batch: str, after: int) -> AsyncGenerator[bytes, None]:
    last = after
    try:
        async for line in inquiry.jobs.iterate(BatchFlows(inquiry.jobs.keys, batch).results(after, None)):
            last = line.position
            yield event(_result(line), "line", str(last))
        yield event(await _document(inquiry, batch), "end", str(last))
    except Exception as error:
        told = errors.of_error(error) if isinstance(error, HomaError) else errors.internal()
        if told.status >= 500:
            _log.warning("the stream of batch %s ended: %s", batch, error)
        yield event({"message": told.message, "code": told.code}, "error")


def _result(line: Line[Any]) -> dict[str, Any]:
    if line.failure is not None:
        return ended_line(line.failure, None)
    return ended_line(line.reply, None)


async def _seen(inquiry: Inquiry) -> str:
    """The batch that a path names, if whoever asks may see it."""
    batch = str(inquiry.request.path_params["batch"])
    view = await inquiry.jobs.run(ask(reads.batch(inquiry.jobs.keys, batch)))
    if view is None or not inquiry.principal.sees(view.tenant):
        raise JobNotFound(f"batch {batch!r:.80} is not in the store: its id is wrong, or its retention has ended")
    return batch


async def _document(inquiry: Inquiry, batch: str) -> dict[str, Any]:
    info = await inquiry.jobs.run(batch_info(inquiry.jobs.keys, batch))
    return {"object": "job_batch", **document_of(info)}
