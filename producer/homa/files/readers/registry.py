"""INPUT arguments to a stream of rows: which files, in which format, one row after the other, none held.

1. `check_inputs` says what is wrong with the arguments before anything is read.
2. `open_inputs` finds the files, tells each one's format by name and first bytes, and lets that format read it.
3. What cannot be read becomes a `BadRow` in its place; the rest goes on.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, cast

from homa.files.readers import paths
from homa.files.readers.csv import table_rows
from homa.files.readers.formats import HEAD_BYTES, TABLES, Format, buffered, format_of, looks_binary, suffix
from homa.files.readers.jsonl import json_rows
from homa.files.readers.lines import LIMIT_BYTES, Text, check_encoding
from homa.files.readers.paths import Skipped, Source, find_sources, unreadable
from homa.files.readers.pdf import check_pdf, pdf_rows
from homa.files.readers.text import text_rows
from homa.files.rows import BadRow, Registrar, Row, bad_row
from homa_shared.model.errors import InvalidRequest


def check_inputs(inputs: Sequence[str], *, encoding: str = "utf-8") -> None:
    """Say at once what is wrong with the arguments; no file's content is read.

    Raises InvalidRequest for no input, a missing path, a glob without a match, a directory without a file, `-` given
    twice or an unknown encoding; MissingExtra for a `.pdf` file where PDF cannot be read.
    """
    check_encoding(encoding)
    paths.check_inputs(inputs)
    names = (each.path for each in find_sources(inputs, Skipped()) if isinstance(each, Source))
    try:
        check_pdf()
    except Exception:
        if any(suffix(name) == ".pdf" for name in names):
            raise


def open_inputs(
    inputs: Sequence[str],
    *,
    encoding: str = "utf-8",
    id_column: str | None = None,
    stdin: IO[bytes] | None = None,
    stdin_format: Format | str | None = None,
    skipped: Skipped | None = None,
) -> Iterator[Row | BadRow]:
    """Check the inputs, then stream their rows.

    Args:
        inputs: files, directories (recursive), globs, `-` for standard input.
        encoding: of every file without a byte order mark.
        id_column: field or column that names a row; default `custom_id` or `id`, else `path` or `path:line`.
        stdin: bytes to read for `-`; default the process's own.
        stdin_format: how to read them; default JSON Lines if they start with `{"`, PDF if with `%PDF-`, else text.
            A pipe that is named (`<(zcat rows.jsonl.gz)`) is told apart the same way.
        skipped: tally that is told which files were passed over, while rows are read.

    Raises what `check_inputs` raises, at the call and not at the first row.
    """
    check_inputs(inputs, encoding=encoding)
    chosen = None if stdin_format is None else _chosen(stdin_format)
    return _rows(inputs, encoding, Registrar(id_column), stdin, chosen, Skipped() if skipped is None else skipped)


def _chosen(stdin_format: str) -> Format:
    try:
        return Format(stdin_format)
    except ValueError:
        raise InvalidRequest(f"format of standard input is {stdin_format!r}: expected {', '.join(Format)}") from None


def _rows(
    inputs: Sequence[str],
    encoding: str,
    registrar: Registrar,
    stdin: IO[bytes] | None,
    stdin_format: Format | None,
    skipped: Skipped,
) -> Iterator[Row | BadRow]:
    for source in find_sources(inputs, skipped):
        if isinstance(source, BadRow):
            yield source
            continue
        try:
            with _opened(source, stdin) as stream:
                yield from _rows_of(source, stream, encoding, registrar, stdin_format, skipped)
        except OSError as error:
            yield bad_row(source.path, None, unreadable(error))


def _rows_of(
    source: Source,
    stream: io.BufferedReader,
    encoding: str,
    registrar: Registrar,
    stdin_format: Format | None,
    skipped: Skipped,
) -> Iterator[Row | BadRow]:
    head = stream.peek(HEAD_BYTES)
    form = (source.file is None and stdin_format) or format_of(source, head)
    if not head:
        yield bad_row(source.path, None, "is empty")
    elif form is Format.PDF:
        yield from pdf_rows(source.path, _seekable(stream), registrar)
    elif looks_binary(head, encoding, rows=form is not Format.TEXT):
        if source.named:
            yield bad_row(source.path, None, "is binary: expected text; a UTF-16 file needs --encoding utf-16")
        else:
            skipped.count("binary", source.path)
    elif form is Format.JSONL:
        yield from json_rows(source.path, Text.of(stream, encoding), registrar)
    elif form in TABLES:
        yield from table_rows(source.path, Text.of(stream, encoding), registrar, TABLES[form])
    else:
        yield from text_rows(source.path, Text.of(stream, encoding), registrar)


@contextmanager
def _opened(source: Source, stdin: IO[bytes] | None) -> Iterator[io.BufferedReader]:
    """The source's bytes; standard input stays open, it is not ours to close."""
    if source.file is not None:
        with buffered(source.file) as stream:
            yield stream
        return
    given = sys.stdin.buffer if stdin is None else stdin
    if isinstance(given, io.BufferedReader):
        yield given
        return
    stream = io.BufferedReader(cast(io.RawIOBase, given), HEAD_BYTES)  # a BytesIO reads like a raw stream
    try:
        yield stream
    finally:
        stream.detach()


def _seekable(stream: io.BufferedReader) -> IO[bytes]:
    return stream if stream.seekable() else io.BytesIO(stream.read(4 * LIMIT_BYTES))
