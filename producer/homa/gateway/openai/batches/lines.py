"""Lines of OpenAI's batch files, in and out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

from homa.client.result_documents import answered, unanswered
from homa.client.results import Failure, Reply
from homa.files.result_line import result_line
from homa.gateway.batches.line_format import BadLine, LineFormat, RequestLine, Unsent, told
from homa.gateway.dialect import OPENAI
from homa.submit.option_checks import check_custom_id
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.records import State

#: State of a job that ended without an outcome of its own -> code of its line.
_CODES = {State.EXPIRED: "batch_expired", State.CANCELLED: "batch_cancelled"}
_UNSENT = {
    Unsent.EXPIRED: ("batch_expired", "the batch expired before this request was sent"),
    Unsent.CANCELLED: ("batch_cancelled", "the batch was cancelled before this request was sent"),
}
#: Name of the API whose batches these are the lines of.
API = "openai"
#: Of a line whose job was purged before its answer was written.
GONE = "result_expired"
#: Azure writes the addresses of endpoints without it.
VERSION = "/v1"


class OpenAILines(LineFormat):
    """What the lines of all endpoints have in common."""

    #: As `/v1/…`.
    endpoint: str

    def read(self, line: Mapping[str, Any]) -> RequestLine:
        custom_id, url, body = line.get("custom_id"), line.get("url"), line.get("body")
        if not isinstance(custom_id, str) or not custom_id:
            raise BadLine("missing_custom_id", f"custom_id is {custom_id!r:.80}: expected text", "custom_id")
        try:
            check_custom_id("custom_id", custom_id)
        except InvalidRequest as error:
            raise BadLine("invalid_custom_id", str(error), "custom_id") from None
        if line.get("method") != "POST":
            raise BadLine("invalid_method", f"method is {line.get('method')!r:.80}: expected POST", "method")
        if not isinstance(url, str) or canonical(url) != self.endpoint:
            message = f"url is {url!r:.80}: expected that of the batch, {self.endpoint}"
            raise BadLine("mismatched_endpoint", message, "url")
        if not isinstance(body, dict):
            raise BadLine("invalid_body", f"body is {body!r:.80}: expected an object", "body")
        return RequestLine(custom_id, body)

    @abstractmethod
    def body_of(self, reply: Reply[Any]) -> Mapping[str, Any]:
        """What the endpoint answers."""

    def answered(self, custom_id: str, reply: Reply[Any]) -> Mapping[str, Any]:
        line = result_line(custom_id, answered(reply))
        response = {
            "status_code": 200,
            "request_id": reply.request_id or f"req_{reply.job_id}",
            "body": self.body_of(reply),
        }
        return {**line, "id": _request_id(reply.job_id), "response": response}

    def failed(self, custom_id: str, failure: Failure) -> Mapping[str, Any]:
        line = result_line(custom_id, unanswered(failure, None))
        line |= {"id": _request_id(failure.job_id), "response": None}
        code = GONE if failure.kind == "gone" else _CODES.get(failure.state)
        if code:
            return {**line, "error": {"code": code, "message": failure.message}}
        error = told(failure)
        response = {
            "status_code": error.status,
            "request_id": failure.request_id or f"req_{failure.job_id}",
            "body": OPENAI.error(error, ""),
        }
        return {**line, "response": response, "error": None}

    def unsent(self, custom_id: str, why: Unsent) -> Mapping[str, Any]:
        code, message = _UNSENT[why]
        error = {"code": code, "message": message}
        return {"id": f"batch_req_{code}", "custom_id": custom_id, "response": None, "error": error}


def canonical(url: str) -> str:
    """The address of an endpoint, however it is spelled."""
    return url if url.startswith(f"{VERSION}/") else VERSION + url


def _request_id(job_id: str) -> str:
    return f"batch_req_{job_id}"
