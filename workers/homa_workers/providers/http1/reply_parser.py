"""Reads one HTTP/1.1 reply after another from the bytes of a connection (RFC 9112); llhttp does the parsing.

Where a reply ends decides whose the next bytes are. llhttp refuses what is not clear about that: two lengths, a length
beside chunks, a length that is not a number. The leniencies below are those that aiohttp grants to servers; none of
them moves the end of a reply.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

import httptools

from homa_workers.providers.reply_size import is_failure, most_read

#: Most bytes of a reply's head: its status and headers, with those of interim replies before it.
HEAD_BYTES = 64 * 1024
#: What each piece of a chunked body may bring beside it: its length, extensions, and ends of lines.
_FRAMING_BYTES = 64
#: Most parsers that are kept for the next replies.
_SPARE = 256


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply."""

    status: int
    #: Names in lower case; of one that is repeated, the last.
    headers: dict[str, str]
    #: As it came: compressed where the headers say so. Of a failure, as much as says what it is.
    content: bytes


class Flaw(Enum):
    """Why a reply cannot be had."""

    #: It is not HTTP, leaves open where it ends, or frames next to nothing at great length.
    MALFORMED = auto()
    #: Its body is longer than it may be.
    TOO_LARGE = auto()


class ReplyParser:
    """The replies of one connection, one at a time.

    Args:
        most_bytes: of a reply's body, as it comes.
    """

    __slots__ = (
        "_body",
        "_framing_left",
        "_head_left",
        "_headers",
        "_in_head",
        "_is_interim",
        "_keeps_alive",
        "_left",
        "_most_bytes",
        "_parser",
        "_status",
        "_until_close",
        "excess",
        "flaw",
        "is_complete",
        "why",
    )

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._parser = httptools.HttpResponseParser(self)
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self.begin()

    def begin(self) -> None:
        """Expects the next reply."""
        self._headers: dict[str, str] = {}
        #: A body of one piece, as most are, is not copied; those of more are gathered, however small the pieces.
        self._body: bytes | bytearray = b""
        self._status = 0
        self._head_left = HEAD_BYTES
        self._framing_left = HEAD_BYTES
        self._left = self._most_bytes
        self._in_head, self._is_interim, self._until_close = True, False, False
        self._keeps_alive = False
        self.is_complete = False
        #: Whether something came behind the reply that nobody has asked for.
        self.excess = False
        self.flaw: Flaw | None = None
        #: The flaw in words.
        self.why = ""

    @property
    def size(self) -> int:
        """Bytes of its body that have come."""
        return len(self._body)

    @property
    def is_over(self) -> bool:
        """Whether nothing more is to be read."""
        return self.is_complete or self.flaw is not None

    @property
    def may_be_followed(self) -> bool:
        """Whether the connection can carry another request."""
        return self.is_complete and not self.excess and self.flaw is None and self._keeps_alive

    def feed(self, data: bytes | memoryview) -> None:
        """Reads what has come; afterwards `is_complete`, `flaw` or neither says how things stand."""
        in_head = self._in_head
        if in_head:
            self._head_left -= len(data)
        else:
            self._framing_left -= len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(Flaw.MALFORMED, "it changes to a protocol that nobody asked for")
        except httptools.HttpParserError as error:
            self._fail(Flaw.MALFORMED, str(error))
        if self.is_over:
            return
        if self._in_head and self._head_left < 0:
            self._fail(Flaw.MALFORMED, f"its head has more than {HEAD_BYTES} bytes")
        elif not in_head and self._framing_left < 0:
            self._fail(Flaw.MALFORMED, "what frames its body goes on and on")

    def feed_end(self, *, clean: bool) -> None:
        """The connection has ended, which completes a reply that says nothing else of its length.

        Args:
            clean: whether the server has closed it, and nothing broke.
        """
        if not self.is_over and (self._is_failure or (clean and self._until_close)):
            self.is_complete = self.excess = True

    @property
    def _is_failure(self) -> bool:
        """Whether it refuses the request, which its status and headers say, whatever becomes of the rest."""
        return is_failure(self._status) and not self._in_head

    def reply(self) -> Reply:
        """The reply, once it is complete."""
        return Reply(self._status, self._headers, bytes(self._body))

    def _fail(self, flaw: Flaw, why: str) -> None:
        """Notes the first flaw; never one beside a complete reply: what comes behind it counts for nothing."""
        if self.is_complete or self._is_failure:
            self.is_complete = self.excess = True
        elif self.flaw is None:
            self.flaw, self.why = flaw, why

    # What llhttp tells, in the order of a reply. It goes on to the end of what was fed: nothing behind a flaw counts.

    def on_message_begin(self) -> None:
        self.excess = self.is_complete

    def on_header(self, name: bytes, value: bytes) -> None:
        # Behind the body stand trailers, which change nothing of what was read.
        if self._in_head:
            self._headers[name.decode("latin-1").lower()] = value.decode("latin-1").strip(" \t")

    def on_headers_complete(self) -> None:
        if self.is_over:
            return
        self._status = self._parser.get_status_code()
        self._is_interim = 100 <= self._status < 200
        if self._is_interim:
            self._headers = {}
            return
        self._in_head = False
        self._bound_body()

    def _bound_body(self) -> None:
        self._left = most_read(self._status, self._most_bytes)
        headers = self._headers
        if (coding := headers.get("transfer-encoding")) is not None:
            self._until_close = not coding.lower().endswith("chunked")
        elif (length := headers.get("content-length")) is None:
            self._until_close = self._status not in (204, 304)
        elif int(length) > self._most_bytes and not is_failure(self._status):
            self._too_large()

    def on_body(self, piece: bytes) -> None:
        if self.is_over:
            return
        self._left -= len(piece)
        self._framing_left += len(piece) + _FRAMING_BYTES
        if self._left < 0:
            self._too_large()
        elif not self._body:
            self._body = piece
        else:
            if isinstance(self._body, bytes):
                self._body = bytearray(self._body)
            self._body += piece

    def _too_large(self) -> None:
        if not self._is_failure:
            self._body = b""
        self._fail(Flaw.TOO_LARGE, f"its body has more than {self._most_bytes} bytes")

    def on_message_complete(self) -> None:
        if self.is_over:
            return
        if self._is_interim:
            self._is_interim = False
        else:
            self.is_complete = True
            # Asked here: llhttp forgets it with the message.
            self._keeps_alive = self._parser.should_keep_alive()


class SpareParsers:
    """Parsers that no reply is read with: thousands of connections wait for theirs, and few read at once.

    Args:
        most_bytes: of a reply's body, as it comes.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self._spare: list[ReplyParser] = []

    def take(self) -> ReplyParser:
        """One that expects a reply."""
        return self._spare.pop() if self._spare else ReplyParser(self.most_bytes)

    def give_back(self, parser: ReplyParser) -> None:
        """One that has read a whole reply, behind which another one may follow: in no other state is one used again."""
        if len(self._spare) < _SPARE:
            # It must not hold what it has read.
            parser.begin()
            self._spare.append(parser)
