"""uvicorn's HTTP protocol with bounds on what a connection may take before a request of it is answered."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from homa.gateway.answers import SECURE_HEADERS
from homa.gateway.dialect import OPENAI
from homa.gateway.errors import ApiError

#: Most bytes of a request's address, and of all its headers together.
_URL_BYTES, _HEADER_BYTES = 8 * 1024, 64 * 1024
#: The headers of a request have to be here within this time, s.
_HEADERS_S = 20.0
#: What a connection is told that no parser can read.
_UNREADABLE = ApiError(400, "this is not a request of HTTP/1.1", "invalid_http")
_REASONS = {
    400: b"Bad Request",
    408: b"Request Timeout",
    414: b"URI Too Long",
    431: b"Request Header Fields Too Large",
    503: b"Service Unavailable",
}


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    #: Most connections at once, of all.
    most_connections = 10_000

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._refusal = _UNREADABLE
        self._header_bytes = 0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most_connections:
            self._refuse(ApiError(503, "too many connections; try again in a moment", "server_is_overloaded", None, 1))
        else:
            self._begin_patience()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_patience()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        self._header_bytes = 0
        self._begin_patience()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > _URL_BYTES:
            self._fail(ApiError(414, f"the address is too long: expected at most {_URL_BYTES} bytes", "uri_too_long"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > _HEADER_BYTES:
            self._fail(
                ApiError(431, f"the headers are too long: expected at most {_HEADER_BYTES} bytes", "headers_too_large")
            )
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._end_patience()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal)

    def _fail(self, error: ApiError) -> None:
        """Ends the parsing; uvicorn then answers by `send_400_response`."""
        self._refusal = error
        raise ValueError(error.code)

    def _refuse(self, error: ApiError) -> None:
        body = orjson.dumps(OPENAI.error(error, ""))
        lines = [b"HTTP/1.1 %d %b" % (error.status, _REASONS[error.status])]
        headers = {"content-type": "application/json", "content-length": str(len(body)), "connection": "close"}
        for name, value in (headers | SECURE_HEADERS | error.all_headers()).items():
            lines.append(f"{name}: {value}".encode())
        self.transport.write(b"\r\n".join([*lines, b"", body]))
        self.transport.close()

    def _begin_patience(self) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(_HEADERS_S, self._lose_patience)

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self._refuse(ApiError(408, f"no request was here within {_HEADERS_S:g} s", "request_timeout"))
