"""What aiobotocore raises where there is no reply, or one that it cannot read."""

from __future__ import annotations

import aiohttp
from botocore.exceptions import (
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
    SSLError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from homa_shared.calls.failures import ErrorKind
from homa_workers.providers.reply_size import ReplyTooLarge


def kind_of(error: Exception) -> ErrorKind:
    """What it means for the call."""
    match error:
        case ParamValidationError():
            return ErrorKind.INVALID_REQUEST
        case ResponseParserError():
            return ErrorKind.MALFORMED
        case ReplyTooLarge():
            return ErrorKind.REPLY_TOO_LARGE
        case HTTPClientError() if isinstance(error.kwargs.get("error"), ReplyTooLarge):
            return ErrorKind.REPLY_TOO_LARGE
        case NoCredentialsError() | PartialCredentialsError() | TokenRetrievalError():
            return ErrorKind.UNAUTHORIZED
        case ConnectTimeoutError() | ProxyConnectionError() | SSLError():
            return ErrorKind.UNREACHABLE
        case EndpointConnectionError():
            # aiobotocore says so of a connection reset after sending, too; only a failure to connect cost nothing.
            inner = error.kwargs.get("error")
            return ErrorKind.UNREACHABLE if isinstance(inner, aiohttp.ClientConnectorError) else ErrorKind.AMBIGUOUS
        case HTTPClientError(kwargs={"error": UnicodeError() | ValueError() | TypeError() as inner}):
            # A header or an address that cannot be written: aiohttp looks before it writes.
            return ErrorKind.AMBIGUOUS if isinstance(inner, aiohttp.ClientPayloadError) else ErrorKind.UNREACHABLE
    return ErrorKind.AMBIGUOUS
