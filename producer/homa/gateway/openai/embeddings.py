"""`POST /v1/embeddings`."""

from __future__ import annotations

from starlette.types import ASGIApp

from homa.files.result_line import answer_body
from homa.gateway.answers import JsonAnswer
from homa.gateway.asked_jobs import embedding_job
from homa.gateway.endpoint import Inquiry
from homa.gateway.openai.vectors import as_floats, encoding_of, require_all, texts_of
from homa.gateway.reply_headers import reply_headers
from homa.gateway.waiting import answer_of


async def embeddings(inquiry: Inquiry) -> ASGIApp:
    """Vectors of one or several texts."""
    body = inquiry.body
    form = encoding_of(body)
    params = {name: value for name, value in body.items() if name not in ("input", "encoding_format")}
    asked = embedding_job(inquiry.principal, inquiry.request.headers, texts_of(body.get("input")), params)
    reply = await answer_of(inquiry, await inquiry.submit(asked))
    found = answer_body(reply.body)
    require_all(found, reply.job_id)
    return JsonAnswer(found if form == "base64" else as_floats(found), headers=reply_headers(reply))
