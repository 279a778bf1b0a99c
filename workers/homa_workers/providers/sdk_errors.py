"""Exceptions of the OpenAI and Anthropic SDKs as `ProviderError`s.

The two SDKs share their generator, and so the shape of their exceptions: `response` where a status was refused, `body`
where an error was told, `__cause__` where the connection failed.
"""

from __future__ import annotations

from collections.abc import Sequence

import httpx2

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_workers.providers.error_rules import ErrorRule, classify, failure_of
from homa_workers.providers.reply_size import ReplyTooLarge


def from_sdk(
    error: Exception, rules: Sequence[ErrorRule], *, partial_text: str = "", begun: bool = False
) -> ProviderError:
    """Classify an exception of an SDK, or of httpx2 where the SDK lets it through.

    `partial_text` is what a stream had delivered before it, `begun` whether it had generated anything.
    """
    cause = error if isinstance(error, httpx2.HTTPError) else error.__cause__
    if isinstance(cause, httpx2.HTTPError) and not isinstance(cause, httpx2.HTTPStatusError):
        return _connection_failure(cause, partial_text, begun=begun)
    response = getattr(error, "response", None)
    body = getattr(error, "body", None) or str(error)
    if response is None:
        return classify(failure_of(None, body, {}), rules, partial_text=partial_text, begun=begun)
    # An error inside a stream comes under the stream's own status, which says nothing of it.
    status = None if response.is_success else response.status_code
    return classify(failure_of(status, body, response.headers), rules, partial_text=partial_text, begun=begun)


class writable:  # noqa: N801  named as it is used, like contextlib.suppress
    """Sends a request. Raises ProviderError (UNREACHABLE) where its text cannot be encoded: nothing was sent then.

    SDKs encode headers as they build a request; what they read is decoded, which fails in another way.
    """

    def __enter__(self) -> None:
        """Nothing to prepare."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UnicodeEncodeError):
            raise unwritable(error) from error


def unwritable(error: UnicodeEncodeError) -> ProviderError:
    """A request whose text cannot be encoded; the message does not show it, since it may be a key."""
    message = f"nothing was sent: a header or the request cannot be written as {error.encoding}: {error.reason}"
    return ProviderError(ErrorKind.UNREACHABLE, message, code=type(error).__name__)


def _connection_failure(cause: httpx2.HTTPError, partial_text: str, *, begun: bool) -> ProviderError:
    match cause:
        case httpx2.ConnectError() | httpx2.ConnectTimeout() | httpx2.UnsupportedProtocol():
            kind = ErrorKind.UNREACHABLE
        case ReplyTooLarge():
            kind = ErrorKind.REPLY_TOO_LARGE
        case httpx2.DecodingError():
            kind = ErrorKind.MALFORMED
        case _:
            kind = ErrorKind.AMBIGUOUS
    # An address may hold a password, and messages go to records and logs.
    address = cause.request.url.copy_with(userinfo=b"")
    message = f"{cause.request.method} {address}: {cause}" if str(cause) else repr(cause)
    return ProviderError(kind, message, code=type(cause).__name__, partial_text=partial_text, begun=begun)
