"""How much of a reply is read, before and after decompression: no server may fill a worker's memory."""

from __future__ import annotations

from typing import ClassVar

import aiohttp
import httpx2

from homa_workers.providers.reply_room import ROOM

#: Most bytes of a failure's body that are read; the rest says nothing more.
ERROR_BYTES = 256 * 1024
#: What a connection that breaks raises.
BROKEN = (aiohttp.ClientError, TimeoutError, OSError)


class ReplyTooLarge(httpx2.TransportError):
    """A reply has more bytes than its provider's setting allows."""

    def __init__(self, most: int) -> None:
        super().__init__(f"the reply has more than {most} bytes (reply_max_bytes of its provider)")


def is_failure(status: int) -> bool:
    """Whether a reply refuses its request: status and headers say so, whatever becomes of the body."""
    return status >= 400


def most_read(status: int, most: int) -> int:
    """How many bytes of a reply's body are read, where so many are allowed: of a failure, those that say what it is."""
    return ERROR_BYTES if is_failure(status) else most


class LimitedResponse(aiohttp.ClientResponse):
    """A response whose body is read up to a limit; the rest of it is never received."""

    most_bytes: ClassVar[int]

    async def read(self) -> bytes:
        """The body as it came; of a failure, as much as came: its status and headers stand anyway.

        Raises:
            ReplyTooLarge: it is longer; the connection is closed.
        """
        most = most_read(self.status, self.most_bytes)
        length = self.content_length
        body, share = bytearray(), ROOM.share()
        try:
            if length is not None and length <= min(most, ROOM.own):
                return await super().read()
            async for chunk in self.content.iter_any():
                body += chunk
                if len(body) > most:
                    self.close()
                    if is_failure(self.status):
                        break
                    raise ReplyTooLarge(self.most_bytes)
                await share.grown(len(body))
        except BaseException as error:
            # Whoever cancels wants the provider to stop; aiohttp's own reading does the same.
            self.close()
            if not (is_failure(self.status) and isinstance(error, BROKEN)):
                # The error holds this frame for as long as somebody looks at it.
                body.clear()
                raise
        finally:
            share.leave()
        return bytes(body)


def limited_response(most: int) -> type[LimitedResponse]:
    """The class of responses of whose bodies so many bytes are read."""
    return type("LimitedResponse", (LimitedResponse,), {"most_bytes": most})
