"""A provider's end of the wire, played by a test: raw TCP, so that it can also break off where a real server would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import orjson


@dataclass
class Request:
    """What arrived."""

    method: str
    path: str
    headers: dict[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.content)


#: Writes an answer; it closes the writer where the connection is to break.
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def reply(status: int, body: object, headers: Mapping[str, str] | None = None) -> Answer:
    """A complete HTTP reply; bytes as they are, all else as JSON."""
    content = body if isinstance(body, bytes) else orjson.dumps(body)

    async def write(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_head(status, {"content-length": str(len(content)), **(headers or {})}) + content)
        await writer.drain()

    return write


def events(*pieces: str, end: bool = True, headers: Mapping[str, str] | None = None) -> Answer:
    """A stream of server-sent events. With `end=False` the connection breaks after the last."""

    async def write(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = {"content-type": "text/event-stream", "transfer-encoding": "chunked", **(headers or {})}
        writer.write(_head(200, head))
        for piece in pieces:
            data = piece.encode()
            writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            await writer.drain()
        if end:
            writer.write(b"0\r\n\r\n")
            await writer.drain()
        else:
            writer.close()

    return write


def raw(content: bytes) -> Answer:
    """Bytes as they are, then the end of the connection."""

    async def write(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await writer.drain()
        writer.close()

    return write


def drop() -> Answer:
    """The connection breaks before a byte of an answer."""
    return raw(b"")


def _head(status: int, headers: Mapping[str, str]) -> bytes:
    lines = {"content-type": "application/json", **headers}
    text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status} X\r\n{text}\r\n".encode()


@dataclass
class Stub:
    """A server that gives the same answer to everything."""

    answer: Answer = field(default_factory=lambda: reply(200, {}))
    requests: list[Request] = field(default_factory=list)
    #: Set when a request has arrived.
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    #: Set when the client has closed a connection on which it was owed an answer.
    left: asyncio.Event = field(default_factory=asyncio.Event)
    url: str = ""
    #: Connections that were opened.
    connections: int = 0

    @property
    def request(self) -> Request:
        """The only request that arrived."""
        (request,) = self.requests
        return request

    async def hang(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        """An answer that never comes, noticing when the client leaves."""
        await reader.read()
        self.left.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while request := await _read(reader):
                self.requests.append(request)
                self.asked.set()
                await self.answer(reader, writer)
                if writer.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Request | None:
    line = await reader.readline()
    if not line:
        return None
    method, path, _ = line.decode().split()
    headers = {}
    while (line := await reader.readline()) not in {b"\r\n", b""}:
        name, _, value = line.decode().partition(":")
        headers[name.strip().lower()] = value.strip()
    content = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(method, path, headers, content)


@asynccontextmanager
async def serving(answer: Answer | None = None) -> AsyncIterator[Stub]:
    """A stub on a free port of the loopback."""
    stub = Stub() if answer is None else Stub(answer)
    server = await asyncio.start_server(stub.serve, "127.0.0.1", 0)
    stub.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
    finally:
        server.close()
