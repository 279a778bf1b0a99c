"""Requests of Anthropic's batches as lines of a file, and lines of their results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homa.client.results import Failure, Reply
from homa.files.result_line import answer_body
from homa.gateway.access.principal import Principal
from homa.gateway.anthropic.chat_messages import chat_messages
from homa.gateway.anthropic.chat_params import chat_params
from homa.gateway.anthropic.message import message_of
from homa.gateway.asked_jobs import bulk_options, refuse_stream
from homa.gateway.batches.line_format import LineFormat, LineRequest, RequestLine, Unsent, told
from homa.gateway.dialect import ANTHROPIC
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import State

#: Name of the API whose batches these are the lines of, and its one endpoint.
API, ENDPOINT = "anthropic", "/v1/messages"
#: Field of a job's metadata: the model as it was asked for.
_MODEL = "model"
_ENDS = {State.EXPIRED: "expired", State.CANCELLED: "canceled"}
_UNSENT = {Unsent.EXPIRED: "expired", Unsent.CANCELLED: "canceled"}


class MessageLines(LineFormat):
    """`/v1/messages`."""

    has_error_file = False

    def read(self, line: Mapping[str, Any]) -> RequestLine:
        return RequestLine(line["custom_id"], line["params"])

    def ask(self, principal: Principal, headers: Mapping[str, str], body: Mapping[str, Any]) -> LineRequest:
        refuse_stream(body)
        if body.get("max_tokens") is None:
            raise InvalidRequest("max_tokens is missing: expected the most tokens of the answer")
        messages = chat_messages(body.get("system"), body.get("messages"))
        options = bulk_options(principal, headers, chat_params(body))
        return LineRequest(options, messages, metadata={_MODEL: str(body["model"])})

    def answered(self, custom_id: str, reply: Reply[Any]) -> Mapping[str, Any]:
        model = str(reply.metadata.get(_MODEL) or reply.model)
        message = message_of(answer_body(reply.body), reply.job_id, model)
        return {"custom_id": custom_id, "result": {"type": "succeeded", "message": message}}

    def failed(self, custom_id: str, failure: Failure) -> Mapping[str, Any]:
        if failure.state in _ENDS and failure.kind != "gone":
            return {"custom_id": custom_id, "result": {"type": _ENDS[failure.state]}}
        error = ANTHROPIC.error(told(failure), f"req_{failure.job_id}")
        return {"custom_id": custom_id, "result": {"type": "errored", "error": error}}

    def unsent(self, custom_id: str, why: Unsent) -> Mapping[str, Any]:
        return {"custom_id": custom_id, "result": {"type": _UNSENT[why]}}
