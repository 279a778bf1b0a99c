"""What becomes of a request that fails, in httpx2's terms, by whether it can have reached its server."""

from __future__ import annotations

import aiohttp
import httpx2

from homa_workers.providers.reply_size import ReplyTooLarge


def unsent(error: Exception) -> httpx2.ConnectError | httpx2.ConnectTimeout:
    """A failure before anything was written, of whatever type."""
    text = f"nothing was sent: {type(error).__name__}: {error}"
    return httpx2.ConnectTimeout(text) if isinstance(error, TimeoutError) else httpx2.ConnectError(text)


def sent(error: Exception) -> Exception:
    """A failure after bytes were written; what is known neither to aiohttp nor to sockets stays what it is."""
    text = f"{type(error).__name__}: {error}"
    match error:
        case ReplyTooLarge() | httpx2.DecodingError():
            return error
        case aiohttp.ServerTimeoutError() | TimeoutError():
            return httpx2.ReadTimeout(text)
        case aiohttp.ClientError() | OSError():
            return httpx2.ReadError(text)
    return error


def of_request(error: Exception, request: httpx2.Request) -> Exception:
    """An error that names its request."""
    if isinstance(error, httpx2.RequestError):
        error.request = request
    return error
