"""Connections of plain calls within TLS: what its end and its names say, and what has not been written yet."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.providers.certificates import self_signed
from tests.providers.stub import Stub
from tests.providers.test_http1_connections import REPLY, REQUEST, pool_of

UNBOUNDED = b"HTTP/1.1 200 OK\r\n\r\nhello"


def contexts(folder: Path, *names: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context, and one that trusts it."""
    certificate = self_signed(folder, *names)
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate)
    return own, ssl.create_default_context(cafile=str(certificate))


@contextmanager
def one_reply(context: ssl.SSLContext, reply: bytes, *, says_so: bool) -> Iterator[str]:
    """The address of a server that gives one reply and closes, with or without close_notify."""

    def serve() -> None:
        connection = context.wrap_socket(listener.accept()[0], server_side=True)
        connection.recv(1000)
        connection.sendall(reply)
        if says_so:
            connection.settimeout(5)
            connection.unwrap()
        socket.socket(fileno=connection.detach()).close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        server.join(5)


@pytest.mark.parametrize("says_so", [True, False], ids=["with close_notify", "without"])
async def test_only_a_server_that_says_so_ends_a_reply_without_a_length(tmp_path: Path, says_so: bool) -> None:
    own, trusting = contexts(tmp_path)
    with one_reply(own, UNBOUNDED, says_so=says_so) as url:
        async with pool_of(url, trusting) as pool:
            if says_so:
                assert (await pool.exchange(REQUEST)).content == b"hello"
            else:
                with pytest.raises(httpx2.ReadError, match="in the middle of its reply"):
                    await pool.exchange(REQUEST)


async def test_a_reply_with_a_length_needs_no_farewell(tmp_path: Path) -> None:
    own, trusting = contexts(tmp_path)
    with one_reply(own, REPLY, says_so=False) as url:
        async with pool_of(url, trusting) as pool:
            assert (await pool.exchange(REQUEST)).content == b"hello"


@asynccontextmanager
async def refusing_early(context: ssl.SSLContext | None) -> AsyncIterator[Stub]:
    """A server that refuses a request before it has read its body, and stays."""
    stub = Stub()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 429 X\r\nretry-after: 7\r\ncontent-length: 2\r\n\r\n{}")
        await writer.drain()
        with suppress(ConnectionError):
            await stub.hang(reader, writer)
        writer.transport.abort()
        gone.set()

    gone = asyncio.Event()
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context, limit=1000)
    stub.url = f"{'https' if context else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield stub
        async with asyncio.timeout(5):
            await gone.wait()
    finally:
        server.close()


@pytest.mark.parametrize("is_tls", [True, False], ids=["TLS", "TCP"])
async def test_a_connection_whose_request_is_not_written_yet_is_not_used_again(tmp_path: Path, is_tls: bool) -> None:
    own, trusting = contexts(tmp_path)
    length = 8_000_000
    large = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: %d\r\n\r\n%b" % (length, bytes(length))
    async with refusing_early(own if is_tls else None) as stub, pool_of(stub.url, trusting) as pool:
        reply = await pool.exchange(large)
        assert (reply.status, reply.headers["retry-after"]) == (429, "7")
        assert pool._idle == []


async def test_a_name_with_the_dot_of_the_root_is_that_of_its_certificate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own, trusting = contexts(tmp_path, "provider.example")
    loop, asked = asyncio.get_running_loop(), []
    with one_reply(own, REPLY, says_so=False) as url:
        port = int(url.rpartition(":")[2])

        async def found(host: str, *_: Any, **__: Any) -> Any:
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

        monkeypatch.setattr(loop, "getaddrinfo", found)
        async with pool_of("https://provider.example.", trusting) as pool:
            assert (await pool.exchange(REQUEST)).content == b"hello"
    # To the resolver the dot says that no search domain is to be tried.
    assert asked == ["provider.example."]


@contextmanager
def leaving_with_its_handshake(context: ssl.SSLContext) -> Iterator[str]:
    """The address of a server that says goodbye in the same breath as the end of the handshake (TLS 1.2)."""
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()

    def serve() -> None:
        tls = context.wrap_bio(coming, going, server_side=True)
        with listener.accept()[0] as connection:
            while True:
                try:
                    tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    connection.sendall(going.read())
                    coming.write(connection.recv(65_536))
            with suppress(ssl.SSLWantReadError):
                tls.unwrap()
            connection.sendall(going.read())
            connection.shutdown(socket.SHUT_WR)
            connection.recv(65_536)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"
        server.join(5)


async def test_nothing_is_sent_where_the_server_leaves_with_the_handshake(tmp_path: Path) -> None:
    own, trusting = contexts(tmp_path)
    with leaving_with_its_handshake(own) as url:
        async with pool_of(url, trusting) as pool, asyncio.timeout(5):
            with pytest.raises(httpx2.ConnectError, match=r"nothing was sent|before anything was sent"):
                await pool.exchange(REQUEST)
            assert (pool._idle, pool._asked) == ([], set())
