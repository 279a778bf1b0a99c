"""Connections of plain calls within TLS: what its end and its names say, and what has not been written yet."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.providers.certificates import self_signed
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
