"""Answers: JSON, and server-sent events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from typing import Any

from starlette.types import Receive, Scope, Send

from homa.gateway.departure import ClientGone, unless_gone
from homa_shared.model.json_safe import sound_json

#: Header names and values as ASGI has them.
RawHeaders = list[tuple[bytes, bytes]]

#: Of every answer: nothing of it is to be kept, sniffed, framed or loaded by a page.
SECURE_HEADERS = {
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
}
_SECURE: RawHeaders = [(name.encode(), value.encode()) for name, value in SECURE_HEADERS.items()]
_JSON: RawHeaders = [(b"content-type", b"application/json"), *_SECURE]
_EVENTS: RawHeaders = [(b"content-type", b"text/event-stream; charset=utf-8"), *_SECURE, (b"x-accel-buffering", b"no")]
#: A comment goes out after this much silence, so that nothing in between takes the stream for dead, s.
_PING_S = 15.0
_PING = b": ping\n\n"


class JsonAnswer:
    """A JSON document."""

    def __init__(self, document: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> None:
        self.status, self.headers = status, dict(headers or {})
        self.body = document if isinstance(document, bytes) else sound_json(document)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [*_JSON, (b"content-length", b"%d" % len(self.body)), *raw(self.headers)]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else self.body})


class EventStream:
    """Server-sent events, as they come.

    Args:
        events: encoded ones; they tell of their own errors.
        headers: of the answer; they are sent before the first event.
        on_gone: called where the client goes away before the end.
    """

    status = 200

    def __init__(
        self, events: AsyncGenerator[bytes, None], headers: Mapping[str, str], on_gone: Callable[[], Awaitable[None]]
    ) -> None:
        self._events, self.headers, self._on_gone = events, dict(headers), on_gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [*_EVENTS, *raw(self.headers)]})
        if scope["method"] == "HEAD":
            await self._events.aclose()
            await send({"type": "http.response.body", "body": b""})
            return
        try:
            await unless_gone(receive, self._write(send))
        except ClientGone:
            await self._on_gone()

    async def _write(self, send: Send) -> None:
        sending = _Sending(send)
        try:
            async with aclosing(self._events) as events:
                async for data in events:
                    await sending.put(data)
            sending.stop()
            await send({"type": "http.response.body", "body": b""})
        finally:
            sending.stop()


class _Sending:
    """One stream's writes, and the comments between them."""

    def __init__(self, send: Send) -> None:
        self._send, self._loop = send, asyncio.get_running_loop()
        self._last_s = self._loop.time()
        self._pinging: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(_PING_S, self._tick)

    async def put(self, data: bytes) -> None:
        self._last_s = self._loop.time()
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    def stop(self) -> None:
        self._timer.cancel()
        if self._pinging is not None:
            self._pinging.cancel()

    def _tick(self) -> None:
        quiet_s = self._loop.time() - self._last_s
        if quiet_s >= _PING_S and (self._pinging is None or self._pinging.done()):
            self._pinging = self._loop.create_task(self.put(_PING))
        self._timer = self._loop.call_later(max(1.0, _PING_S - quiet_s), self._tick)


def event(document: Any, name: str = "", event_id: str = "") -> bytes:
    """One server-sent event."""
    head = (b"id: %b\n" % event_id.encode() if event_id else b"") + (b"event: %b\n" % name.encode() if name else b"")
    return b"%bdata: %b\n\n" % (head, sound_json(document))


def raw(headers: Mapping[str, str]) -> RawHeaders:
    """Headers as ASGI has them; what a header cannot hold is left out of its value."""
    return [
        (name.encode("latin-1"), value.translate(_CONTROLS).encode("latin-1", "replace"))
        for name, value in headers.items()
    ]


_CONTROLS = dict.fromkeys([*range(32), 127])
