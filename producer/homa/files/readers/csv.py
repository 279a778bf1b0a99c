"""CSV and TSV in the dialects that people have: a header, then one row a record; a record may span lines."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import cast

from homa.files.readers.content import Head, guess_utf16
from homa.files.readers.csv_dialect import Header, delimiter_of, named_delimiter
from homa.files.readers.document import Document, Fault, Found, Opened, ReadOptions, Remark
from homa.files.readers.encodings import guessed, note_of
from homa.files.readers.lines import LIMIT_BYTES, Text, buffered, mark_of, undecodable

_ENDLESS = f"opens a quote that is not closed within {LIMIT_BYTES:,} bytes"


class CsvReader:
    """A row per record, under the line on which it starts; blank lines are passed over."""

    needs: tuple[str, ...] = ()
    isolated = False
    seeks = False
    markup = False

    def __init__(self, name: str = "csv", suffixes: tuple[str, ...] = (".csv",), delimiter: str = ",") -> None:
        self.name, self._suffixes, self._delimiter = name, suffixes, delimiter

    def claims(self, head: Head) -> bool:
        return head.suffix in self._suffixes and head.has_rows

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        """Rows, then how many of them were empty."""
        # The module's own bound, 128 KiB for a field, is global and too small for documents.
        csv.field_size_limit(max(csv.field_size_limit(), LIMIT_BYTES))
        stream = buffered(opened.stream)
        guess = _guessed_encoding(stream, options)
        if guess is not None:
            yield Remark(note_of(guess))
        lines = _LineSource(Text.of(_newlines(stream), options.encoding or guess or "utf-8"))
        for _ in range(options.skip_rows):
            if not lines.skip():
                yield Fault(f"ends within the {options.skip_rows} lines of --skip-rows")
                return
        yield from self._table(lines, options)

    def _table(self, lines: _LineSource, options: ReadOptions) -> Iterator[Found]:
        records = _records(lines, options.delimiter, self._delimiter)
        line, found = next(records, (None, "is empty"))
        header = found if isinstance(found, str) else Header.of(found, options.id_column)
        if isinstance(header, str):
            yield Fault(header, line)
            return
        if header.renamed:
            yield Remark(header.renamed)
        columns, width, rows, empty = header.columns, len(header.columns), 0, 0
        for line, record in records:
            if isinstance(record, str):
                rows += 1
                yield Fault(record, line)
            elif not any(record):
                empty += 1
            elif len(record) != width and (len(record) < width or any(record[width:])):
                rows += 1
                yield Fault(_misfit(record, columns), line)
            else:
                rows += 1
                yield Document(None, dict(zip(columns, record, strict=False)), line)
        if empty:
            yield Remark(f"{empty:,} empty rows passed over")
        if not rows:
            yield Fault("has a header but no rows")


class TsvReader(CsvReader):
    """The same with tabs."""

    def __init__(self) -> None:
        super().__init__("tsv", (".tsv", ".tab"), "\t")


def _guessed_encoding(stream: io.BufferedReader, options: ReadOptions) -> str | None:
    """The likely encoding where the first lines are not UTF-8; where only some lines are not, they are faults."""
    sample = stream.peek(1)
    if options.encoding is not None or mark_of(sample, "utf-8")[0]:
        return None
    whole = sample[: max(sample.rfind(b"\n"), sample.rfind(b"\r")) + 1] or sample
    if b"\0" in whole and (wide := guess_utf16(whole)) is not None:
        return wide
    try:
        whole.decode()
    except UnicodeDecodeError:
        return guessed(whole)
    return None


def _newlines(stream: io.BufferedReader) -> io.BufferedReader:
    """The same bytes with newlines, where lines end with carriage returns alone."""
    sample = stream.peek(1)
    if b"\r" not in sample or b"\n" in sample:
        return stream
    return io.BufferedReader(cast(io.RawIOBase, _CarriageReturns(stream)), 64 * 1024)


class _CarriageReturns(io.RawIOBase):
    """Lines of an old Mac."""

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        chunk = self._stream.read1(len(buffer)).replace(b"\r", b"\n")
        buffer[: len(chunk)] = chunk
        return len(chunk)


def _misfit(record: list[str], columns: list[str]) -> str:
    return f"has {len(record)} columns: expected {len(columns)} ({', '.join(columns):.200})"


def _records(lines: _LineSource, chosen: str | None, usual: str) -> Iterator[tuple[int, list[str] | str]]:
    """The line on which each record starts, and its cells or what is wrong with it."""
    reader = None
    while True:
        start = lines.number + 1
        try:
            if reader is None:
                first = next(lines)
                if (said := named_delimiter(first)) is not None:
                    chosen = chosen or said
                    start, first = lines.number + 1, next(lines)
                lines.give_back(first)
                reader = csv.reader(lines, delimiter=chosen or delimiter_of(first, usual), strict=True)
            lines.begin_record()
            record = next(reader)
        except StopIteration:
            return
        except _BadLine as error:
            yield lines.number, str(error)
        except _Endless as error:
            yield start, str(error)
            return
        except csv.Error as error:
            yield start, _complaint(error, lines.number)
        else:
            if record:
                yield start, record


def _complaint(error: csv.Error, last_line: int) -> str:
    if "unexpected end of data" in str(error):
        return f"opens a quote that is never closed: all up to the last line, {last_line}, belongs to this row"
    return f"is not valid CSV: {error} (line {last_line}); quotes within a quoted cell are doubled"


class _BadLine(Exception):
    """A line that cannot be read; the record that it belongs to is lost, the next one starts after it."""


class _Endless(Exception):
    """A record longer than any prompt: within an unclosed quote nobody can say where the next one starts."""


class _LineSource:
    """Decoded lines for csv.reader. Not a generator: that would end with the first line that is bad."""

    def __init__(self, text: Text) -> None:
        self._lines = text.lines()
        self._encoding = text.encoding
        #: Lines given out so far.
        self.number = 0
        self._again: str | None = None
        #: Bytes given out for the record at hand.
        self._size = 0

    def __iter__(self) -> _LineSource:
        return self

    def __next__(self) -> str:
        if self._again is not None:
            line, self._again, self.number = self._again, None, self.number + 1
            return line
        self.number, raw = next(self._lines)
        if isinstance(raw, str):
            raise _BadLine(raw)
        self._size += len(raw)
        if self._size > LIMIT_BYTES + 1:
            raise _Endless(f"{_ENDLESS}, up to line {self.number}: the rest of the file is not read")
        if b"\0" in raw:
            raise _BadLine("holds a NUL: expected text")
        try:
            return raw.decode(self._encoding)
        except UnicodeDecodeError as error:
            raise _BadLine(undecodable(error)) from None

    def begin_record(self) -> None:
        """What is given out from here on is another record's."""
        self._size = 0

    def give_back(self, line: str) -> None:
        """The line just given out will be given out again."""
        self._again = line
        self.number -= 1

    def skip(self) -> bool:
        """Passes over a line; false at the end."""
        found = next(self._lines, None)
        self.number += found is not None
        return found is not None
