"""What Gemini's failures mean.

Source: https://ai.google.dev/gemini-api/docs/troubleshooting and Google's error model (google.rpc.Status), in which
`details` carry the reason, the violated quota and how long to wait.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from homa_shared.calls.failures import ErrorKind
from homa_workers.providers.error_rules import (
    PARAMETER_OUT_OF_RANGE,
    STATUS_RULES,
    ErrorReply,
    ErrorRule,
    by_code,
    by_message,
)

#: A `google.protobuf.Duration` in JSON.
DURATION = re.compile(r"^(\d+(?:\.\d+)?)s$")

#: Says that this Gemini model lacks what the request uses; there is no code for that.
_UNSUPPORTED = (
    r"is not (?:enabled|supported) (?:for|on) (?:this model|models/)|are not supported for this model"
    r"|thinking budget .{0,20}is invalid|Budget \d+ is invalid|only works in thinking mode|Unknown name \""
    r"|response mime type: .{1,40} is unsupported|missing a .thought_signature"
)

_VERSION = "see `api_version` in [providers.<name>.options]: each version of the API has models of its own"
#: Every call of the account goes to that path, so that none of them can succeed.
_NO_VERSION = "its server has no such version of the API: set `api_version` in [providers.<name>.options]"

GEMINI_RULES: tuple[ErrorRule, ...] = (
    by_message(ErrorKind.MODEL_NOT_FOUND, r"is not found for API version", 404, advice=_VERSION),
    by_message(ErrorKind.UNAUTHORIZED, r"requested URL /v\w+/.* was not found", 404, advice=_NO_VERSION),
    by_code(ErrorKind.UNAUTHORIZED, "api_key_invalid", "api_key_service_blocked", "user_location_not_supported"),
    by_code(ErrorKind.QUOTA_EXHAUSTED, "per_day", "billing_disabled"),
    # Told from rates by their words only; a limit of spend over ten minutes is a rate.
    by_message(ErrorKind.QUOTA_EXHAUSTED, r"prepayment credits|spend(?:ing)? cap", 429),
    by_code(ErrorKind.OVERLOADED, "model_capacity_exhausted"),
    by_message(ErrorKind.UNAUTHORIZED, r"api key (?:not valid|expired)|location is not supported", 400),
    by_message(ErrorKind.QUOTA_EXHAUSTED, r"billing", 400),
    by_message(ErrorKind.CONTEXT_TOO_LONG, r"exceeds the maximum number of tokens|input token count", 400),
    by_message(ErrorKind.UNSUPPORTED_BY_MODEL, _UNSUPPORTED, 400),
    by_message(ErrorKind.UNSUPPORTED_BY_MODEL, PARAMETER_OUT_OF_RANGE, 400, 422),
    *STATUS_RULES,
    by_code(ErrorKind.RATE_LIMITED, "resource_exhausted"),
    by_code(ErrorKind.OVERLOADED, "unavailable"),
    by_code(ErrorKind.INVALID_REQUEST, "invalid_argument", "failed_precondition"),
)


def failure_of(status: int | None, body: object, headers: Mapping[str, str]) -> ErrorReply:
    """Read a failure from an error of Google's: `{"error": {code, message, status, details}}`, or the inner object."""
    error: Any = body.get("error", body) if isinstance(body, Mapping) else {}
    error = error if isinstance(error, Mapping) else {"message": str(error)}
    told = error.get("details")
    details = [detail for detail in told if isinstance(detail, Mapping)] if isinstance(told, list) else []
    waits = [match[1] for detail in details if (match := DURATION.match(str(detail.get("retryDelay"))))]
    if waits and "retry-after" not in headers:
        headers = {**headers, "retry-after": waits[0]}
    message = str(error.get("message") or body or f"HTTP status {status} without a body")
    return ErrorReply(status, message, _codes(error, details), headers)


def _codes(error: Mapping[str, Any], details: list[Mapping[str, Any]]) -> tuple[str, ...]:
    """Reasons, `per_day` where a daily quota is violated, the canonical status."""
    # Violations of a shape that nobody expected tell the quota's name all the same.
    daily = ["per_day"] if any("PerDay" in str(detail.get("violations")) for detail in details) else []
    reasons = [str(detail["reason"]) for detail in details if detail.get("reason")]
    return tuple(code.lower() for code in (*daily, *reasons, str(error.get("status") or "")) if code)
