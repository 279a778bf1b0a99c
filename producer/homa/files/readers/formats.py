"""Which format a file is in, by its name and its first bytes."""

from __future__ import annotations

import io
import re
from enum import StrEnum
from pathlib import Path, PurePath

from homa.files.readers.lines import keeps_ascii, mark_of
from homa.files.readers.paths import Source

#: Bytes looked at to tell a file's format; the read buffer too.
HEAD_BYTES = 64 * 1024
#: First bytes of common formats that are not text and may be short enough to hold no NUL.
BINARY_MAGIC = (b"\x1f\x8b", b"PK\x03\x04", b"\x89PNG", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"BZh", b"\xfd7zXZ")
PDF_MAGIC = b"%PDF-"
#: What starts like this on standard input or in a pipe is taken for JSON Lines.
JSON_START = re.compile(rb"\A\s*\{[ \t]*\"")


class Format(StrEnum):
    """How a file is read."""

    TEXT = "text"
    PDF = "pdf"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"


#: Formats by the ending of a file's name; all other files are text unless their first bytes say PDF.
SUFFIXES = {".jsonl": Format.JSONL, ".ndjson": Format.JSONL, ".csv": Format.CSV, ".tsv": Format.TSV, ".pdf": Format.PDF}
TABLES = {Format.CSV: ",", Format.TSV: "\t"}


def buffered(file: Path) -> io.BufferedReader:
    """A file open for reading, with its first bytes to be looked at."""
    return io.BufferedReader(io.FileIO(file), HEAD_BYTES)


def suffix(path: str) -> str:
    """The ending of a name, in small letters."""
    return PurePath(path).suffix.lower()


def format_of(source: Source, head: bytes) -> Format:
    """The format of a file that begins with `head`."""
    if head.startswith(PDF_MAGIC):
        return Format.PDF
    if source.file is not None and (source.file.is_file() or suffix(source.path) in SUFFIXES):
        return SUFFIXES.get(suffix(source.path), Format.TEXT)
    return Format.JSONL if JSON_START.match(head[mark_of(head, "utf-8")[0] :]) else Format.TEXT


def looks_binary(head: bytes, encoding: str, *, rows: bool) -> bool:
    """Whether a file's first bytes are not text.

    A NUL tells, but for encodings that are full of them. In formats with rows a stray NUL spoils only its row, so that
    there the bytes must be invalid in the encoding as well.
    """
    mark, encoding = mark_of(head, encoding)
    if mark or not keeps_ascii(encoding):
        return False
    if head.startswith(BINARY_MAGIC):
        return True
    if b"\0" not in head:
        return False
    return not rows or "\ufffd" in head[: head.rfind(b"\n") + 1 or None].decode(encoding, "replace")
