"""Connections of plain calls: which are used again, and what a failure on one of them means for what was paid."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from homa_workers.providers.http1.pool import ConnectionPool, Origin
from tests.providers.certificates import self_signed
from tests.providers.stub import Stub, raw, serving

REQUEST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\n{}"
REPLY = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"


def written(*pieces: bytes) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    """Bytes in pieces, on a connection that stays."""

    async def write(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return write


@asynccontextmanager
async def pool_of(url: str, tls: ssl.SSLContext | None = None, **settings: Any) -> AsyncIterator[ConnectionPool]:
    def context() -> ssl.SSLContext:
        return tls or ssl.create_default_context()

    bounds = {"connect_timeout_s": 5.0, "silence_s": 30.0, "keep_alive_s": 30.0, "most_bytes": 1000, **settings}
    pool = ConnectionPool(Origin.of(httpx2.URL(url)), context, **bounds)
    try:
        yield pool
    finally:
        await pool.aclose()


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110  what is waited for has no event of its own
            await asyncio.sleep(0.001)


async def test_a_connection_is_used_again_and_calls_at_once_take_one_each() -> None:
    async with serving(written(REPLY)) as stub, pool_of(stub.url) as pool:
        for _ in range(3):
            assert (await pool.exchange(REQUEST)).content == b"hello"
        assert stub.connections == 1
        await asyncio.gather(*(pool.exchange(REQUEST) for _ in range(4)))
        assert stub.connections == 4


@pytest.mark.parametrize("reply", [REPLY, CHUNKED])
async def test_a_reply_that_breaks_off_anywhere_may_have_been_paid_for(reply: bytes) -> None:
    async with serving() as stub, pool_of(stub.url) as pool:
        for position in range(len(reply)):
            stub.answer = raw(reply[:position])
            with pytest.raises(httpx2.ReadError, match="in the middle of its reply" if position else "without a reply"):
                await pool.exchange(REQUEST)
        stub.answer = written(reply)
        assert (await pool.exchange(REQUEST)).content == b"hello"


async def test_a_reply_that_is_reset_may_have_been_paid_for() -> None:
    async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with serving(reset) as stub, pool_of(stub.url) as pool:
        with pytest.raises(httpx2.ReadError):
            await pool.exchange(REQUEST)


async def test_the_end_of_a_connection_completes_a_reply_without_a_length() -> None:
    async with serving(raw(b"HTTP/1.1 200 OK\r\n\r\nhello")) as stub, pool_of(stub.url) as pool:
        for _ in range(2):
            assert (await pool.exchange(REQUEST)).content == b"hello"
        assert stub.connections == 2


@pytest.mark.parametrize(
    "flawed", [b"<html>", REPLY.replace(b"5", b"5\r\ncontent-length: 6"), REPLY[:18] + b"\x00\r\n"]
)
async def test_what_is_no_reply_closes_its_connection(flawed: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(flawed)
        await stub.hang(reader, writer)

    async with serving(answer) as stub, pool_of(stub.url) as pool:
        with pytest.raises(httpx2.RemoteProtocolError):
            await pool.exchange(REQUEST)
        async with asyncio.timeout(5):
            await stub.left.wait()


@pytest.mark.parametrize("noise", [b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad", b"noise", b"\r\n"])
async def test_what_comes_behind_a_reply_is_never_taken_for_the_next_one(noise: bytes) -> None:
    sent = asyncio.Event()

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(REPLY)
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(noise)
        await writer.drain()
        sent.set()

    async with serving(answer) as stub, pool_of(stub.url) as pool:
        assert (await pool.exchange(REQUEST)).content == b"hello"
        await sent.wait()
        assert (await pool.exchange(REQUEST)).content == b"hello"
        assert stub.connections == 2


async def test_noise_in_the_same_breath_as_a_reply_ends_its_connection() -> None:
    async with serving(written(REPLY + b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad")) as stub:
        async with pool_of(stub.url) as pool:
            for _ in range(2):
                assert (await pool.exchange(REQUEST)).content == b"hello"
        assert stub.connections == 2


async def test_a_farewell_that_the_loop_has_not_read_is_seen_before_a_request_crosses_it() -> None:
    listener = socket.create_server(("127.0.0.1", 0))
    gone = threading.Event()

    def serve() -> None:
        for last in (True, False):
            connection, _ = listener.accept()
            connection.recv(1000)
            connection.sendall(REPLY)
            if last:
                may_go.wait(5)
            connection.close()
            gone.set()

    may_go = threading.Event()
    server = threading.Thread(target=serve)
    server.start()
    async with pool_of(f"http://127.0.0.1:{listener.getsockname()[1]}") as pool:
        assert (await pool.exchange(REQUEST)).content == b"hello"
        may_go.set()
        # Holds the loop up, as a busy one is: it cannot have read of the end.
        assert gone.wait(5)
        assert (await pool.exchange(REQUEST)).content == b"hello"
    server.join(5)
    listener.close()


async def test_a_cancelled_exchange_closes_its_connection_at_once() -> None:
    async with serving() as stub, pool_of(stub.url) as pool:
        stub.answer = stub.hang
        task = asyncio.create_task(pool.exchange(REQUEST))
        await stub.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await stub.left.wait()


async def test_a_silent_server_is_given_up() -> None:
    async with serving() as stub, pool_of(stub.url, silence_s=0.1, keep_alive_s=0.05) as pool:
        stub.answer = stub.hang
        with pytest.raises(httpx2.ReadTimeout, match=r"nothing came for 0\.1 s"):
            await pool.exchange(REQUEST)
        async with asyncio.timeout(5):
            await stub.left.wait()


async def test_an_idle_connection_is_closed_when_its_time_is_over() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(REPLY)
        await stub.hang(reader, writer)

    async with serving(answer) as stub, pool_of(stub.url, keep_alive_s=0.05) as pool:
        await pool.exchange(REQUEST)
        async with asyncio.timeout(5):
            await stub.left.wait()


async def test_a_closing_pool_fails_what_is_owed() -> None:
    async with serving() as stub, pool_of(stub.url) as pool:
        stub.answer = stub.hang
        task = asyncio.create_task(pool.exchange(REQUEST))
        await stub.asked.wait()
        await pool.aclose()
        with pytest.raises(httpx2.ReadError):
            await task


@pytest.mark.parametrize("head", [b"\r\n", b"content-length: 9\r\n\r\n", b"transfer-encoding: chunked\r\n\r\n4\r\n"])
async def test_a_closing_pool_never_hands_half_a_reply_on(head: bytes) -> None:
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\n" + head + b"half")
        await stub.hang(reader, writer)

    async with serving(half) as stub, pool_of(stub.url) as pool:
        task = asyncio.create_task(pool.exchange(REQUEST))
        await until(lambda: any(one._parser is not None for one in pool._asked))
        await pool.aclose()
        with pytest.raises(httpx2.ReadError, match="closed here"):
            await task


async def test_a_closing_pool_keeps_a_refusal_whose_head_has_come() -> None:
    async def refused(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 429 X\r\nretry-after: 7\r\ncontent-length: 9\r\n\r\nno")
        await stub.hang(reader, writer)

    async with serving(refused) as stub, pool_of(stub.url) as pool:
        task = asyncio.create_task(pool.exchange(REQUEST))
        await until(lambda: any(one._parser is not None for one in pool._asked))
        await pool.aclose()
        assert ((await task).status, (await task).headers["retry-after"]) == (429, "7")


async def test_a_closed_pool_sends_nothing_on_connections_that_were_being_opened(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop, asked, may_find = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
    real = loop.getaddrinfo

    async def slow(*args: Any, **options: Any) -> Any:
        asked.set()
        await may_find.wait()
        return await real(*args, **options)

    monkeypatch.setattr(loop, "getaddrinfo", slow)
    async with serving(written(REPLY)) as stub, pool_of(stub.url) as pool:
        task = asyncio.create_task(pool.exchange(REQUEST))
        await asked.wait()
        await pool.aclose()
        may_find.set()
        with pytest.raises(httpx2.ConnectError, match="nothing was sent"):
            await task
        assert stub.requests == []
        assert (pool._idle, pool._asked, pool._look) == ([], set(), None)


async def test_addresses_that_cannot_be_reached_are_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    with socket.create_server(("127.0.0.1", 0)) as gone:
        nobody = gone.getsockname()
    async with serving(written(REPLY)) as stub:
        ports = [nobody[1], int(stub.url.rpartition(":")[2])]

        async def moved(*_: Any, **__: Any) -> Any:
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", ports.pop(0)))]

        monkeypatch.setattr(loop, "getaddrinfo", moved)
        async with pool_of("http://provider.invalid") as pool:
            with pytest.raises(httpx2.ConnectError, match="nothing was sent"):
                await pool.exchange(REQUEST)
            assert (await pool.exchange(REQUEST)).content == b"hello"


async def test_a_server_that_never_ends_its_handshake_has_been_sent_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        async with pool_of(f"https://127.0.0.1:{listener.getsockname()[1]}", connect_timeout_s=0.1) as pool:
            with pytest.raises(httpx2.ConnectTimeout, match="nothing was sent"):
                await pool.exchange(REQUEST)


async def test_a_host_is_looked_up_once_for_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, asked = asyncio.get_running_loop(), []
    real = loop.getaddrinfo

    async def looked_up(*args: Any, **options: Any) -> Any:
        asked.append(args)
        await asyncio.sleep(0.01)
        return await real(*args, **options)

    monkeypatch.setattr(loop, "getaddrinfo", looked_up)
    async with serving(written(REPLY)) as stub, pool_of(stub.url) as pool:
        leaving = asyncio.create_task(pool.exchange(REQUEST))
        staying = [asyncio.create_task(pool.exchange(REQUEST)) for _ in range(5)]
        await asyncio.sleep(0)
        leaving.cancel()
        assert [reply.status for reply in await asyncio.gather(*staying)] == [200] * 5
    assert len(asked) == 1


@asynccontextmanager
async def tls_server(folder: Path, answer: Stub) -> AsyncIterator[tuple[str, ssl.SSLContext]]:
    """Its address, and a context that trusts it."""
    certificate = self_signed(folder)
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate)
    server = await asyncio.start_server(answer.serve, "127.0.0.1", 0, ssl=own)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"https://127.0.0.1:{port}", ssl.create_default_context(cafile=str(certificate))
    finally:
        server.close()


@pytest.mark.parametrize("reply", [REPLY, CHUNKED])
async def test_exchanges_over_tls(tmp_path: Path, reply: bytes) -> None:
    stub = Stub(written(reply[:20], reply[20:]))
    async with tls_server(tmp_path, stub) as (url, trusting), pool_of(url, trusting) as pool:
        for _ in range(3):
            assert (await pool.exchange(REQUEST)).content == b"hello"
        assert stub.connections == 1
        stub.answer = raw(reply[:-1])
        with pytest.raises(httpx2.ReadError):
            await pool.exchange(REQUEST)
        stub.answer = stub.hang
        stub.asked.clear()
        task = asyncio.create_task(pool.exchange(REQUEST))
        await stub.asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_server_that_nobody_vouches_for_is_sent_nothing(tmp_path: Path) -> None:
    stub = Stub(written(REPLY))
    async with tls_server(tmp_path, stub) as (url, _), pool_of(url) as pool:
        with pytest.raises(httpx2.ConnectError, match="nothing was sent: SSLCertVerificationError"):
            await pool.exchange(REQUEST)
    assert stub.requests == []


async def test_a_server_of_another_name_is_sent_nothing(tmp_path: Path) -> None:
    stub = Stub(written(REPLY))
    async with (
        tls_server(tmp_path, stub) as (url, trusting),
        pool_of(url.replace("127.0.0.1", "localhost"), trusting) as pool,
    ):
        with pytest.raises(httpx2.ConnectError, match="nothing was sent"):
            await pool.exchange(REQUEST)
    assert stub.requests == []
