"""Servers that speak OpenAI's protocol with an accent: Azure, Ollama, Cohere."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from homa_workers.simulator.dialects.openai import OpenAIDialect
from homa_workers.simulator.limits import Accounting, Level
from homa_workers.simulator.wire import Failure, FailureKind

_OPERATIONS = r"(?:(chat/completions)|(embeddings)|(models)(?:/(.+))?)"
_WITH_RESPONSES = _OPERATIONS.replace("chat/completions", "chat/completions|responses")


class AzureDialect(OpenAIDialect):
    """Azure OpenAI's v1 endpoint, `/ACCOUNT/openai/v1/…`; tokens are reserved at receipt and never come back."""

    kind = "azure"
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

    def failure(self, failure: Failure, request_id: str) -> tuple[int, Any]:
        status, _ = super().failure(failure, request_id)
        if failure.kind is FailureKind.QUOTA:
            status = 402
        return status, {"id": request_id, "message": failure.message}

    def headers(self, request_id: str, levels: Mapping[str, Level], failure: Failure | None) -> dict[str, str]:
        return {}

    def identity(self, request_id: str) -> dict[str, str]:
        return {"x-debug-trace-id": request_id}


_FILTERED = {
    "code": "ResponsibleAIPolicyViolation",
    "content_filter_result": {"violence": {"filtered": True, "severity": "medium"}},
}
