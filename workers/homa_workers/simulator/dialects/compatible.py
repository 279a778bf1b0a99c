"""Servers that speak OpenAI's protocol with an accent: Azure, Ollama, Cohere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from homa_workers.simulator.dialects.openai import OpenAIDialect
from homa_workers.simulator.limits import Accounting, Level
from homa_workers.simulator.wire import Failure, FailureKind, Operation, Prompt, Route

_OPERATIONS = r"(?:(chat/completions)|(embeddings)|(models)(?:/(.+))?)"
_WITH_RESPONSES = _OPERATIONS.replace("chat/completions", "chat/completions|responses")


class AzureDialect(OpenAIDialect):
    """Azure OpenAI's v1 endpoint, `/ACCOUNT/openai/v1/…`; tokens are reserved at receipt and never come back."""

    kind = "azure"
    only_own = True
    precedence = 0
    price_id = "azure"
    accounting = Accounting.SUM_NO_REFUND
    _path: ClassVar[re.Pattern[str]] = re.compile(rf"/([\w.:-]+)/openai/v1/{_WITH_RESPONSES}")
    _codes: ClassVar[Mapping[FailureKind, str]] = {
        FailureKind.UNAUTHORIZED: "401",
        FailureKind.FORBIDDEN: "403",
        FailureKind.NOT_FOUND: "DeploymentNotFound",
        FailureKind.RATE_LIMITED: "429",
        FailureKind.TIMEOUT: "Timeout",
        FailureKind.ERROR: "InternalServerError",
        FailureKind.OVERLOADED: "ServiceUnavailable",
    }

    def failure(self, failure: Failure, request_id: str) -> tuple[int, Any]:
        status, body = super().failure(failure, request_id)
        if failure.kind in self._codes:
            return status, {"error": {"code": self._codes[failure.kind], "message": failure.message}}
        if failure.kind is FailureKind.CONTENT_FILTER:
            body["error"] |= {"type": None, "param": "prompt", "status": status, "innererror": _FILTERED}
        return status, body

    def identity(self, request_id: str) -> dict[str, str]:
        return {"apim-request-id": request_id, "x-request-id": request_id}


class OllamaDialect(OpenAIDialect):
    """Ollama, `/ollama…/v1/…`: it costs nothing and has no quota headers; what is too much waits or gets a 503."""

    kind = "ollama"
    precedence = 0
    caches_by_itself = False
    price_id = ""
    free = True
    _path: ClassVar[re.Pattern[str]] = re.compile(rf"/(ollama[\w.:-]*)/v1/{_OPERATIONS}")

    def failure(self, failure: Failure, request_id: str) -> tuple[int, Any]:
        status, _ = super().failure(failure, request_id)
        kinds = {400: "invalid_request_error", 404: "not_found_error"}
        kind = kinds.get(status, "api_error")
        return status, {"error": {"message": failure.message, "type": kind, "param": None, "code": None}}

    def headers(self, request_id: str, levels: Mapping[str, Level], failure: Failure | None) -> dict[str, str]:
        return {}

    def identity(self, request_id: str) -> dict[str, str]:
        return {}


class CohereDialect(OpenAIDialect):
    """Cohere's compatibility endpoint, `/compatibility/v1/…`: OpenAI's replies, Cohere's own errors."""

    kind = "cohere"
    precedence = 0
    caches_by_itself = False
    price_id = "cohere"
    _path: ClassVar[re.Pattern[str]] = re.compile(rf"(?:/([\w.:-]+))?/compatibility/v1/{_OPERATIONS}")

    def read(self, route: Route, body: Mapping[str, Any]) -> Prompt:
        _refuse_what_cohere_lacks(body, _COHERE_CHAT if route.operation is Operation.CHAT else _COHERE_EMBED)
        return super().read(route, body)

    def failure(self, failure: Failure, request_id: str) -> tuple[int, Any]:
        status, _ = super().failure(failure, request_id)
        if failure.kind is FailureKind.QUOTA:
            status = 402
        return status, {"id": request_id, "message": failure.message}

    def headers(self, request_id: str, levels: Mapping[str, Level], failure: Failure | None) -> dict[str, str]:
        return {}

    def identity(self, request_id: str) -> dict[str, str]:
        return {"x-debug-trace-id": request_id}


#: docs.cohere.com/docs/compatibility-api
_COHERE_CHAT = frozenset(
    "model messages stream stream_options reasoning_effort response_format tools tool_choice temperature max_tokens "
    "stop seed top_p frequency_penalty presence_penalty".split()
)
_COHERE_EMBED = frozenset("model input encoding_format".split())


def _refuse_what_cohere_lacks(body: Mapping[str, Any], fields: frozenset[str]) -> None:
    unknown = sorted(body.keys() - fields)
    if any("strict" in (tool.get("function") or {}) for tool in body.get("tools") or ()):
        unknown.append("strict")
    if unknown:
        said = f"unknown field: parameter '{unknown[0]}' is not a valid field. For proper usage, please refer to"
        raise Failure(FailureKind.UNPROCESSABLE, f"{said} https://docs.cohere.com/reference/chat")
    if body.get("reasoning_effort") not in (None, "none", "high"):
        raise Failure(FailureKind.UNPROCESSABLE, "invalid request: reasoning_effort must be one of 'none', 'high'")
    for name in ("frequency_penalty", "presence_penalty"):
        if not 0 <= (body.get(name) or 0) <= 1:
            raise Failure(FailureKind.INVALID, f"invalid request: {name} must be between 0 and 1 inclusive")


_FILTERED = {
    "code": "ResponsibleAIPolicyViolation",
    "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
}
