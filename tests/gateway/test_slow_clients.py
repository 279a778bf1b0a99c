"""Clients that send or take so slowly, or so much without an end, that others would go short."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from homa.gateway import protocol
from homa.gateway.protocol import BoundedProtocol
from tests.patience import PATIENCE_S

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST / HTTP/1.1\r\nHost: localhost\r\n"
ENDLESS = {
    "header": GET + b"X: ",
    "trailer": POST + b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    "extension of a chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n1;",
}
PIECE = b"a" * 65536


class Transport(asyncio.Transport):
    """A connection of which nobody takes anything."""

    def __init__(self) -> None:
        super().__init__()
        self.closed, self.answered = asyncio.Event(), asyncio.Event()
        self.written = b""
        #: Bytes that wait to be sent, as it is asked again and again.
        self.unsent: Iterator[int] = iter(())

    def get_write_buffer_size(self) -> int:
        return next(self.unsent)

    def write(self, data: Any) -> None:
        self.written += data
        if self.written.endswith(b"\r\n\r\nok"):
            self.answered.set()

    def is_closing(self) -> bool:
        return self.closed.is_set()

    def close(self) -> None:
        self.closed.set()

    abort = close

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert (high, low) == (0, None)


async def answering(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers without a look at the body."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def config(app: Any = answering) -> uvicorn.Config:
    made = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_keep_alive=600)
    made.load()
    return made


def connected() -> tuple[BoundedProtocol, Transport]:
    found, transport = BoundedProtocol(config(), ServerState(), {}), Transport()
    found.connection_made(transport)
    return found, transport


@asynccontextmanager
async def server(app: Any) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A client that is connected to a server of one application, and reads only what it is told to."""
    made, state = config(app), ServerState()
    listening = await asyncio.get_running_loop().create_server(lambda: BoundedProtocol(made, state, {}), "127.0.0.1", 0)
    async with listening:
        reader, writer = await asyncio.open_connection(*listening.sockets[0].getsockname(), limit=1024)
        try:
            yield reader, writer
        finally:
            writer.transport.abort()


@pytest.mark.parametrize("kind", ENDLESS)
def test_what_has_no_end_is_not_gathered(kind: str) -> None:
    async def run() -> int:
        found, transport = connected()
        found.data_received(ENDLESS[kind])
        for taken in range(100):
            if transport.is_closing():
                assert b"HTTP/1.1 431 " in transport.written
                return taken
            found.data_received(PIECE)
        pytest.fail("it is taken for ever")

    assert asyncio.run(run()) < 5


def test_a_long_body_is_no_header() -> None:
    async def run() -> None:
        found, transport = connected()
        found.data_received(POST + b"Content-Length: %d\r\n\r\n" % (100 * len(PIECE)))
        for _ in range(99):
            found.data_received(PIECE)
        assert not transport.is_closing()

    asyncio.run(run())


def test_the_rest_of_a_request_that_is_answered_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_HEADERS_S", 0.01)

    async def run() -> None:
        found, transport = connected()
        found.data_received(POST + b"Content-Length: 1000\r\n\r\n{")
        async with asyncio.timeout(PATIENCE_S):
            await transport.closed.wait()
        assert transport.written.endswith(b"\r\n\r\nok")

    asyncio.run(run())


def test_a_connection_is_kept_once_the_rest_has_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_HEADERS_S", 3600.0)

    async def run() -> None:
        found, transport = connected()
        for _ in range(2):
            found.data_received(POST + b"Content-Length: 2\r\n\r\n{")
            await transport.answered.wait()
            assert found._patience is not None
            transport.answered.clear()
            found.data_received(b"}")
            assert found._patience is None
        assert not transport.is_closing()

    asyncio.run(run())


@pytest.mark.parametrize("whole", [True, False], ids=["one answer", "a stream"])
def test_a_client_that_takes_nothing_is_let_go(monkeypatch: pytest.MonkeyPatch, whole: bool) -> None:
    monkeypatch.setattr(protocol, "_STALLED_S", 0.01)
    gone: list[str] = []

    async def lavish(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1 if whole else 9):
            await send({"type": "http.response.body", "body": b"a" * 20_000_000, "more_body": not whole})
        gone.append((await receive())["type"])

    async def run() -> None:
        async with server(lavish) as (_, writer):
            writer.write(GET + b"\r\n")
            async with asyncio.timeout(PATIENCE_S):
                while not gone or not writer.is_closing():
                    await asyncio.sleep(0.01)
                    writer.write(b"x")

    asyncio.run(run())
    assert gone == ["http.disconnect"]


def test_a_client_that_takes_some_of_its_answer_is_not_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "_STALLED_S", 0.0)

    async def run() -> None:
        found, transport = connected()
        transport.unsent = iter((30, 20, 20, 10, 10, 10))  # each look that finds less begins another
        found.pause_writing()
        async with asyncio.timeout(PATIENCE_S):
            await transport.closed.wait()
        assert next(transport.unsent, None) is None

    asyncio.run(run())
