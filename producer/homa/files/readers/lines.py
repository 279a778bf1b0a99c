"""Bytes to lines: byte order marks, encodings and a bound on the length of a line.

Lines are split as bytes and decoded one by one, so that a badly encoded line spoils itself only. Encodings in which a
byte 10 need not be a newline (UTF-16, UTF-32, EBCDIC, ISO-2022) are first recoded to UTF-8 on the way; there a bad
sequence ends the file, since nobody can say where the next character starts.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from homa_shared.model.errors import InvalidRequest

#: Longest line, and longest document, that is read. What is longer fits no model's context.
LIMIT_BYTES = 32 * 1024 * 1024
#: Bytes recoded at a time.
CHUNK_BYTES = 64 * 1024

#: Longest first: UTF-32's mark starts with UTF-16's.
BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def check_encoding(encoding: str) -> None:
    """Raise InvalidRequest unless Python knows the encoding as one of text."""
    try:
        b" ".decode(encoding, "ignore")  # an empty string would not be looked up
    except LookupError:
        raise InvalidRequest(
            f"--encoding is {encoding!r}: expected a text encoding that Python knows, such as utf-8, utf-16 or cp1252"
        ) from None


def keeps_ascii(encoding: str) -> bool:
    """Whether ASCII bytes mean themselves in this encoding, so that lines can be split as bytes."""
    ascii_bytes = bytes(range(128))
    return ascii_bytes.decode(encoding, "replace") == ascii_bytes.decode("ascii")


def mark_of(head: bytes, encoding: str) -> tuple[int, str]:
    """Length of the byte order mark at the start, and the encoding: the mark's own, else the one given."""
    for mark, marked in BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return len(mark), marked
    return 0, encoding


@dataclass(frozen=True, slots=True)
class Text:
    """Bytes of text after any byte order mark, in an encoding that keeps ASCII."""

    stream: io.BufferedReader
    encoding: str

    @classmethod
    def of(cls, stream: IO[bytes], encoding: str) -> Text:
        """Skip the mark, heed what it says, and recode where lines cannot be split as bytes."""
        source = buffered(stream)
        length, encoding = mark_of(source.peek(4), encoding)
        source.read(length)
        if keeps_ascii(encoding):
            return cls(source, codecs.lookup(encoding).name)
        return cls(io.BufferedReader(Recoded(source, encoding), CHUNK_BYTES), "utf-8")

    def lines(self, limit_bytes: int = LIMIT_BYTES) -> Iterator[tuple[int, bytes | str]]:
        """Each line's number and bytes, newline included; or a str that says what is wrong with it."""
        number = 0
        readline = self.stream.readline
        while True:
            number += 1
            try:
                line = readline(limit_bytes + 1)
            except UnicodeDecodeError as error:
                yield number, f"{undecodable(error)}; the rest of the file is not read"
                return
            if not line:
                return
            if len(line) > limit_bytes and not line.endswith(b"\n"):
                self._skip_line()
                yield number, f"is longer than {limit_bytes:,} bytes: split it into several rows"
            else:
                yield number, line

    def _skip_line(self) -> None:
        while (rest := self.stream.readline(CHUNK_BYTES)) and not rest.endswith(b"\n"):
            pass


def opened(file: Path) -> io.BufferedReader:
    """A file open for reading, with its first bytes to be looked at."""
    return io.BufferedReader(io.FileIO(file), CHUNK_BYTES)


def buffered(stream: IO[bytes]) -> io.BufferedReader:
    """A stream whose first bytes can be looked at."""
    return stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(_Raw(stream), CHUNK_BYTES)


class _Raw(io.RawIOBase):
    """Any binary stream under a buffer, which does not close it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = self._stream.read(len(buffer))
        buffer[: len(chunk)] = chunk
        return len(chunk)


class Recoded(io.RawIOBase):
    """A stream in any encoding, read as UTF-8."""

    def __init__(self, source: io.BufferedReader, encoding: str) -> None:
        self._source = source
        self._encoding = encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("strict")
        self._ready = b""
        self._ended = False
        self._failure: UnicodeDecodeError | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready and not self._ended:
            self._refill()
        if not self._ready and self._failure is not None:
            raise self._failure
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _refill(self) -> None:
        chunk = self._source.read1(CHUNK_BYTES)
        self._ended = not chunk
        try:
            self._ready = self._decoder.decode(chunk, final=self._ended).encode()
        except UnicodeDecodeError as error:  # what stands before the fault is still good
            self._ready = error.object[: error.start].decode(self._encoding, "ignore").encode()
            self._failure, self._ended = error, True


def undecodable(error: UnicodeDecodeError) -> str:
    """What to tell about bytes that are not in the encoding expected."""
    found = error.object[error.start : error.start + 1].hex()
    return f"is not valid {error.encoding}: byte 0x{found} ({error.reason}); name its encoding with --encoding"
