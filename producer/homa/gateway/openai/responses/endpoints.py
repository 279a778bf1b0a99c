"""`POST /v1/responses`, plain, streamed and in the background; `GET` one, and cancel it."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import orjson
from starlette.types import ASGIApp

from homa.client.results import Failure, Reply
from homa.client.streams import Piece
from homa.files.result_line import answer_body
from homa.gateway import errors
from homa.gateway.answers import EventStream, JsonAnswer
from homa.gateway.asked_jobs import chat_job
from homa.gateway.endpoint import Inquiry
from homa.gateway.errors import ApiError
from homa.gateway.openai.responses.document import (
    KEPT,
    PREFIX,
    ResponseDocument,
    asked_again,
    asked_of,
    kept_of,
    status_of,
)
from homa.gateway.openai.responses.events import ResponseEvents
from homa.gateway.openai.responses.input_items import input_messages
from homa.gateway.openai.responses.params import chat_params
from homa.gateway.reply_headers import reply_headers
from homa.gateway.request_checks import flag, optional_object
from homa.gateway.sent_calls import CallPart
from homa.gateway.waiting import answer_of, cancelling, leave, pieces_of
from homa.submit.asked import AcceptedJob
from homa_shared.model.errors import InvalidRequest, JobNotFound, ResultTimeout
from homa_shared.model.record_fields import short
from homa_shared.model.records import ENDED, Job

#: A worker that is told to cancel a call has this long until the answer says so, s.
_CANCEL_S = 5.0


async def create(inquiry: Inquiry) -> ASGIApp:
    """A response, by whichever provider is behind the model."""
    body = inquiry.body
    stream, background = flag(body, "stream"), flag(body, "background")
    optional_object(body, "metadata")
    asked, is_stored = asked_of(body), body.get("store") is not False
    if background and not is_stored:
        raise InvalidRequest("store is False: expected true with background, which is read later")
    job = await inquiry.submit(
        chat_job(
            inquiry.principal,
            inquiry.request.headers,
            input_messages(body.get("instructions"), body.get("input")),
            chat_params(body),
            stream=stream or None,
            api="responses",
            metadata={KEPT: kept_of(asked)} if is_stored else None,
        )
    )
    document = ResponseDocument(job.job_id, asked, time.time(), "in_progress")
    headers = {"x-homa-job": job.job_id}
    if stream:
        on_gone = leave if background else cancelling(inquiry, job.job_id)
        return EventStream(_events(inquiry, job, ResponseEvents(document), on_gone), headers, on_gone)
    if background:
        queued = ResponseDocument(job.job_id, asked, document.created_s, "queued")
        return JsonAnswer(queued.as_json(), headers=headers)
    reply = await answer_of(inquiry, job)
    return JsonAnswer(document.ended(answer_body(reply.body)).as_json(), headers=reply_headers(reply))


async def retrieve(inquiry: Inquiry) -> ASGIApp:
    """A response as it is now, or its events from any of them on."""
    job, document = await _found(inquiry)
    query = inquiry.request.query_params
    if query.get("stream", "false").lower() != "true":
        return JsonAnswer((await _as_it_is(inquiry, job, document)).as_json())
    if not (document.is_background and document.is_streamed):
        raise InvalidRequest("stream cannot be asked for: the response was not made with background and stream")
    events = ResponseEvents(document, _starting_after(query.get("starting_after")))
    accepted = AcceptedJob(job.id, is_new=False)
    return EventStream(_events(inquiry, accepted, events, leave), {"x-homa-job": job.id}, leave)


async def cancel(inquiry: Inquiry) -> ASGIApp:
    """Cancels a response that runs in the background; one that has ended stays as it is."""
    inquiry.principal.require_changes()
    job, document = await _found(inquiry)
    if not document.is_background:
        raise InvalidRequest("response cannot be cancelled: it was not made with background")
    if job.state not in ENDED and await inquiry.jobs.cancel(job.id) == "cancelling":
        with suppress(ResultTimeout):  # its worker has been told
            await inquiry.jobs.outcome(AcceptedJob(job.id, is_new=False), _CANCEL_S)
    job, document = await _found(inquiry)
    return JsonAnswer((await _as_it_is(inquiry, job, document)).as_json())


async def _found(inquiry: Inquiry) -> tuple[Job, ResponseDocument]:
    """The job of a response that its caller may see.

    Raises:
        JobNotFound: there is none, or it was not made as a response.
    """
    response_id = inquiry.request.path_params["response"]
    job_id = response_id.removeprefix(PREFIX)
    job = await inquiry.jobs.job(job_id) if response_id.startswith(PREFIX) and job_id else None
    kept = orjson.loads(job.raw.get(short("metadata")) or "{}").get(KEPT) if job else None
    if job is None or not isinstance(kept, dict) or not inquiry.principal.sees(job.tenant):
        raise JobNotFound(f"response {response_id!r:.80} is not kept here: its id is wrong, or its retention has ended")
    return job, ResponseDocument(job.id, asked_again(kept), job.submitted_ms / 1000, status_of(job.state))


async def _as_it_is(inquiry: Inquiry, job: Job, document: ResponseDocument) -> ResponseDocument:
    if job.state not in ENDED:
        return document
    outcome = await inquiry.jobs.ended(job.id)
    if isinstance(outcome, Failure):
        return document.failed(errors.of_failure(outcome))
    return document.ended(answer_body(outcome.body))


async def _events(
    inquiry: Inquiry, job: AcceptedJob, events: ResponseEvents, give_up: Callable[[], Awaitable[None]]
) -> AsyncGenerator[bytes, None]:
    for event in events.first():
        yield event
    async for item in pieces_of(inquiry, job, give_up):
        for event in _told(events, item):
            yield event


def _told(events: ResponseEvents, item: Piece | CallPart | Reply[Any] | ApiError) -> Any:
    if isinstance(item, CallPart):
        return events.call(item)
    if isinstance(item, Piece):
        return events.text(item) if item else ()
    return events.rest(answer_body(item.body)) if isinstance(item, Reply) else events.error(item)


def _starting_after(given: str | None) -> int:
    if given is None:
        return -1
    if not given.isdigit() or len(given) > 9:
        raise InvalidRequest(f"starting_after is {given!r:.80}: expected the sequence_number of an event")
    return int(given)
