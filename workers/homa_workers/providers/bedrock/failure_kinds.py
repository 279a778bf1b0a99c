"""What aiobotocore raises where there is no reply, or one that it cannot read."""

from __future__ import annotations

import aiohttp
from botocore.exceptions import (
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    MetadataRetrievalError,
    NoAuthTokenError,
    NoCredentialsError,
    ParamValidationError,
    PartialCredentialsError,
    ProxyConnectionError,
    RefreshWithMFAUnsupportedError,
    SSLError,
    SSOError,
    TokenRetrievalError,
)
from botocore.parsers import ResponseParserError

from homa_shared.calls.failures import ErrorKind
from homa_workers.providers.reply_size import ReplyTooLarge

#: There are no credentials to sign with until a person gives some, or logs in again.
_UNSIGNED = (
    NoAuthTokenError,
    NoCredentialsError,
    PartialCredentialsError,
    RefreshWithMFAUnsupportedError,
    SSOError,
    TokenRetrievalError,
)
#: What hands credentials out (the machine's metadata, a command) has failed this time.
_WITHOUT_CREDENTIALS_NOW = (CredentialRetrievalError, MetadataRetrievalError)


def kind_of(error: Exception) -> ErrorKind:
    """What it means for the call."""
    # Requests are signed before they are sent.
    if isinstance(error, _UNSIGNED):
        return ErrorKind.UNAUTHORIZED
    if isinstance(error, _WITHOUT_CREDENTIALS_NOW):
        return ErrorKind.UNREACHABLE
    match error:
        case ParamValidationError():
            return ErrorKind.INVALID_REQUEST
        case ResponseParserError():
            return ErrorKind.MALFORMED
        case ReplyTooLarge():
            return ErrorKind.REPLY_TOO_LARGE
        case HTTPClientError() if isinstance(error.kwargs.get("error"), ReplyTooLarge):
            return ErrorKind.REPLY_TOO_LARGE
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
