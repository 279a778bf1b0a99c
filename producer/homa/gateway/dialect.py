"""How an API tells of errors, and of what a key has left."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from homa.gateway.errors import ApiError
from homa.gateway.rate_headers import anthropic_rate_headers, openai_rate_headers
from homa_shared.store.transitions.gateway_rates import Headroom


class Dialect(ABC):
    """One API's way to tell it."""

    #: Header that carries the id of a request.
    request_id_header: str

    @abstractmethod
    def error(self, error: ApiError, request_id: str) -> dict[str, Any]:
        """The body of an error."""

    @abstractmethod
    def rate_headers(self, headroom: Headroom) -> dict[str, str]:
        """What the rate of a key leaves to it."""


class OpenAIDialect(Dialect):
    """OpenAI's, which Homa's own API shares."""

    request_id_header = "x-request-id"
    #: Status -> type of error.
    _TYPES = {
        401: "authentication_error",
        403: "permission_error",
        404: "invalid_request_error",
        429: "rate_limit_error",
    }

    def error(self, error: ApiError, request_id: str) -> dict[str, Any]:
        kind = self._TYPES.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")
        if error.code == "insufficient_quota":
            kind = "insufficient_quota"
        return {"error": {"message": error.message, "type": kind, "param": error.param, "code": error.code}}

    def rate_headers(self, headroom: Headroom) -> dict[str, str]:
        return openai_rate_headers(headroom)


class AnthropicDialect(Dialect):
    """Anthropic's."""

    request_id_header = "request-id"
    _TYPES = {
        400: "invalid_request_error",
        401: "authentication_error",
        402: "billing_error",
        403: "permission_error",
        404: "not_found_error",
        408: "timeout_error",
        409: "conflict_error",
        413: "request_too_large",
        429: "rate_limit_error",
        503: "overloaded_error",
        504: "timeout_error",
    }

    def error(self, error: ApiError, request_id: str) -> dict[str, Any]:
        kind = self._TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
        if error.code == "insufficient_quota":
            kind = "billing_error"
        told = {"type": kind, "message": error.message, "details": {"error_code": error.code}}
        return {"type": "error", "error": told, "request_id": request_id}

    def rate_headers(self, headroom: Headroom) -> dict[str, str]:
        return anthropic_rate_headers(headroom)


OPENAI, ANTHROPIC = OpenAIDialect(), AnthropicDialect()
