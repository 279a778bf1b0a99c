"""What went wrong, with an HTTP status; each API puts it into its own shape."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from homa.client.results import Failure
from homa_shared.model.errors import (
    AnswerRefused,
    BudgetExceeded,
    ConfigError,
    HomaError,
    InvalidRequest,
    JobNotFound,
    KeyConflict,
    ResultTimeout,
    StoreFull,
    StoreUnavailable,
    UnknownModel,
)
from homa_shared.model.records import State
from homa_shared.store.blobs import BlobsUnavailable

#: How long to wait where the store is away or full, s.
_STORE_AWAY_S, _STORE_FULL_S = 1, 5


@dataclass(eq=False)
class ApiError(Exception):
    """A request that is not answered with what it asked for."""

    status: int
    #: For people.
    message: str
    #: For programs, in OpenAI's words where it has one.
    code: str
    #: The field or header at fault.
    param: str | None = None
    #: Seconds after which it may go better.
    retry_after_s: int | None = None
    #: Whether sending it again may help; None leaves it to the client.
    retry: bool | None = None
    job_id: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.message

    def all_headers(self) -> dict[str, str]:
        """Headers that go with it."""
        found = dict(self.headers)
        if self.retry_after_s is not None:
            found["retry-after"] = str(self.retry_after_s)
        if self.retry is not None:
            # The official clients obey it before they look at the status.
            found["x-should-retry"] = "true" if self.retry else "false"
        if self.job_id:
            found["x-homa-job"] = self.job_id
        return found


@dataclass(frozen=True, slots=True)
class _Kind:
    status: int
    code: str
    retry: bool | None = False
    retry_after_s: int | None = None


#: How a job failed -> what a client is told. Homa has retried already: another request would be another job.
_FAILURES: dict[str, _Kind] = {
    "rate_limited": _Kind(429, "rate_limit_exceeded", None),
    "quota_exhausted": _Kind(429, "insufficient_quota"),
    "unauthorized": _Kind(502, "provider_refused_key"),
    "model_not_found": _Kind(404, "model_not_found"),
    "not_found": _Kind(404, "not_found"),
    "overloaded": _Kind(503, "server_is_overloaded", None),
    "unreachable": _Kind(503, "provider_unreachable", None),
    "ambiguous": _Kind(502, "provider_error"),
    "conflict": _Kind(502, "provider_error"),
    "invalid_request": _Kind(400, "invalid_request"),
    "unsupported_by_model": _Kind(400, "unsupported_by_model"),
    "context_too_long": _Kind(400, "context_length_exceeded"),
    "content_policy": _Kind(400, "content_filter"),
    "malformed": _Kind(502, "malformed_reply"),
    "reply_too_large": _Kind(502, "reply_too_large"),
    "unusable_reply": _Kind(502, "unusable_reply"),
    "budget": _Kind(429, "insufficient_quota"),
    "unpriced": _Kind(400, "unpriced"),
    "too_large": _Kind(400, "request_too_large_for_limit"),
    "cut": _Kind(502, "cut"),
}
_ENDS: dict[State, _Kind] = {
    State.CANCELLED: _Kind(409, "job_cancelled"),
    State.EXPIRED: _Kind(504, "job_expired"),
    State.SUCCEEDED: _Kind(410, "result_expired"),
}
_OTHER = _Kind(502, "job_failed")


def of_failure(failure: Failure) -> ApiError:
    """A job that ended without a reply."""
    kind = _ENDS.get(failure.state) or _FAILURES.get(failure.kind, _OTHER)
    said = str(failure.error())
    return ApiError(kind.status, said, kind.code, None, kind.retry_after_s, kind.retry, failure.job_id)


def of_error(error: HomaError) -> ApiError:
    """An error of the client's; one that nobody expects here is told as a defect, without its words."""
    message = str(error)
    if isinstance(error, UnknownModel):
        return ApiError(404, message, "model_not_found", "model", retry=False)
    if isinstance(error, KeyConflict):
        # draft-ietf-httpapi-idempotency-key-header, section 2.7: a key that is used again with another request.
        return ApiError(422, message, "idempotency_key_reused", "idempotency-key", retry=False, job_id=error.job_id)
    if isinstance(error, AnswerRefused):
        return ApiError(409, message, f"answer_{error.why}", retry=False, job_id=error.job_id)
    if isinstance(error, InvalidRequest):
        return ApiError(400, message, "invalid_request", _place_in(message))
    if isinstance(error, BudgetExceeded):
        return ApiError(429, message, "insufficient_quota", retry=False)
    if isinstance(error, JobNotFound):
        return ApiError(404, message, "not_found")
    if isinstance(error, ResultTimeout):
        return ApiError(504, message, "timeout", retry=False)
    if isinstance(error, StoreUnavailable):
        # Where nobody knows whether it was accepted, only a key makes sending it again safe.
        return ApiError(503, _STORE_AWAY, "store_unavailable", None, _STORE_AWAY_S, None, error.job_id)
    return next((away() for kind, away in _AWAY.items() if isinstance(error, kind)), internal())


#: Messages of the store name its address, which is not for everybody.
_STORE_AWAY = "the store does not answer; try again in a moment"
_STORE_FULL = "the store has no room for another job; try again in a while"
_FILES_AWAY = "files cannot be stored or read now; this gateway's log says why"
_MISCONFIGURED = "this gateway lacks a setting that the request needs; its log names it"
#: What may be otherwise in a while, and how that is told.
_AWAY: dict[type[HomaError], Callable[[], ApiError]] = {
    StoreFull: lambda: ApiError(503, _STORE_FULL, "server_is_overloaded", None, _STORE_FULL_S),
    BlobsUnavailable: lambda: ApiError(503, _FILES_AWAY, "files_unavailable", None, _STORE_AWAY_S),
    ConfigError: lambda: ApiError(503, _MISCONFIGURED, "misconfigured", retry=False),
}


def internal() -> ApiError:
    """A defect. What it was stands in the log."""
    return ApiError(500, "the gateway failed to do this; its log says why", "internal_error", retry=False)


#: A field as messages of Homa's checks begin with it.
_FIELD = re.compile(r"(?<![\w.\[\]-])([A-Za-z_][\w.\[\]-]*) (?:is|has|cannot|refers)\b")


def _place_in(message: str) -> str | None:
    """The field that a message begins with."""
    found = _FIELD.match(message)
    return found[1] if found else None
