"""What can go wrong with a call, and what it may have cost."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from homa_shared.calls.reply import Usage


class ErrorKind(StrEnum):
    """The signals that retry and reroute tell apart (one row of their table each)."""

    RATE_LIMITED = "rate_limited"  # 429: the scope freezes until Retry-After
    QUOTA_EXHAUSTED = "quota_exhausted"  # 429 insufficient_quota, 402, daily quota
    UNAUTHORIZED = "unauthorized"  # 401, 403
    MODEL_NOT_FOUND = "model_not_found"  # 404
    NOT_FOUND = "not_found"  # 404 of something else: an API that a server lacks, an item that it does not keep
    OVERLOADED = "overloaded"  # 503, 529
    UNREACHABLE = "unreachable"  # DNS, connection refused: nothing was sent
    AMBIGUOUS = "ambiguous"  # 500, 502, 504, timeout or cut after sending, unfinished stream
    CONFLICT = "conflict"  # 408, 409
    INVALID_REQUEST = "invalid_request"  # 400, 422
    UNSUPPORTED_BY_MODEL = "unsupported_by_model"  # 400, 422: a parameter, value or feature that this model lacks
    CONTEXT_TOO_LONG = "context_too_long"
    CONTENT_POLICY = "content_policy"
    MALFORMED = "malformed"  # a reply that is no completion: truncated, empty, of another shape
    REPLY_TOO_LARGE = "reply_too_large"  # more bytes than a reply may have
    UNUSABLE_REPLY = "unusable_reply"  # a whole reply, billed, in which the model itself went wrong
    INTERNAL = "internal"  # a defect in Homa or in an adapter


class Charge(StrEnum):
    """What an attempt without a good reply may have cost."""

    NONE = "none"
    UNRESOLVED = "unresolved"
    ACTUAL = "actual"


#: Statuses of a request that was refused before any work, whatever the reason; nothing is charged.
REFUSED = frozenset({400, 401, 402, 403, 404, 422, 429})

#: Signals after which the provider has certainly charged nothing.
FREE = frozenset(
    {
        ErrorKind.RATE_LIMITED,
        ErrorKind.QUOTA_EXHAUSTED,
        ErrorKind.UNAUTHORIZED,
        ErrorKind.MODEL_NOT_FOUND,
        ErrorKind.NOT_FOUND,
        ErrorKind.UNREACHABLE,
        ErrorKind.CONFLICT,
        ErrorKind.INVALID_REQUEST,
        ErrorKind.UNSUPPORTED_BY_MODEL,
        ErrorKind.CONTEXT_TOO_LONG,
    }
)


@dataclass(slots=True, eq=False)
class ProviderError(Exception):
    """A call that brought no good reply, classified.

    `usage` is set where the provider reported tokens all the same (a refusal, a truncated reply); the attempt is then
    charged at its actual cost. Elsewhere `FREE` kinds and refusals by status cost nothing, unless something had been
    generated before; all others are unresolved.
    """

    kind: ErrorKind
    message: str
    status: int | None = None
    #: The provider's own error code or type, for people.
    code: str | None = None
    #: Seconds that the provider asked to wait.
    retry_after_s: float | None = None
    request_id: str | None = None
    usage: Usage | None = None
    #: Streamed text that had arrived before the break; its tokens are the floor of the unresolved charge.
    partial_text: str = field(default="", repr=False)
    #: Whether anything was generated before it, be it unseen: no status of an error behind that says that it was free.
    begun: bool = False

    def __str__(self) -> str:
        status = f" ({self.status}{' ' + self.code if self.code else ''})" if self.status else ""
        return f"{self.kind}{status}" + (f": {self.message}" if self.message else "")

    @property
    def charge(self) -> Charge:
        if self.usage is not None:
            return Charge.ACTUAL
        if self.begun or self.partial_text:
            return Charge.UNRESOLVED
        return Charge.NONE if self.kind in FREE or self.status in REFUSED else Charge.UNRESOLVED


class NotSent(ProviderError):
    """A call that an adapter refuses to make: the provider has not heard of it, and neither counts nor bills it."""
