"""How far packed files may expand: a bomb is a few bytes that become gigabytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import IO

from homa.files.readers.document import Unreadable

#: Bytes that may come out whatever went in.
FREE_BYTES = 64 * 1024 * 1024
#: Beyond them, so many bytes for each that went in: text shrinks to a tenth, logs to a fiftieth.
MOST_RATIO = 250
BOMB = f"expands more than {MOST_RATIO}-fold, as a decompression bomb does: not read"


class Expanding:
    """What comes out of a decompressor, measured against what went in.

    Args:
        stream: unpacked.
        taken: bytes that were read of the packed one so far.
    """

    def __init__(self, stream: IO[bytes], taken: Callable[[], int]) -> None:
        self._stream, self._taken = stream, taken
        self._given = 0

    def read(self, size: int = -1) -> bytes:
        """Raises Unreadable for a bomb."""
        chunk = self._stream.read(size)
        self._given += len(chunk)
        if self._given > FREE_BYTES and self._given > MOST_RATIO * self._taken():
            raise Unreadable(BOMB)
        return chunk
