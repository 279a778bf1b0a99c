"""An object as an input: read by ranges, so that a reader may take its time, or copied for a parser that moves about.

Each range is a request of its own, tried anew where it fails, and asks for the very content that was looked at first:
an object that is replaced in between is told, and never read half and half.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from homa.files.remote.address import Address
from homa.files.remote.bucket import Bucket, Replaced, Stat
from homa_shared.model.errors import InvalidRequest

#: Bytes of one range, of which a stream holds one, and of the first one, by which its kind is told.
RANGE_BYTES = 4 * 1024 * 1024
HEAD_RANGE_BYTES = 128 * 1024


class Unfetchable(Exception):
    """One input that its place does not give; the message goes on from its name."""


class RemoteFile(Protocol):
    """Something to be read that is no file of this machine."""

    @property
    def size(self) -> int | None:
        """Its size; None where nobody says before it has come."""
        ...

    def stream(self) -> io.BufferedReader | None:
        """Its content from the start, little of it in memory; None where it can only be copied."""
        ...

    def copy(self, path: Path) -> str:
        """Copies it to a file that is not there yet; the name that tells its kind, where its own does not.

        Raises:
            Unfetchable: it is gone, refused, replaced in between, or too large.
            PlaceUnavailable: its place cannot be reached.
        """
        ...


@dataclass(frozen=True, slots=True)
class BucketObject:
    """An object of a bucket."""

    bucket: Bucket
    stat: Stat

    @property
    def address(self) -> Address:
        return self.bucket.address.at(self.stat.key)

    @property
    def size(self) -> int:
        return self.stat.size

    def stream(self) -> io.BufferedReader:
        return io.BufferedReader(_Ranges(self), 64 * 1024)

    def copy(self, path: Path) -> str:
        with path.open("xb") as out:
            while out.tell() < self.size:
                out.write(self.read(out.tell(), RANGE_BYTES))
        return ""

    def read(self, start: int, most: int) -> bytes:
        """A range of it. Raises what `RemoteFile.copy` does."""
        try:
            return self.bucket.read(self.stat, start, min(most, self.size - start))
        except FileNotFoundError:
            raise Unfetchable("is gone: it stood there when the bucket was listed") from None
        except Replaced:
            raise Unfetchable("was replaced by another content while it was read: run it again") from None
        except InvalidRequest as error:
            raise Unfetchable(f"is not given: {error}") from None


class _Ranges(io.RawIOBase):
    """An object's content, a range at a time."""

    def __init__(self, source: BucketObject) -> None:
        self._source = source
        self._place = 0
        self._held = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if not self._held and self._place < self._source.size:
            most = RANGE_BYTES if self._place else HEAD_RANGE_BYTES
            self._held = memoryview(self._source.read(self._place, most))
            self._place += len(self._held)
        size = min(len(buffer), len(self._held))
        buffer[:size] = self._held[:size]
        self._held = self._held[size:]
        return size
