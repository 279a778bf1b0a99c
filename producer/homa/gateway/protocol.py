"""uvicorn's HTTP protocol with bounds on what a connection may take: bytes before an answer, and time around it.

Where there are more connections than the process bears, the one that has been without a request for the longest makes
room: whoever opens thousands and asks nothing keeps nobody else out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from homa.gateway.answers import SECURE_HEADERS
from homa.gateway.dialect import OPENAI
from homa.gateway.errors import ApiError

#: Most bytes of a request's address, and of all its headers together.
_URL_BYTES, _HEADER_BYTES = 8 * 1024, 64 * 1024
#: The headers of a request have to be here within this time; so has what is left of one that has been answered, s.
_HEADERS_S = 20.0
#: A client that takes nothing of its answer for so long is let go, s.
_STALLED_S = 60.0
#: What a connection is told that no parser can read.
_UNREADABLE = ApiError(400, "this is not a request of HTTP/1.1", "invalid_http")
_HEADERS_TOO_LONG = ApiError(
    431, f"the headers are too long: expected at most {_HEADER_BYTES} bytes", "headers_too_large"
)
_TOO_MANY = ApiError(503, "too many connections; try again in a moment", "server_is_overloaded", None, 1)
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
    #: By server, its connections without a request that is here: the one that has been so for the longest comes first.
    _without_request: ClassVar[WeakKeyDictionary[ServerState, dict[BoundedProtocol, None]]] = WeakKeyDictionary()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._idle = self._without_request.setdefault(self.server_state, {})
        self._refusal = _UNREADABLE
        self._header_bytes = 0
        #: Bytes since the parser last told of any: it gathers a header, a trailer or an extension until its end.
        self._untold_bytes = 0
        #: Whether the request that came last is here in full.
        self._is_whole = True
        self._patience: asyncio.TimerHandle | None = None
        #: Runs while something waits to be sent, and how much that was when it began.
        self._stall: asyncio.TimerHandle | None = None
        self._unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # Whatever waits to be sent is told of, however little.
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > self.most_connections and not self._make_room():
            self._refuse(_TOO_MANY)
        else:
            self._idle[self] = None
            self._begin_patience(self._lose_patience)

    def connection_lost(self, exc: Exception | None) -> None:
        self._idle.pop(self, None)
        self._end_patience()
        self._end_stall()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._untold_bytes > _HEADER_BYTES:
            self._refuse(_HEADERS_TOO_LONG)
            return
        self._untold_bytes += len(data)
        super().data_received(data)

    def on_message_begin(self) -> None:
        self._untold_bytes = self._header_bytes = 0
        self._is_whole = False
        self._begin_patience(self._lose_patience)
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._untold_bytes = 0
        super().on_url(url)
        if len(self.url) > _URL_BYTES:
            self._fail(ApiError(414, f"the address is too long: expected at most {_URL_BYTES} bytes", "uri_too_long"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._untold_bytes = 0
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > _HEADER_BYTES:
            self._fail(_HEADERS_TOO_LONG)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._idle.pop(self, None)
        self._end_patience()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._untold_bytes = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._is_whole = True
        if self.cycle.response_complete:
            self._end_patience()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.cycle.response_complete:
            self._idle[self] = None
            if not self._is_whole:
                self._begin_patience(self.transport.close)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._begin_stall()

    def resume_writing(self) -> None:
        self._end_stall()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refusal)

    def _make_room(self) -> bool:
        """Lets the connection go that has been without a request for the longest; false where each has one."""
        oldest = next(iter(self._idle), None)
        if oldest is None:
            return False
        oldest.give_way()
        return True

    def give_way(self) -> None:
        """Closes a connection that has no request, and tells one that has begun to send one when to come again."""
        del self._idle[self]
        if self._is_whole:
            self.transport.close()
        else:
            self._refuse(_TOO_MANY)

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

    def _begin_patience(self, lost: Callable[[], None]) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(_HEADERS_S, lost)

    def _end_patience(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _lose_patience(self) -> None:
        self._patience = None
        if not self.transport.is_closing():
            self._refuse(ApiError(408, f"no request was here within {_HEADERS_S:g} s", "request_timeout"))

    def _begin_stall(self) -> None:
        self._unsent = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(_STALLED_S, self._look_at_stall)

    def _end_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _look_at_stall(self) -> None:
        if self.transport.get_write_buffer_size() < self._unsent:
            self._begin_stall()
        else:
            # Closing would wait for the client, too.
            self.transport.abort()
