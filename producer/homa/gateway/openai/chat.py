"""`POST /v1/chat/completions`, plain and streamed."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from starlette.types import ASGIApp

from homa.client.results import Reply
from homa.client.streams import Piece
from homa.files.result_line import answer_body
from homa.gateway.answers import EventStream, JsonAnswer
from homa.gateway.asked_jobs import chat_job
from homa.gateway.endpoint import Inquiry
from homa.gateway.openai.chunks import Chunks
from homa.gateway.reply_headers import reply_headers
from homa.gateway.request_checks import flag, optional_object
from homa.gateway.sent_calls import CallPart
from homa.gateway.waiting import answer_of, cancelling, pieces_of
from homa.submit.asked import AcceptedJob

#: What the gateway itself does, so that no provider is told.
_OWN = frozenset({"messages", "stream", "stream_options"})
_DONE = b"data: [DONE]\n\n"


async def chat_completions(inquiry: Inquiry) -> ASGIApp:
    """A chat completion, by whichever provider is behind the model."""
    body = inquiry.body
    stream, options = flag(body, "stream"), optional_object(body, "stream_options")
    params = {name: value for name, value in body.items() if name not in _OWN}
    asked = chat_job(inquiry.principal, inquiry.request.headers, body.get("messages"), params, stream=stream or None)
    job = await inquiry.submit(asked)
    if stream:
        chunks = Chunks(job.job_id, body["model"], with_usage=flag(options, "include_usage"))
        events = _events(inquiry, job, chunks)
        return EventStream(events, {"x-homa-job": job.job_id}, cancelling(inquiry, job.job_id))
    reply = await answer_of(inquiry, job)
    return JsonAnswer(answer_body(reply.body), headers=reply_headers(reply))


async def _events(inquiry: Inquiry, job: AcceptedJob, chunks: Chunks) -> AsyncGenerator[bytes, None]:
    yield chunks.first()
    async for item in pieces_of(inquiry, job, cancelling(inquiry, job.job_id)):
        if isinstance(item, Piece):
            if item:
                yield chunks.text(item)
        elif isinstance(item, CallPart):
            yield chunks.call(item)
        elif isinstance(item, Reply):
            for chunk in chunks.rest(item.body):
                yield chunk
            yield _DONE
        else:
            yield chunks.error(item)
