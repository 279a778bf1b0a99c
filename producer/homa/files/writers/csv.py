"""Results as CSV: RFC 4180, UTF-8, lines end in CR LF so that any newline within a cell is quoted.

TSV is the same with tabs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from homa.files.digests import Digests
from homa.files.writers.base import ResultsWriter
from homa.files.writers.columns import Layout, cell_text
from homa.files.writers.earlier_line import EarlierLine, Revision, cells_digest
from homa.files.writers.output_file import OutputFile
from homa.files.writers.resume import no_results
from homa_shared.calls.reply import CUT_REASONS
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.json_safe import valid_text

NEWLINE = "\r\n"


class CsvResults(ResultsWriter):
    """Appends each line as a record; the header first where the file has none."""

    def __init__(
        self, output: OutputFile, done: Digests, layout: Layout, *, with_header: bool, delimiter: str = ","
    ) -> None:
        super().__init__(done, CsvRecords(layout, delimiter))
        self._delimiter = delimiter
        self._output = output
        self._layout = layout
        self._left_out: set[str] = set()
        if with_header:
            output.append(csv_record(layout.header, delimiter))

    @property
    def left_out(self) -> frozenset[str]:
        return frozenset(self._left_out)

    def _append(self, line: Mapping[str, Any], fields: Mapping[str, Any]) -> None:
        self._output.append(csv_record(map(cell_text, self._layout.record(line, fields)), self._delimiter))
        self._left_out |= self._layout.left_out(fields)

    def lines_file(self) -> OutputFile:
        return self._output

    def _close(self, *, finished: bool) -> None:
        self._output.close()


def csv_record(cells: Iterable[str], delimiter: str = ",") -> bytes:
    """One record with its newline."""
    buffer = io.StringIO()
    csv.writer(buffer, delimiter=delimiter, lineterminator=NEWLINE).writerow(cells)
    return valid_text(buffer.getvalue()).encode()


class CsvRecords:
    """How records are read back.

    Args:
        layout: the columns that the file is to have; that of an earlier release gets those that it lacks. None:
            whatever columns it has.
    """

    def __init__(self, layout: Layout | None = None, delimiter: str = ",") -> None:
        self._layout, self.delimiter = layout, delimiter
        self.input_columns = 0 if layout is None else len(layout.inputs)

    def scan(self, path: Path) -> Iterator[EarlierLine]:
        """The records of an earlier run, its header first; raises InvalidRequest for a file of other columns."""
        records = _whole_records(path, self.delimiter)
        number, header = next(records, (1, None))
        if header is None:
            return
        own = [place for place, name in enumerate(header) if name.endswith("homa_job")]
        if header[0] != "custom_id" or not own or own[-1] < 3 or not any(map(_ends_as_ours, header[own[-1] :])):
            raise no_results(path, number, "is not the header of a results file")
        columns = _Columns.of(header, own[-1], self._wanted(path, header), self)
        yield EarlierLine(None, True, False, csv_record(columns.header, self.delimiter))
        for number, record in records:
            if len(record) != len(header):
                raise no_results(path, number, f"has {len(record)} columns, its header {len(header)}")
            yield columns.line(record)

    def inputs(self, fields: Mapping[str, Any]) -> str:
        assert self._layout is not None
        return cells_digest(valid_text(cell_text(value)) for value in self._layout.input_cells(fields))

    def revised(self, line: EarlierLine, revision: Revision, order: str) -> bytes:
        assert self._layout is not None
        (record,) = csv.reader(
            io.StringIO(line.raw.decode(errors="surrogateescape"), newline=""), delimiter=self.delimiter, strict=True
        )
        record[0] = revision.custom_id
        if revision.row:
            record[-2:] = [revision.row, order]
        if revision.fields is not None:
            cells = self._layout.input_cells(revision.fields)
            record[1 : 1 + len(cells)] = map(cell_text, cells)
        return csv_record(record, self.delimiter)

    def _wanted(self, path: Path, header: list[str]) -> list[str]:
        """The columns that the file is to have."""
        if self._layout is None or header == self._layout.header:
            return header
        if header not in self._layout.older_headers:
            raise InvalidRequest(
                f"--resume: {path} has columns {', '.join(header)}: expected {', '.join(self._layout.header)}; "
                "give the same inputs and schema, or another --output"
            )
        return self._layout.header


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where a file's columns are, and where they are to be."""

    header: list[str]
    #: For each column of the header, its place in the file's records; None: the file lacks it.
    places: list[int | None]
    error: int
    reason: int | None
    row: int | None
    order: int | None
    unverified: int | None
    delimiter: str
    #: How many of the input follow the first column.
    inputs: int

    @classmethod
    def of(cls, found: list[str], job: int, wanted: list[str], records: CsvRecords) -> _Columns:
        """Args: the file's header, the place of Homa's first column in it, the header that it is to have."""
        own = {name.removeprefix("reply_"): place for place, name in enumerate(found) if place >= job}
        places = [found.index(name) if name in found else None for name in wanted]
        # Homa's columns follow the error's.
        return cls(
            wanted,
            places,
            job - 1,
            own.get("homa_finish_reason"),
            own.get("homa_row"),
            own.get("homa_order"),
            own.get("homa_unverified"),
            records.delimiter,
            records.input_columns,
        )

    def line(self, record: list[str]) -> EarlierLine:
        error = record[self.error]
        return EarlierLine(
            record[0],
            not error,
            not error and self.reason is not None and record[self.reason] in CUT_REASONS,
            csv_record(("" if place is None else record[place] for place in self.places), self.delimiter),
            "" if self.row is None else record[self.row],
            "" if self.order is None else record[self.order],
            error.partition(":")[0],
            cells_digest(record[1 : 1 + self.inputs]) if self.inputs else "",
            not error and self.unverified is not None and record[self.unverified] not in ("", "0"),
        )


def _ends_as_ours(name: str) -> bool:
    return name.endswith("homa_latency_ms")


def _whole_records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Records with the line each ends on; the last one only if its newline is there too."""
    bound = csv.field_size_limit(2**31 - 1)  # our own file: replies may be of any length
    last: tuple[int, list[str]] | None = None
    try:
        with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
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
