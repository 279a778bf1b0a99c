"""`POST /v1/messages`, plain and streamed, and `/v1/messages/count_tokens`."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

from starlette.types import ASGIApp

from homa.client.results import Reply
from homa.client.streams import Piece
from homa.files.result_line import answer_body
from homa.gateway.answers import EventStream, JsonAnswer
from homa.gateway.anthropic.chat_messages import chat_messages
from homa.gateway.anthropic.chat_params import chat_params
from homa.gateway.anthropic.events import MessageEvents
from homa.gateway.anthropic.message import message_of
from homa.gateway.asked_jobs import chat_job
from homa.gateway.endpoint import Inquiry
from homa.gateway.reply_headers import reply_headers
from homa.gateway.request_checks import flag
from homa.gateway.sent_calls import CallPart
from homa.gateway.waiting import answer_of, cancelling, pieces_of
from homa.submit.asked import AcceptedJob
from homa_shared.calls.tokens import estimate_messages
from homa_shared.model.errors import InvalidRequest


async def messages(inquiry: Inquiry) -> ASGIApp:
    """A message, by whichever provider is behind the model."""
    body = inquiry.body
    if body.get("max_tokens") is None:
        raise InvalidRequest("max_tokens is missing: expected the most tokens of the answer")
    stream, params = flag(body, "stream"), chat_params(body)
    found = chat_messages(body.get("system"), body.get("messages"))
    asked = chat_job(inquiry.principal, inquiry.request.headers, found, params, stream=stream or None)
    job = await inquiry.submit(asked)
    if stream:
        events = MessageEvents(job.job_id, body["model"], inquiry.request_id)
        headers = {"x-homa-job": job.job_id}
        # Thinking, which is known at the end, stands before the calls that it led to.
        thinking = body.get("thinking")
        with_calls = not isinstance(thinking, dict) or thinking.get("type") == "disabled"
        return EventStream(_events(inquiry, job, events, with_calls), headers, cancelling(inquiry, job.job_id))
    reply = await answer_of(inquiry, job)
    return JsonAnswer(message_of(answer_body(reply.body), job.job_id, body["model"]), headers=reply_headers(reply))


async def count_tokens(inquiry: Inquiry) -> ASGIApp:
    """Input tokens of a request, counted offline: exactly for texts of OpenAI's models, else by an estimate."""
    body: dict[str, Any] = inquiry.body
    params = chat_params(body)
    model = params.get("model")
    if not isinstance(model, str) or not model:
        raise InvalidRequest(f"model is {model!r:.80}: expected provider:model, or an alias")
    inquiry.principal.require_model(model)
    view = await inquiry.jobs.fleet()
    target = view.members(str(view.fleet.hops(model, ())[0]))[0]
    found = chat_messages(body.get("system"), body.get("messages"))
    tokens = estimate_messages(found, target.model, tools=params.get("tools"), factor=view.factor(target))
    return JsonAnswer({"input_tokens": tokens})


async def _events(
    inquiry: Inquiry, job: AcceptedJob, events: MessageEvents, with_calls: bool
) -> AsyncGenerator[bytes, None]:
    yield events.first()
    async for item in pieces_of(inquiry, job, cancelling(inquiry, job.job_id), with_calls=with_calls):
        if isinstance(item, Piece):
            if item:
                yield events.text(item)
        elif isinstance(item, CallPart):
            for event in events.call(item):
                yield event
        elif isinstance(item, Reply):
            for event in events.rest(answer_body(item.body)):
                yield event
        else:
            yield events.error(item)
