"""About how many rows inputs hold, at the speed of the disk."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from homa.files.readers.formats import HEAD_BYTES, TABLES, Format, buffered, format_of, looks_binary
from homa.files.readers.paths import Skipped, Source, find_sources
from homa.files.readers.registry import check_inputs
from homa.files.rows import BadRow


@dataclass(frozen=True, slots=True)
class InputCount:
    """An estimate of what inputs hold, by counting newlines."""

    #: Rows; a little high where records span lines or lines are blank.
    rows: int = 0
    files: int = 0
    size_bytes: int = 0
    #: Standard input or a pipe is among them: there may be any number more.
    open_ended: bool = False


def count_inputs(inputs: Sequence[str], *, encoding: str = "utf-8") -> InputCount:
    """Estimate how many rows there are, at the speed of the disk; raises what `check_inputs` raises."""
    check_inputs(inputs, encoding=encoding)
    rows = files = size_bytes = 0
    open_ended = False
    for source in find_sources(inputs, Skipped()):
        if isinstance(source, BadRow):
            rows += 1
        elif source.file is None or not source.file.is_file():
            open_ended = True
        else:
            found, size = _count(source, source.file, encoding)
            rows, files, size_bytes = rows + found, files + bool(found), size_bytes + size
    return InputCount(rows, files, size_bytes, open_ended)


def _count(source: Source, file: Path, encoding: str) -> tuple[int, int]:
    """Rows and bytes of one file; a file that will be a bad row counts as one."""
    try:
        with buffered(file) as stream:
            head = stream.peek(HEAD_BYTES)
            size = file.stat().st_size
            form = format_of(source, head)
            if form is not Format.PDF and looks_binary(head, encoding, rows=form is not Format.TEXT):
                return (1, size) if source.named else (0, 0)
            if form in (Format.TEXT, Format.PDF):
                return 1, size
            return max(_newlines(stream) - (form in TABLES), 1), size
    except OSError:
        return 1, 0


def _newlines(stream: io.BufferedReader) -> int:
    """Lines, the last one whether or not a newline ends it."""
    count, last = 0, b"\n"
    while chunk := stream.read(1024 * 1024):
        count += chunk.count(b"\n")
        last = chunk[-1:]
    return count + (last != b"\n")
