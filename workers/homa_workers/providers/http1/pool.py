"""Connections to one server, used again while it keeps them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from functools import cached_property
from typing import NamedTuple

import httpx2
from aiohappyeyeballs import start_connection

from homa_workers.providers.exchange_errors import unsent
from homa_workers.providers.http1.addresses import Addresses
from homa_workers.providers.http1.connection import Connection
from homa_workers.providers.http1.reply_parser import Reply, SpareParsers

#: After so many seconds the next of a host's addresses is tried beside the first (RFC 8305, 5).
_NEXT_ADDRESS_S = 0.25
#: Read at once from a connection.
_READ_BYTES = 64 * 1024
#: How often connections are looked through, s, where nothing asks for more.
_LOOK_S = 15.0


class Origin(NamedTuple):
    """A server: what two URLs share whose requests may go over one connection."""

    scheme: str
    host: str
    port: int

    @classmethod
    def of(cls, url: httpx2.URL) -> Origin:
        return cls(url.scheme, url.raw_host.decode("ascii"), url.port or (443 if url.scheme == "https" else 80))


class ConnectionPool:
    """Exchanges with one server. Each takes a connection of its own: who calls bounds how many there are.

    Args:
        origin: the server.
        tls: makes the context of a server that is spoken to by https; asked once.
        connect_timeout_s: for its address, TCP and TLS.
        silence_s: after which a connection counts as dead.
        keep_alive_s: for which an idle connection is kept.
        most_bytes: of a reply's body, as it comes.
    """

    def __init__(
        self,
        origin: Origin,
        tls: Callable[[], ssl.SSLContext],
        *,
        connect_timeout_s: float,
        silence_s: float,
        keep_alive_s: float,
        most_bytes: int,
    ) -> None:
        self._origin = origin
        self._addresses = Addresses(origin.host, origin.port)
        self._make_tls = tls
        self._connect_timeout_s = connect_timeout_s
        self._silence_s = silence_s
        self._keep_alive_s = keep_alive_s
        self._parsers = SpareParsers(most_bytes)
        self._buffer = memoryview(bytearray(_READ_BYTES))
        #: Those that wait for a request, the one that was used last at the end.
        self._idle: list[Connection] = []
        self._asked: set[Connection] = set()
        self._look: asyncio.TimerHandle | None = None
        self._is_closed = False

    async def exchange(self, request: bytes) -> Reply:
        """Sends a request and returns its whole reply. Cancelling it closes the connection.

        Raises:
            httpx2.ConnectError, httpx2.ConnectTimeout: nothing was sent.
            httpx2.TransportError: anything else, after the request may have gone out.
        """
        connection = self._idle_one()
        if connection is None:
            connection = await self._connect()
        self._asked.add(connection)
        try:
            coming = connection.ask(request, asyncio.get_running_loop().time())
            # Thousands wait here for minutes, and need no more what they have written.
            del request
            reply = await coming
        except BaseException:
            connection.abort()
            raise
        finally:
            self._asked.discard(connection)
        if connection.is_open:
            self._idle.append(connection)
        return reply

    async def aclose(self) -> None:
        """Closes every connection. What is owed fails; what waits for a connection is not sent."""
        self._is_closed = True
        if self._look is not None:
            self._look.cancel()
            self._look = None
        for connection in self._idle:
            connection.abort()
        self._idle.clear()
        for connection in list(self._asked):
            connection.give_up(httpx2.ReadError("the connection was closed here before its reply was whole"))
        # Transports close in the loop's next turn, those of TLS in the one behind.
        for _ in range(2):
            await asyncio.sleep(0)

    def _idle_one(self) -> Connection | None:
        """The connection that was used last, unless it was idle for too long: then all others were, too."""
        oldest = asyncio.get_running_loop().time() - self._keep_alive_s
        while self._idle:
            connection = self._idle.pop()
            if connection.heard > oldest and connection.is_quiet:
                return connection
            connection.abort()
        return None

    async def _connect(self) -> Connection:
        try:
            async with asyncio.timeout(self._connect_timeout_s):
                connection = await self._opened()
        except Exception as error:
            # A server that has moved; or its address is another's now, whose certificate is not the right one.
            self._addresses.forget()
            raise unsent(error) from error
        if self._is_closed:
            connection.abort()
            raise httpx2.ConnectError("nothing was sent: the connections to this server were closed here")
        self._look_later()
        return connection

    async def _opened(self) -> Connection:
        tls = self._tls if self._origin.scheme == "https" else None
        addresses = await self._addresses.found()
        peer = await start_connection(addresses, happy_eyeballs_delay=_NEXT_ADDRESS_S, interleave=1)
        # From here on the socket is the loop's, which closes it where this fails.
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: Connection(peer, self._parsers, self._buffer), sock=peer
        )
        if tls is not None:
            # Certificates do not have the dot of the root that a name may end in.
            await connection.secure(tls, self._origin.host.removesuffix("."))
        return connection

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return self._make_tls()

    def _look_later(self) -> None:
        if self._look is None:
            every_s = min(_LOOK_S, max(0.05, self._keep_alive_s))
            self._look = asyncio.get_running_loop().call_later(every_s, self._look_through)

    def _look_through(self) -> None:
        """Closes what has been idle for too long, and fails what is owed by servers that have fallen silent."""
        self._look = None
        now = asyncio.get_running_loop().time()
        kept = [one for one in self._idle if one.is_open and one.heard > now - self._keep_alive_s]
        for connection in set(self._idle).difference(kept):
            connection.abort()
        self._idle = kept
        for connection in list(self._asked):
            if connection.heard <= now - self._silence_s and not connection.is_held_back:
                connection.give_up(httpx2.ReadTimeout(f"nothing came for {self._silence_s:g} s"))
        if self._idle or self._asked:
            self._look_later()
