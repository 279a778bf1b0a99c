"""More connections than a gateway bears: those that ask nothing make room for those that ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from homa.gateway.protocol import BoundedProtocol
from tests.gateway.test_slow_clients import GET, config
from tests.patience import PATIENCE_S

MOST = 3
Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class App:
    """Answers once it may."""

    def __init__(self) -> None:
        self.asked: asyncio.Queue[None] = asyncio.Queue()
        self.may_answer = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.put_nowait(None)
        await self.may_answer.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


class Server:
    """A server, and its clients."""

    def __init__(self, app: App, state: ServerState) -> None:
        self.app, self.state = app, state
        self.address: Any = None
        self.made: asyncio.Queue[None] = asyncio.Queue()
        self.clients: list[Client] = []

    async def connect(self) -> Client:
        """A client whose connection was made."""
        self.clients.append(await asyncio.open_connection(*self.address))
        async with asyncio.timeout(PATIENCE_S):
            await self.made.get()
        return self.clients[-1]

    async def ask(self) -> Client:
        """A client whose request is here."""
        client = await self.connect()
        client[1].write(GET + b"\r\n")
        async with asyncio.timeout(PATIENCE_S):
            await self.app.asked.get()
        return client


@asynccontextmanager
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Server]:
    monkeypatch.setattr(BoundedProtocol, "most_connections", MOST)
    here = Server(App(), ServerState())
    made = config(here.app)

    class Told(BoundedProtocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            here.made.put_nowait(None)

    loop = asyncio.get_running_loop()
    listening = await loop.create_server(lambda: Told(made, here.state, {}), "127.0.0.1", 0)
    async with listening:
        here.address = listening.sockets[0].getsockname()
        try:
            yield here
        finally:
            for _, writer in here.clients:
                writer.close()
            await asyncio.gather(*(writer.wait_closed() for _, writer in here.clients), return_exceptions=True)


async def told(client: Client) -> bytes:
    """All that comes until the other side closes."""
    async with asyncio.timeout(PATIENCE_S):
        return await client[0].read()


async def is_answered(client: Client) -> bool:
    async with asyncio.timeout(PATIENCE_S):
        return (await client[0].readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200 ")


async def test_whoever_asks_nothing_makes_room_for_whoever_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(monkeypatch) as here:
        silent = [await here.connect() for _ in range(MOST)]
        asking = [await here.ask() for _ in range(MOST)]
        assert [await told(client) for client in silent] == [b""] * MOST
        here.app.may_answer.set()
        assert [await is_answered(client) for client in asking] == [True] * MOST


async def test_where_each_has_a_request_the_next_one_is_told_when_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with server(monkeypatch) as here:
        asking = [await here.ask() for _ in range(MOST)]
        refused = await told(await here.connect())
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 1\r\n" in refused.lower()
        here.app.may_answer.set()
        assert [await is_answered(client) for client in asking] == [True] * MOST
        # Answered, they are kept, and make room in their turn.
        assert await is_answered(await here.ask())
        assert await told(asking[0]) == b""


async def test_a_request_that_does_not_end_makes_room_too_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(monkeypatch) as here:
        slow = await here.connect()
        slow[1].write(GET + b"X: a")
        (connection,) = here.state.connections
        async with asyncio.timeout(PATIENCE_S):
            while connection._is_whole:  # noqa: ASYNC110 (nothing tells of it)
                await asyncio.sleep(0)
        for _ in range(MOST):
            await here.ask()
        assert (await told(slow)).startswith(b"HTTP/1.1 503 ")


async def test_hundreds_of_silent_connections_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    async with server(monkeypatch) as here:
        here.app.may_answer.set()
        for _ in range(300):
            await here.connect()
        assert await is_answered(await here.ask())
        assert len(here.state.connections) <= MOST + 1
