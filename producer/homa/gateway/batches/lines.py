"""Lines of a file, read a part at a time from any byte on."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from homa.gateway.files.kept_files import KeptFiles

#: Most bytes of a line: as many as a request of its own may have.
MOST_LINE_BYTES = 50 * 1024 * 1024
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class FileLine:
    """A line that is not blank."""

    data: bytes
    #: Byte of the file behind it.
    end: int
    #: Lines of the file before it since the reading began, blank ones included.
    before: int


async def lines_of(files: KeptFiles, file_id: str, offset: int = 0) -> AsyncGenerator[FileLine, None]:
    """The lines of a file from a byte on that begins one.

    Raises:
        ValueError: one is longer than a request may be.
        LostPart, BlobsUnavailable: as `KeptFiles.read`.
    """
    waiting, number = bytearray(), 0
    async with aclosing(files.read(file_id, offset)) as parts:
        async for part in parts:
            waiting += part
            end = waiting.rfind(b"\n") + 1
            if not end and len(waiting) > MOST_LINE_BYTES:
                raise ValueError(f"line {number + 1} is longer than {MOST_LINE_BYTES} bytes")
            whole, waiting = bytes(waiting[:end]), waiting[end:]
            for row in whole.split(b"\n")[:-1]:
                start, offset = offset, offset + len(row) + 1
                if data := _clean(row, start):
                    yield FileLine(data, offset, number)
                number += 1
    if data := _clean(bytes(waiting), offset):
        yield FileLine(data, offset + len(waiting), number)


def _clean(row: bytes, start: int) -> bytes:
    return (row.removeprefix(_BOM) if start == 0 else row).strip()
