"""Results as an Excel workbook: numbers and truth values as such, everything else as text, never as formulas or links.

A sheet holds 1,048,576 rows; what is beyond goes on in the next one. A cell holds 32,767 characters: a longer text is
cut there and marked, and the journal, which has all of it, stays beside the workbook.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

from homa.files.writers.columns import Column, Kind, Layout, cell_text
from homa.files.writers.journaled import journal_path, records_of, typed
from homa.files.writers.output_file import rewrite
from homa.files.writers.resume import no_table
from homa_shared.model.errors import InvalidRequest, MissingExtra
from homa_shared.model.json_safe import valid_text
from homa_shared.model.money import parse_usd, usd

#: Excel's own bounds: rows and columns of a sheet, characters of a cell.
SHEET_ROWS, SHEET_COLUMNS, CELL_CHARACTERS = 1_048_576, 16_384, 32_767
#: Stands at the end of a text that was cut.
CUT_MARK = "… (cut: a cell holds no more)"
#: Whole numbers that Excel's doubles hold exactly.
_EXACT = 2**53


class XlsxTable:
    """A workbook."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.name, self.journal = str(path), journal_path(path)

    def check(self, layout: Layout) -> None:
        _writer()
        _reader()
        if len(layout.columns) > SHEET_COLUMNS:
            raise InvalidRequest(f"{self.name}: {len(layout.columns)} columns, and a sheet holds {SHEET_COLUMNS:,}")

    def exists(self) -> bool:
        return self._path.exists()

    def make(self, layout: Layout) -> bool:
        known = typed(layout, self.journal)
        sheets: list[_Sheets] = []

        def fill(out: IO[bytes]) -> None:
            made = _Sheets(out, known)
            sheets.append(made)
            for line, fields in records_of(self.journal):
                made.add(known.record(line, fields))
            made.close()

        rewrite(self._path, fill).close()
        return not sheets[0].cut

    def read(self, layout: Layout) -> Iterator[Mapping[str, Any]]:
        for name, rows in self._sheets():
            header = [str(cell) for cell in next(rows, [])]
            if not {"custom_id", "homa_job"} <= set(header):
                raise no_table(self.name, f"has a sheet {name!r} that no run wrote")
            for row in rows:
                yield _read_back(dict(zip(header, row, strict=False)))

    def _sheets(self) -> Iterator[tuple[str, Iterator[list[Any]]]]:
        reader = _reader()
        try:
            book = reader.CalamineWorkbook.from_path(str(self._path))
            for name in book.sheet_names:
                yield name, book.get_sheet_by_name(name).iter_rows()
        except (reader.CalamineError, OSError) as error:
            raise no_table(self.name, f"is not a readable workbook ({error!s:.200})") from None


class _Sheets:
    """Writes a workbook row by row, holding one row at a time."""

    def __init__(self, out: IO[bytes], layout: Layout) -> None:
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self._book = _writer().Workbook(out, {**options, "strings_to_numbers": False, "nan_inf_to_errors": False})
        self._layout = layout
        self._number = 0
        #: Texts that were too long for their cells.
        self.cut = 0
        self._begin()

    def _begin(self) -> None:
        self._number += 1
        self._sheet = self._book.add_worksheet("results" if self._number == 1 else f"results {self._number}")
        self._row = 0
        self._put([Column(name) for name in self._layout.header], self._layout.header)

    def add(self, record: list[Any]) -> None:
        if self._row >= SHEET_ROWS:
            self._begin()
        self._put(self._layout.columns, record)

    def _put(self, columns: Any, record: list[Any]) -> None:
        for place, (column, value) in enumerate(zip(columns, record, strict=True)):
            if value is not None:
                self._cell(place, column.kind, value)
        self._row += 1

    def _cell(self, place: int, kind: Kind, value: Any) -> None:
        if kind is Kind.BOOLEAN and isinstance(value, bool):
            self._sheet.write_boolean(self._row, place, value)
        elif kind is Kind.USD:
            self._sheet.write_number(self._row, place, parse_usd(value) / 10**9)
        elif _fits(kind, value):
            self._sheet.write_number(self._row, place, value)
        else:
            text = valid_text(cell_text(value))
            if len(text) > CELL_CHARACTERS:
                self.cut += 1
                text = text[: CELL_CHARACTERS - len(CUT_MARK)] + CUT_MARK
            self._sheet.write_string(self._row, place, text)

    def close(self) -> None:
        self._book.close()


def _fits(kind: Kind, value: object) -> bool:
    """Whether a value can be a number of Excel's."""
    if kind not in (Kind.INTEGER, Kind.NUMBER) or isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= _EXACT if isinstance(value, int) else value - value == 0.0


def _read_back(record: dict[str, Any]) -> dict[str, Any]:
    """Cells as JSON values: numbers of Excel are all doubles, and an empty cell is an empty text."""
    found: dict[str, Any] = {name: _value(cell) for name, cell in record.items()}
    cost = found.get("homa_cost_usd")
    found["homa_cost_usd"] = usd(round(cost * 10**9)) if isinstance(cost, int | float) else None
    return found


def _value(cell: object) -> object:
    if cell == "":
        return None
    return int(cell) if isinstance(cell, float) and cell.is_integer() else cell


def _writer() -> Any:
    try:
        import xlsxwriter
    except ImportError:
        raise MissingExtra("Writing XLSX files", "documents") from None
    return xlsxwriter


def _reader() -> Any:
    try:
        import python_calamine
    except ImportError:
        raise MissingExtra("Reading XLSX files", "documents") from None
    return python_calamine
