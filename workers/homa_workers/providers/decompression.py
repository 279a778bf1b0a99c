"""Bodies without their compression, in small pieces and up to a limit.

A gigabyte of zeros travels as a megabyte of gzip, and three million empty members of it as 64 MB: what is made of a
body is bounded in bytes and in members, and the event loop takes its turns in between.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator

import httpx2

from homa_workers.providers.reply_room import ROOM
from homa_workers.providers.reply_size import ReplyTooLarge, is_failure, most_read

#: Most members of gzip in a body (RFC 1952, 2.2). Servers write one, some one for each part; each costs a decompressor.
MOST_MEMBERS = 10_000
#: How a member begins.
_MEMBER = b"\x1f"
#: Looked at in one turn: zlib copies what it has left over.
_SLICE_BYTES = 64 * 1024
#: Decompressed in one turn.
_PIECE_BYTES = 256 * 1024
#: Lets zlib find out by itself whether it is gzip's format or its own; and deflate without either's head.
_EITHER_FORMAT, _BARE = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS


class Inflater:
    """A body as it was before its compression.

    Args:
        encoding: its `content-encoding`; empty for none.
        most: bytes that may come out, and go in.

    Raises:
        httpx2.DecodingError: the encoding was not asked for, or the body is not in it.
    """

    def __init__(self, encoding: str, most: int) -> None:
        encoding = encoding.strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise httpx2.DecodingError(f"content-encoding {encoding!r:.40}, expected gzip or deflate")
        self._most = self._left = most
        self._inflate = zlib.decompressobj(_EITHER_FORMAT) if encoding not in ("", "identity") else None
        self._members_left = MOST_MEMBERS - 1
        self._may_be_bare = encoding == "deflate"
        self._is_padding = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What a piece of the body was, in small pieces, some of them empty: each is work enough for one turn.

        Raises:
            ReplyTooLarge: that, with all before it, is more than may be.
            httpx2.DecodingError: it is not what its encoding says, or has too many members.
        """
        if self._inflate is None:
            yield self._counted(data)
            return
        try:
            for start in range(0, len(data), _SLICE_BYTES):
                yield from self._inflated(data[start : start + _SLICE_BYTES])
        except zlib.error as error:
            raise httpx2.DecodingError(f"the body is not what its content-encoding says: {error}") from error

    def _inflated(self, data: bytes) -> Iterator[bytes]:
        assert self._inflate is not None
        while data:
            if self._inflate.eof and not self._begins_member(data):
                self._counted(data)  # padding says nothing
                return
            yield self._counted(self._decompressed(data))
            data = self._inflate.unconsumed_tail or self._inflate.unused_data

    def _begins_member(self, data: bytes) -> bool:
        self._is_padding = self._is_padding or not data.startswith(_MEMBER)
        if self._is_padding:
            return False
        if not self._members_left:
            raise httpx2.DecodingError(f"the body has more than {MOST_MEMBERS} members of gzip")
        self._members_left -= 1
        self._inflate = zlib.decompressobj(_EITHER_FORMAT)
        return True

    def _decompressed(self, data: bytes) -> bytes:
        assert self._inflate is not None
        try:
            return self._inflate.decompress(data, _PIECE_BYTES)
        except zlib.error:
            if not self._may_be_bare:
                raise
            self._inflate = zlib.decompressobj(_BARE)
            return self._inflate.decompress(data, _PIECE_BYTES)
        finally:
            self._may_be_bare = False

    def _counted(self, piece: bytes) -> bytes:
        self._left -= len(piece)
        if self._left < 0:
            raise ReplyTooLarge(self._most)
        return piece


async def inflated(content: bytes, encoding: str, status: int, most: int) -> bytes:
    """A reply's body without its compression; of a failure's, as much as can be read.

    Args:
        encoding: its `content-encoding`.
        most: bytes that may come out.

    Raises:
        ReplyTooLarge, httpx2.DecodingError: as `Inflater`; not of a failure.
    """
    pieces: list[bytes] = []
    size, share = len(content), ROOM.share()
    try:
        for turn, piece in enumerate(Inflater(encoding, most_read(status, most)).feed(content)):
            if turn:
                await asyncio.sleep(0)
            if piece:
                pieces.append(piece)
                size += len(piece)
                await share.grown(size)
    except BaseException as error:
        if not (is_failure(status) and isinstance(error, ReplyTooLarge | httpx2.DecodingError)):
            # The error holds this frame for as long as somebody looks at it.
            pieces.clear()
            raise
    finally:
        share.leave()
    return b"".join(pieces)
