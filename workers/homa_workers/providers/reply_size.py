"""How much of a reply is read, before and after decompression: what one server sends must not fill a worker's memory.

A gigabyte of zeros travels as a megabyte of gzip, so that what counts is the size behind it; decompression goes in
pieces, and stops at the limit.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import ClassVar

import aiohttp
import httpx2

#: Most bytes of a failure's body that are read; the rest says nothing more.
ERROR_BYTES = 256 * 1024
#: How a member of gzip begins.
_MEMBER = b"\x1f"
#: What a connection that breaks raises.
BROKEN = (aiohttp.ClientError, TimeoutError, OSError)
#: Decompressed at once.
_PIECE = 256 * 1024
#: Lets zlib find out by itself whether it is gzip's format or its own; and deflate without either's head.
_EITHER_FORMAT, _BARE = 32 + zlib.MAX_WBITS, -zlib.MAX_WBITS


class ReplyTooLarge(httpx2.TransportError):
    """A reply has more bytes than its provider's setting allows."""

    def __init__(self, most: int) -> None:
        super().__init__(f"the reply has more than {most} bytes (reply_max_bytes of its provider)")


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
        self._may_be_bare = encoding == "deflate"

    def feed(self, data: bytes) -> Iterator[bytes]:
        """What a piece of the body was, in small pieces.

        Raises:
            ReplyTooLarge: that, with all before it, is more than may be.
        """
        if self._inflate is None:
            yield self._counted(data)
            return
        try:
            while data:
                if self._inflate.eof:
                    if not data.startswith(_MEMBER):
                        self._counted(data)  # padding says nothing
                        return
                    # Gzip may come in several members (RFC 1952, 2.2).
                    self._inflate = zlib.decompressobj(_EITHER_FORMAT)
                piece = self._decompressed(data)
                if piece:
                    yield self._counted(piece)
                data = self._inflate.unconsumed_tail or self._inflate.unused_data
        except zlib.error as error:
            raise httpx2.DecodingError(f"the body is not what its content-encoding says: {error}") from error

    def _decompressed(self, data: bytes) -> bytes:
        assert self._inflate is not None
        try:
            return self._inflate.decompress(data, _PIECE)
        except zlib.error:
            if not self._may_be_bare:
                raise
            self._inflate = zlib.decompressobj(_BARE)
            return self._inflate.decompress(data, _PIECE)
        finally:
            self._may_be_bare = False

    def _counted(self, piece: bytes) -> bytes:
        self._left -= len(piece)
        if self._left < 0:
            raise ReplyTooLarge(self._most)
        return piece


class LimitedResponse(aiohttp.ClientResponse):
    """A response whose body is read up to a limit; the rest of it is never received."""

    most_bytes: ClassVar[int]

    async def read(self) -> bytes:
        """The body as it came; of a failure, as much as came: its status and headers stand anyway.

        Raises:
            ReplyTooLarge: it is longer; the connection is closed.
        """
        is_failure = self.status >= 400
        most = ERROR_BYTES if is_failure else self.most_bytes
        length = self.content_length
        parts: list[bytes] = []
        try:
            if length is not None and length <= most:
                return await super().read()
            async for chunk in self.content.iter_any():
                parts.append(chunk)
                most -= len(chunk)
                if most < 0:
                    self.close()
                    if is_failure:
                        break
                    raise ReplyTooLarge(self.most_bytes)
        except BaseException as error:
            # Whoever cancels wants the provider to stop; aiohttp's own reading does the same.
            self.close()
            if not (is_failure and isinstance(error, BROKEN)):
                raise
        return b"".join(parts)


def limited_response(most: int) -> type[LimitedResponse]:
    """The class of responses of whose bodies so many bytes are read."""
    return type("LimitedResponse", (LimitedResponse,), {"most_bytes": most})
