"""What a provider's failure means: a table of rules, read from the top, first match wins.

Each provider has a table in its folder (`errors.py`). A table puts structured codes first, message texts after them
(they change without notice, so they are a last resort for failures that share a code), bare statuses last.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import cache
from math import isfinite
from typing import Any

from homa_shared.calls.failures import FREE, ErrorKind, ProviderError
from homa_shared.calls.reply import Usage
from homa_shared.kinds.registry import builtin_kinds, profile_of
from homa_workers.providers.json_body import decoded

#: Longest message kept of a failure, in characters: a proxy's error page must not fill the store.
MESSAGE_CHARS = 1000

#: Longest wait that is believed, s: no quota turns later than after a month.
LONGEST_WAIT_S = 31 * 86_400.0
#: What asks for more than these many seconds means a moment since 1970 (from 2001 on), and from the second on in ms.
_UNIX_TIME_S, _UNIX_TIME_MS = 1e9, 1e11
#: A wait with its unit, as routers write it: `20s`, `1m30s`, `500ms`.
_SPAN = re.compile(
    r"(?:(\d{1,9})h)?(?:(\d{1,9})m(?!s))?(?:(\d{1,9}(?:\.\d{1,9})?)s)?(?:(\d{1,9}(?:\.\d{1,9})?)ms)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """A failure as the provider told it."""

    #: HTTP status; None where there was none (an error inside a stream).
    status: int | None
    message: str
    #: The provider's codes and types, most specific first, lower case.
    codes: tuple[str, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """A row of a table: matches when everything that it names does."""

    kind: ErrorKind
    codes: frozenset[str] = frozenset()
    #: Found anywhere in the message, in any case.
    message: re.Pattern[str] | None = None
    statuses: frozenset[int] = frozenset()
    #: What is to be set otherwise, as a sentence behind the provider's message; empty: its message says it all.
    advice: str = ""

    def matches(self, failure: ErrorReply) -> bool:
        return (
            (not self.codes or not self.codes.isdisjoint(failure.codes))
            and (not self.statuses or failure.status in self.statuses)
            and (self.message is None or self.message.search(failure.message) is not None)
        )


def by_code(kind: ErrorKind, *codes: str) -> ErrorRule:
    """A rule for any of these codes, whatever the status."""
    return ErrorRule(kind, codes=frozenset(codes))


def by_message(kind: ErrorKind, pattern: str, *statuses: int, advice: str = "") -> ErrorRule:
    """A rule for a text in the message of one of these statuses (of any, where none is given)."""
    return ErrorRule(kind, message=re.compile(pattern, re.IGNORECASE), statuses=frozenset(statuses), advice=advice)


def by_status(kind: ErrorKind, *statuses: int) -> ErrorRule:
    """A rule for these statuses, whatever else is said."""
    return ErrorRule(kind, statuses=frozenset(statuses))


#: A parameter of sampling or of the answer's length whose value is not taken. Each provider draws limits of its own, so
#: that the next target may well take it.
PARAMETER_OUT_OF_RANGE = (
    r"(?:\b(?:temperature|top_?p|top_?k|min_p|max_?(?:completion_|output_)?tokens|(?:presence|frequency|repetition)_?penalty"
    r"|stop_?sequences|(?:top_)?logprobs|reasoning_effort|logit_bias|candidate_?count|seed)\b|['\"`./](?:stop|n)['\"`:])"
    r".{0,80}?(?:must be|should be|\brange\b|above|below|maximum|minimum|at most|at least|greater|less|exceed|invalid"
    r"|too (?:large|many|high|long|low|small)|not (?:allowed|permitted|valid|supported)|constraint)"
)

#: What a bare HTTP status means at any provider. The end of every table.
STATUS_RULES: tuple[ErrorRule, ...] = (
    by_status(ErrorKind.UNAUTHORIZED, 401, 403),
    by_status(ErrorKind.QUOTA_EXHAUSTED, 402),
    by_status(ErrorKind.MODEL_NOT_FOUND, 404),
    # Of a proxy, which let nothing through.
    by_status(ErrorKind.UNREACHABLE, 407),
    by_status(ErrorKind.CONFLICT, 408, 409),
    # Too many bytes: another target may take them, this one never will.
    by_status(ErrorKind.CONTEXT_TOO_LONG, 413),
    by_status(ErrorKind.RATE_LIMITED, 429),
    # A proxy gave up on the connection after the request had gone on.
    by_status(ErrorKind.AMBIGUOUS, 499),
    # 521 and 523 are a proxy's: the origin was down.
    by_status(ErrorKind.OVERLOADED, 503, 521, 523, 529),
    by_status(ErrorKind.AMBIGUOUS, *(status for status in range(500, 600) if status not in {503, 521, 523, 529})),
    # What remains below 500, redirects included: this request will fail the same way again.
    by_status(ErrorKind.INVALID_REQUEST, *range(300, 499)),
)


def classify(
    failure: ErrorReply, rules: Sequence[ErrorRule], *, partial_text: str = "", begun: bool = False
) -> ProviderError:
    """The `ProviderError` that a failure is.

    `partial_text` is what a stream had delivered before, `begun` whether it had generated anything, be it unseen. Then
    a kind which says that nothing was charged would be untrue: it becomes AMBIGUOUS.
    """
    rule = next((rule for rule in rules if rule.matches(failure)), None)
    kind = _default(failure) if rule is None else rule.kind
    advice = f" ({rule.advice})" if rule is not None and rule.advice else ""
    if (partial_text or begun) and kind in FREE:
        kind = ErrorKind.AMBIGUOUS
    return ProviderError(
        kind=kind,
        message=failure.message[:MESSAGE_CHARS] + advice,
        status=failure.status,
        code=failure.codes[0] if failure.codes else None,
        retry_after_s=retry_after_s(failure.headers),
        request_id=request_id(failure.headers),
        partial_text=partial_text,
        begun=begun,
    )


def _default(failure: ErrorReply) -> ErrorKind:
    """A success status around something else than a reply is malformed; an unknown error in a stream is ambiguous."""
    return ErrorKind.MALFORMED if failure.status is not None else ErrorKind.AMBIGUOUS


def not_a_reply(
    content: bytes, headers: Mapping[str, str], rules: Sequence[ErrorRule], expected: str, usage: Usage | None = None
) -> ProviderError:
    """The error of a body under status 200 that is not the reply: of the kind that it tells, else MALFORMED.

    Servers and proxies answer 200 with an empty object, an error, half a reply or a page of HTML.

    Args:
        expected: what a reply would have been, for the message.
        usage: what the body reports all the same; the attempt is charged at that.
    """
    error = classify(failure_of(200, content, headers), rules)
    if error.kind is ErrorKind.MALFORMED:
        error.message = f"expected {expected}, got: {error.message}"
    error.usage = usage
    return error


def failure_of(status: int | None, body: object, headers: Mapping[str, str]) -> ErrorReply:
    """Read a failure from an error response.

    `body` is bytes or decoded JSON: OpenAI's and Anthropic's `{"error": {...}}`, the inner object alone, or anything
    else, whose text is then the message.
    """
    text = ""
    if isinstance(body, bytes):
        text = body.decode(errors="replace").strip()
        body = decoded(body)
    error = _error_object(body)
    if error is None:
        return ErrorReply(status, text or (str(body) if body else f"HTTP status {status} without a body"), (), headers)
    return ErrorReply(_status_within(status, error), _message(error) or text or str(error), _codes(error), headers)


def _error_object(body: object) -> Mapping[str, Any] | None:
    if isinstance(body, list):  # Google's OpenAI-compatible endpoint
        body = body[0] if body else None
    if not isinstance(body, Mapping):
        return None
    error = body.get("error", body)
    if isinstance(error, str):  # Ollama
        return {"message": error}
    return error if isinstance(error, Mapping) else None


def _message(error: Mapping[str, Any]) -> str:
    """What an error says: its message, else what FastAPI's servers tell of a request's fields as `detail`."""
    told = error.get("message") or error.get("detail")
    if isinstance(told, Mapping):
        return _message(told) or str(told)
    if not isinstance(told, list):
        return str(told or "")
    return "; ".join(_of_field(fault) for fault in told)


def _of_field(fault: object) -> str:
    match fault:
        case {"loc": list(place), "msg": str(said)}:
            return f"{'.'.join(map(str, place))}: {said}"
    return str(fault)


def _codes(error: Mapping[str, Any]) -> tuple[str, ...]:
    details = error.get("details")
    inner = error.get("innererror")
    candidates = (
        details.get("error_code") if isinstance(details, Mapping) else None,
        inner.get("code") if isinstance(inner, Mapping) else None,
        error.get("code"),
        error.get("type"),
    )
    return tuple(str(code).lower() for code in candidates if code)


def _status_within(status: int | None, error: Mapping[str, Any]) -> int | None:
    """Routers answer 200 and put the upstream's status into `code`."""
    code = error.get("code")
    if status in {None, 200} and isinstance(code, int) and 400 <= code < 600:
        return code
    return status


def request_id(headers: Mapping[str, str]) -> str | None:
    """The provider's id of a request, from its reply's headers (names in lower case)."""
    return next((headers[name] for name in _request_id_headers() if name in headers), None)


@cache
def _request_id_headers() -> tuple[str, ...]:
    """Those of all kinds: none uses the name of another's for anything else."""
    profiles = map(profile_of, builtin_kinds())
    return tuple(dict.fromkeys(name for profile in profiles for name in profile.connection.request_id_headers))


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds that a reply asks to wait: `retry-after-ms`, else `retry-after`; 0 for what has passed.

    HTTP knows seconds and a date (RFC 9110, 10.2.3); servers also send a moment as Unix time or in ISO 8601, and spans
    with a unit. What is neither is nothing: None.
    """
    asked_s = _retry_after_s(headers)
    return None if asked_s is None else min(asked_s, LONGEST_WAIT_S)


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return _from_now_s(milliseconds / 1000)
    value = (headers.get("retry-after") or "").strip()
    seconds = _number(value)
    if seconds is not None:
        return _from_now_s(seconds)
    if value and (span := _SPAN.fullmatch(value)):
        hours, minutes, parts, thousandths = (float(part or 0) for part in span.groups())
        return hours * 3600 + minutes * 60 + parts + thousandths / 1000
    moment = _moment(value)
    return None if moment is None else max(0.0, (moment - datetime.now(UTC)).total_seconds())


def _from_now_s(seconds: float) -> float:
    """A span as it is, a Unix time as the span until then."""
    if seconds < _UNIX_TIME_S:
        return seconds
    moment = seconds / 1000 if seconds >= _UNIX_TIME_MS else seconds
    return max(0.0, moment - datetime.now(UTC).timestamp())


def _moment(value: str) -> datetime | None:
    for read in (parsedate_to_datetime, datetime.fromisoformat):
        try:
            moment = read(value)
        except (OverflowError, ValueError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _number(value: str | None) -> float | None:
    try:
        number = float(value) if value else None
    except ValueError:
        return None
    return max(0.0, number) if number is not None and isfinite(number) else None
