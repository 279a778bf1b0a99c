"""About how many rows inputs hold, at the speed of the disk."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath

from homa.files.readers.content import HEAD_BYTES, Head
from homa.files.readers.document import ReadOptions
from homa.files.readers.intake import check_inputs
from homa.files.readers.lines import opened
from homa.files.readers.paths import NOWHERE, Places, Skipped, Source, find_sources
from homa.files.readers.registry import reader_of, unread
from homa.files.rows import BadRow
from homa_shared.model.errors import HomaError

#: Readers of a row a line, and the lines before the first.
_LINES = {"jsonl": 0, "csv": 1, "tsv": 1}
#: Readers of files that hold any number of documents.
#: Endings of files that hold any number of rows or documents.
_MANY = frozenset(
    f".{ending}"
    for ending in (
        "jsonl ndjson json csv tsv xlsx xls ods parquet arrow sqlite db gz bz2 xz zst zip tar tgz mbox".split()
    )
)
_ANY = frozenset({"xlsx", "parquet", "arrow", "sqlite", "json", "compressed", "zip", "tar", "mbox"})


@dataclass(frozen=True, slots=True)
class InputCount:
    """An estimate of what inputs hold, by counting newlines."""

    #: Rows; a little high where records span lines or lines are blank.
    rows: int = 0
    files: int = 0
    size_bytes: int = 0
    #: Standard input, a pipe, an archive or a database is among them: there may be any number more.
    open_ended: bool = False


def count_inputs(inputs: Sequence[str], *, options: ReadOptions | None = None, places: Places = NOWHERE) -> InputCount:
    """Estimate how many rows there are, at the speed of the disk; raises what `check_inputs` raises."""
    options = options or ReadOptions()
    check_inputs(inputs, options=options, places=places)
    rows = files = size_bytes = 0
    open_ended = False
    for source in find_sources(inputs, Skipped(), places):
        if isinstance(source, BadRow):
            rows += 1
        elif source.remote is not None:
            # Nothing of it is fetched to be counted: its name tells whether it is likely to be one document.
            rows, files, size_bytes = rows + 1, files + 1, size_bytes + (source.remote.size or 0)
            open_ended = open_ended or source.remote.size is None or _may_hold_many(source.path)
        elif source.file is None or not source.file.is_file():
            open_ended = True
        else:
            found, size = _count(source, source.file, options)
            rows, files, size_bytes = rows + (found or 0), files + 1, size_bytes + size
            open_ended = open_ended or found is None
    return InputCount(rows, files, size_bytes, open_ended)


def _may_hold_many(name: str) -> bool:
    return PurePath(name).suffix.lower() in _MANY


def _count(source: Source, file: Path, options: ReadOptions) -> tuple[int | None, int]:
    """Rows and bytes of one file; a file that will be a bad row counts as one, None is any number."""
    try:
        with opened(file) as stream:
            data = stream.peek(HEAD_BYTES)
            size = file.stat().st_size
            reader = reader_of(
                Head(source.path, data, stream, nameless=source.nameless, encoding=options.encoding), options
            )
            if reader is None or unread(reader, data) is not None:
                return 1, size
            if reader.name in _LINES:
                return max(_newlines(stream) - _LINES[reader.name] - options.skip_rows, 1), size
            return (None if reader.name in _ANY else 1), size
    except HomaError:
        raise
    except Exception:  # the system's, or of a reader of somebody else's that fails at telling its kind
        return 1, 0


def _newlines(stream: io.BufferedReader) -> int:
    """Lines, the last one whether or not a newline ends it."""
    count, last = 0, b"\n"
    while chunk := stream.read(1024 * 1024):
        count += chunk.count(b"\n")
        last = chunk[-1:]
    return count + (last != b"\n")
