"""Commands as they go over the wire (RESP2), each in one piece.

redis-py's own packer joins what it has so far anew at each word and cuts long commands: a submission of a hundred jobs
went out in some seventy writes, and packing and sending it was a third of what it cost its client.
"""

from __future__ import annotations

from typing import Any

import redis.asyncio
from redis.exceptions import DataError


def packed(*words: Any) -> bytes:
    """A command as it is sent.

    Args:
        words: bytes, texts and numbers; the first one may be several (`SCRIPT LOAD`).

    Raises:
        DataError: a word is none of these.
        UnicodeError: a text cannot be encoded.
    """
    name = words[0]
    first = name.encode() if isinstance(name, str) else bytes(name)
    command = first.split() if b" " in first else [first]
    command += [word if type(word) is bytes else _bytes_of(word) for word in words[1:]]
    return b"*%d\r\n%b" % (len(command), b"".join([b"$%d\r\n%b\r\n" % (len(word), word) for word in command]))


def _bytes_of(word: object) -> bytes:
    if isinstance(word, str):
        return word.encode()
    if isinstance(word, bytes | bytearray | memoryview):
        return bytes(word)
    if isinstance(word, int | float) and not isinstance(word, bool):
        return repr(word).encode()
    raise DataError(f"a word of a command is {word!r:.80}: expected bytes, text or a number")


class Packer:
    """What a blocking connection of redis-py asks: its option `command_packer`."""

    def pack(self, *words: Any) -> list[bytes]:
        return [packed(*words)]


class _PacksWhole:
    """The same for connections of an event loop, which have no such option."""

    def pack_command(self, *words: Any) -> list[bytes]:
        return [packed(*words)]


class whole_connections:  # noqa: N801 (stands where the package redis.asyncio does)
    """Connections of an event loop."""

    class Connection(_PacksWhole, redis.asyncio.Connection):
        """By TCP."""

    class SSLConnection(_PacksWhole, redis.asyncio.SSLConnection):
        """By TLS."""

    class UnixDomainSocketConnection(_PacksWhole, redis.asyncio.UnixDomainSocketConnection):
        """By a socket of this machine."""
