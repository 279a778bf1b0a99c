"""Results as CSV: RFC 4180, UTF-8, lines end in CR LF so that any newline within a cell is quoted."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from homa.files.digests import Digests
from homa.files.writers.base import ResultsWriter
from homa.files.writers.columns import HOMA_KINDS, LATER, Layout, cell_text
from homa.files.writers.output_file import OutputFile
from homa.files.writers.resume import EarlierLine, Scan, no_results
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.json_safe import valid_text

NEWLINE = "\r\n"


class CsvResults(ResultsWriter):
    """Appends each line as a record; the header first where the file has none."""

    def __init__(self, output: OutputFile, done: Digests, layout: Layout, *, with_header: bool) -> None:
        super().__init__(done)
        self._output = output
        self._layout = layout
        self._left_out: set[str] = set()
        if with_header:
            output.append(csv_record(layout.header))

    @property
    def left_out(self) -> frozenset[str]:
        return frozenset(self._left_out)

    def _append(self, line: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        self._output.append(csv_record(map(cell_text, self._layout.record(line, fields))))
        self._left_out |= self._layout.left_out(fields)

    def _close(self, *, finished: bool) -> None:
        self._output.close()


def csv_record(cells: Iterable[str]) -> bytes:
    """One record with its newline."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator=NEWLINE).writerow(cells)
    return valid_text(buffer.getvalue()).encode()


def csv_scan(layout: Layout | None = None) -> Scan:
    """A scan of CSV results; with a layout it raises InvalidRequest for a file of other columns."""

    def scan(path: Path) -> Iterator[EarlierLine]:
        records = _whole_records(path)
        number, header = next(records, (1, None))
        if header is None:
            return
        own = [place for place, name in enumerate(header) if name.endswith("homa_job")]
        if header[0] != "custom_id" or not own or own[-1] < 3 or not header[-1].endswith(f"homa_{LAST}"):
            raise no_results(path, number, "is not the header of a results file")
        if layout is not None and header != layout.header:
            raise InvalidRequest(
                f"--resume: {path} has columns {', '.join(header)}: expected {', '.join(layout.header)}; "
                "give the same inputs and schema, or another --output"
            )
        yield EarlierLine(None, True, False, csv_record(header))
        cut_column = next((place for place in range(own[-1], len(header)) if header[place].endswith(_REASON)), None)
        for number, record in records:
            if len(record) != len(header):
                raise no_results(path, number, f"has {len(record)} columns, its header {len(header)}")
            # Homa's columns follow the error's.
            cut = cut_column is not None and record[cut_column] == "length"
            yield EarlierLine(record[0], not record[own[-1] - 1], cut, csv_record(record))

    return scan


def older_layout(path: Path, columns: Iterable[str], schema: Mapping[str, Any] | None) -> Layout | None:
    """The layout of an earlier file whose columns are those of a release before; None for any other file."""
    _, header = next(_whole_records(path), (1, None))
    older = Layout(columns, schema, without=LATER)
    return older if header == older.header else None


LAST = list(HOMA_KINDS)[-1]
_REASON = "homa_finish_reason"


def _whole_records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Records with the line each ends on; the last one only if its newline is there too."""
    bound = csv.field_size_limit(2**31 - 1)  # our own file: replies may be of any length
    last: tuple[int, list[str]] | None = None
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            for record in reader:
                if last is not None:
                    yield last
                last = reader.line_num, record
        torn = not _ends_whole(path)
    except csv.Error as error:
        if "unexpected end of data" not in str(error):
            raise no_results(path, reader.line_num, f"is not valid CSV ({error})") from None
        torn = False  # the torn record is the one that the reader gave up; the last one it gave is whole
    finally:
        csv.field_size_limit(bound)
    if last is not None and not torn:
        yield last


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as stream:
        stream.seek(-min(len(NEWLINE), path.stat().st_size), io.SEEK_END)
        return stream.read() == NEWLINE.encode()
