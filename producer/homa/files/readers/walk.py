"""What is in a file, and in the files within it: a mail's attachments, an archive's members, each by its own reader."""

from __future__ import annotations

import io
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import IO, cast

from homa.files.readers.content import EMPTY_ZIP, HEAD_BYTES, ZIP, Head
from homa.files.readers.document import Attached, Document, Fault, Opened, Reader, ReadOptions, Remark, Unreadable
from homa.files.readers.registry import named, reader_of, unread
from homa.files.remote.objects import Unfetchable
from homa_shared.model.errors import PlaceUnavailable

#: Files within files within files.
MOST_NESTED = 8
#: Parts of one file, however deep.
MOST_PARTS = 100_000
#: Largest part that is unpacked for a reader that has to move about in it, bytes.
MOST_PART_BYTES = 1024**3
#: Parts up to this size stay in memory.
_HELD_BYTES = 32 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Begun:
    """A part is about to be opened."""

    #: How many parts of the outermost file were begun, this one included.
    begun: int
    part: str


Step = Document | Fault | Remark | Begun


class Walk:
    """One file, read to its last part.

    Args:
        skip: parts that were read before, by a helper that is gone.
    """

    def __init__(self, options: ReadOptions, skip: int = 0) -> None:
        self._options, self._skip = options, skip
        #: What `--input-format` names is the file's own kind; what is in it is told by its content.
        self._within = replace(options, input_format=None)
        self._begun = self._parts = 0

    def file(self, reader: str, path: str, file: str) -> Iterator[Step]:
        """What is in a file on disk, by the reader of that name."""
        with open(file, "rb", buffering=HEAD_BYTES) as stream:
            yield from self.opened(named(reader, self._options.plugins), Opened(path, stream))

    def opened(self, reader: Reader, opened: Opened, part: str = "", depth: int = 0) -> Iterator[Step]:
        """What is in an open file; what its reader raises is a fault like others."""
        try:
            for found in reader.read(opened, self._options):
                if isinstance(found, Attached):
                    yield from self._attached(found, opened.path, part, depth)
                elif depth or self._begun >= self._skip:
                    yield replace(found, part=joined(part, found.part)) if part else found
        except (Unreadable, Unfetchable) as error:
            yield Fault(str(error), part=part)
        except EOFError:
            yield Fault("is cut off: its end is missing", part=part)
        except MemoryError:
            yield Fault("needs more memory than a reader has: split it", part=part)
        except zlib.error as error:
            yield Fault(f"is damaged: {error}", part=part)
        except (GeneratorExit, KeyboardInterrupt, SystemExit, PlaceUnavailable):
            raise
        except BaseException as error:  # damaged files make parsers raise nearly anything, and those in Rust panic
            yield Fault(f"is not a readable {reader.name} file: {_told(error)}", part=part)

    def _attached(self, attached: Attached, path: str, part: str, depth: int) -> Iterator[Step]:
        inner = joined(part, attached.name)
        self._parts += 1
        if not depth:
            self._begun += 1
            if self._begun <= self._skip:
                return
        yield Begun(self._begun, inner)
        if depth >= MOST_NESTED:
            yield Fault(f"is nested {depth + 1} files deep: at most {MOST_NESTED} are opened", part=inner)
        elif self._parts > MOST_PARTS:
            raise Unreadable(f"holds more than {MOST_PARTS:,} parts: split it")
        else:
            yield from self._part(attached, path, inner, depth)

    def _part(self, attached: Attached, path: str, part: str, depth: int) -> Iterator[Step]:
        try:
            stream, data = _with_head(attached.stream)
            if not data:
                yield Fault("is empty", part=part)
                return
            spooled = data.startswith((ZIP, EMPTY_ZIP))
            if spooled:
                stream = _spooled(stream)
            shown = attached.named or attached.name or path
            head = Head(shown, data, stream if spooled else None, encoding=self._options.encoding)
            reader = reader_of(head, self._within)
            if (fault := unread(reader, data)) is not None or reader is None:
                yield replace(fault or Fault("is of no kind that is read here"), part=part)
                return
            if reader.seeks and not spooled:
                stream = _spooled(stream)
            yield from self.opened(reader, Opened(shown, stream), part, depth + 1)
        except Unreadable as error:
            yield Fault(str(error), part=part)
        except EOFError:
            yield Fault("is cut off: its end is missing", part=part)
        except Exception as error:  # each decompressor has its own
            yield Fault(f"cannot be unpacked: {_told(error)}", part=part)


def joined(outer: str, inner: str) -> str:
    """A part's name within the outermost file."""
    return f"{outer}/{inner}" if outer and inner else outer or inner


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:200] if str(error) else type(error).__name__


def _with_head(stream: IO[bytes]) -> tuple[io.BufferedReader, bytes]:
    """A stream from its start, and the bytes that it begins with."""
    data = bytearray()
    while len(data) < HEAD_BYTES and (chunk := stream.read(HEAD_BYTES - len(data))):
        data += chunk
    head = bytes(data)
    return io.BufferedReader(cast(io.RawIOBase, _Prefixed(head, stream)), HEAD_BYTES), head


class _Prefixed(io.RawIOBase):
    """A stream with bytes put back before it."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self._head, self._stream = head, stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        if self._head:
            chunk, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        else:
            chunk = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _spooled(stream: IO[bytes]) -> io.BufferedReader:
    """The same bytes where a reader can move about in them. Raises Unreadable for more than MOST_PART_BYTES."""
    spool = tempfile.SpooledTemporaryFile(_HELD_BYTES)  # noqa: SIM115 - lives as long as its reader
    size = 0
    while chunk := stream.read(_CHUNK_BYTES):
        size += len(chunk)
        if size > MOST_PART_BYTES:
            raise Unreadable(f"is larger than {MOST_PART_BYTES:,} bytes unpacked: unpack it yourself")
        spool.write(chunk)
    spool.seek(0)
    return cast(io.BufferedReader, spool)
