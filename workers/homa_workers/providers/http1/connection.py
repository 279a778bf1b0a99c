"""One connection to a provider: a request, its reply, the next request.

There is never more than one request on its way, so that a reply can only be the reply to it. Whatever comes at another
time, or behind a reply, closes the connection: it could be taken for the reply to the next request.
"""

from __future__ import annotations

import asyncio
import select
import socket
import ssl

import httpx2

from homa_workers.providers.http1.reply_parser import Flaw, Reply, ReplyParser, SpareParsers
from homa_workers.providers.reply_room import ROOM, Share
from homa_workers.providers.reply_size import ReplyTooLarge


class Connection(asyncio.BufferedProtocol):
    """A connection that stands.

    Args:
        peer: its socket, below any TLS.
        parsers: it has one while a reply comes.
        buffer: what comes is read into it and out of it in one breath, so that all connections may share one. Reading
            into bytes of its own would take 256 KB each time, and leave the heap full of holes.
    """

    __slots__ = (
        "_buffer",
        "_has_ended",
        "_is_held_back",
        "_parser",
        "_parsers",
        "_peer",
        "_poll",
        "_reply",
        "_share",
        "_transport",
        "_wire",
        "heard",
    )

    def __init__(self, peer: socket.socket, parsers: SpareParsers, buffer: memoryview) -> None:
        self._peer = peer
        self._buffer = buffer
        self._parsers = parsers
        #: None until something of the reply comes.
        self._parser: ReplyParser | None = None
        #: What is written to and closed; within TLS another than what its bytes go through.
        self._transport: asyncio.Transport | None = None
        self._wire: asyncio.Transport | None = None
        self._reply: asyncio.Future[Reply] | None = None
        #: Whether the server has said that nothing more comes. Within TLS it says so by a message of its own
        #: (close_notify): without that, anybody on the way may have cut the connection.
        self._has_ended = False
        #: Of a reply that is large.
        self._share: Share | None = None
        self._is_held_back = False
        self._poll = select.poll()
        self._poll.register(peer.fileno(), select.POLLIN)
        #: When something last came, or was asked for, by the loop's clock, s.
        self.heard = 0.0

    @property
    def is_open(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    @property
    def is_quiet(self) -> bool:
        """Whether it is open, and nothing has come unasked, not even the server's farewell.

        The loop may not have read that yet; the socket knows. A request that crosses it would be lost, and nobody could
        say whether it was served.
        """
        return self.is_open and not self._poll.poll(0)

    async def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Goes on within TLS.

        Args:
            name: what the server's certificate has to be for.

        Raises:
            OSError: there is none; the connection is closed.
        """
        if self._wire is None:
            raise ConnectionResetError("the server closed the connection before TLS")
        try:
            secured = await asyncio.get_running_loop().start_tls(self._wire, self, context, server_hostname=name)
        except BaseException:
            self.abort()
            raise
        if self._transport is None or secured is None:
            raise ConnectionResetError("the server closed the connection with the end of the handshake")
        self._transport = secured

    def ask(self, request: bytes, now: float) -> asyncio.Future[Reply]:
        """Writes a request and returns its reply to come, which fails with an `httpx2.TransportError`.

        Raises:
            httpx2.ConnectError: the connection is closed, so that nothing was written.
        """
        transport = self._transport
        if transport is None or transport.is_closing():
            raise httpx2.ConnectError("the connection was closed before anything was sent")
        self.heard = now
        reply = self._reply = asyncio.get_running_loop().create_future()
        transport.write(request)
        return reply

    def give_up(self, error: httpx2.TransportError) -> None:
        """Fails the reply that is owed, unless it is known to be a refusal, and closes."""
        if (parser := self._parser) is not None:
            parser.feed_end(clean=False)
            if parser.is_complete:
                self._settle(parser.reply())
        self._settle(error)
        self.abort()

    def abort(self) -> None:
        """Closes at once, whatever has not been written yet."""
        if self._transport is not None:
            self._transport.abort()

    # What asyncio tells.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = self._wire = transport

    def get_buffer(self, _: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, count: int) -> None:
        if self._reply is None:
            self.abort()
            return
        self.heard = asyncio.get_running_loop().time()
        parser = self._parser
        if parser is None:
            parser = self._parser = self._parsers.take()
        parser.feed(self._buffer[:count])
        if parser.is_over:
            self._end(parser)
        elif parser.size > ROOM.own:
            self._make_room(parser.size)

    def eof_received(self) -> None:
        assert self._transport is not None
        tls = self._transport.get_extra_info("ssl_object")
        self._has_ended = tls is None or _has_said_farewell(tls)

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = self._wire = None
        if self._reply is None:
            return
        parser = self._parser
        if parser is not None:
            parser.feed_end(clean=error is None and self._has_ended)
            if parser.is_over:
                self._end(parser)
                return
        where = "without a reply" if parser is None else "in the middle of its reply"
        why = f"{type(error).__name__}: {error}" if error else "the server closed the connection"
        self._settle(httpx2.ReadError(f"{why} {where}"))

    @property
    def is_held_back(self) -> bool:
        """Whether its reply is not read on until other large ones are handed over: its server is not to blame."""
        return self._is_held_back

    def _make_room(self, size: int) -> None:
        assert self._transport is not None
        if self._share is None:
            self._share = ROOM.share()
        if not self._share.grow(size, self._read_on):
            self._is_held_back = True
            self._transport.pause_reading()

    def _read_on(self) -> None:
        self._is_held_back = False
        self.heard = asyncio.get_running_loop().time()
        if self.is_open:
            assert self._transport is not None
            self._transport.resume_reading()

    def _leave_room(self) -> None:
        share, self._share = self._share, None
        if share is not None:
            share.leave()
        if self._is_held_back:
            # Within TLS its end may have come all the same.
            self._read_on()

    def _end(self, parser: ReplyParser) -> None:
        """The reply is whole, or cannot be had."""
        if (flaw := parser.flaw) is not None:
            self._settle(_error(flaw, parser.why, self._parsers.most_bytes))
            self.abort()
            return
        reply, goes_on = parser.reply(), parser.may_be_followed
        # An idle connection must not hold what it has read.
        self._parser = None
        if goes_on:
            self._parsers.give_back(parser)
        self._settle(reply)
        # The rest of a request that was refused early waits in the lower one; TLS itself keeps nothing back.
        if not goes_on or (self._wire is not None and self._wire.get_write_buffer_size()):
            self.abort()

    def _settle(self, outcome: Reply | httpx2.TransportError) -> None:
        reply, self._reply = self._reply, None
        if self._share is not None:
            self._leave_room()
        if not isinstance(outcome, Reply):
            # The error of a call that was cut holds its connection for as long as somebody looks at it.
            self._parser = None
        if reply is None or reply.done():
            return
        if isinstance(outcome, Reply):
            reply.set_result(outcome)
        else:
            reply.set_exception(outcome)


def _has_said_farewell(tls: ssl.SSLObject) -> bool:
    """Whether close_notify has come. asyncio tells of an end without it in the same way; a read tells them apart."""
    try:
        return not tls.read(1)
    except ssl.SSLError:
        return False


def _error(flaw: Flaw, why: str, most_bytes: int) -> httpx2.TransportError:
    if flaw is Flaw.TOO_LARGE:
        return ReplyTooLarge(most_bytes)
    return httpx2.RemoteProtocolError(f"not a reply: {why}")
