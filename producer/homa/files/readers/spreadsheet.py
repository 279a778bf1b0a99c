"""Excel's XLSX, XLSB and XLS, and OpenDocument's ODS: a row a prompt, or a sheet a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from homa.files.readers import markdown
from homa.files.readers.content import OLE, Head
from homa.files.readers.csv_dialect import Header
from homa.files.readers.document import Document, Fault, Found, Opened, ReadOptions, Remark, Unreadable

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

_ODS = b"application/vnd.oasis.opendocument.spreadsheet"
_PARTS = ("xl/workbook.xml", "xl/workbook.bin")
#: Streams of an old workbook, in UTF-16.
_STREAMS = tuple(f"{name}\0".encode("utf-16-le") for name in ("Workbook", "Book"))
_OLD_SUFFIXES = (".xls", ".xlt", ".xla")


class SpreadsheetReader:
    """Sheets with a header each; hidden ones are passed over."""

    name = "xlsx"
    needs: tuple[str, ...] = ("python_calamine",)
    isolated = True
    seeks = True
    markup = False

    def claims(self, head: Head) -> bool:
        if head.data.startswith(OLE):
            return head.suffix in _OLD_SUFFIXES or any(map(head.holds, _STREAMS))
        return head.is_package(_ODS) or any(part in head.members for part in _PARTS)

    def read(self, opened: Opened, options: ReadOptions) -> Iterator[Found]:
        book = _opened(opened)
        sheets = []
        for each in book.sheets_metadata:
            if not str(each.visible).endswith(".Visible"):
                yield Remark(f"sheet {each.name!r} is hidden: not read")
            elif str(each.typ).endswith(".WorkSheet"):
                sheets.append(each.name)
        found = [(name, book.get_sheet_by_name(name)) for name in sheets]
        filled = [(name, sheet) for name, sheet in found if sheet.height]
        if not filled:
            raise Unreadable("is empty")
        for name, sheet in filled:
            part = name if len(filled) > 1 else ""
            yield from _document(sheet, part) if options.sheets == "documents" else _rows(sheet, part, options)


def _opened(opened: Opened) -> CalamineWorkbook:
    from python_calamine import CalamineWorkbook, PasswordError

    try:
        return CalamineWorkbook.from_filelike(opened.stream)
    except PasswordError:
        raise Unreadable("is encrypted: save it without a password first") from None


def _rows(sheet: CalamineSheet, part: str, options: ReadOptions) -> Iterator[Found]:
    """A document a row, under its number in the sheet; empty ones are counted."""
    first = (sheet.start or (0, 0))[0] + 1
    header: Header | None = None
    rows = empty = 0
    for line, cells in enumerate(sheet.iter_rows(), first):
        if line <= options.skip_rows:
            continue
        if all(cell == "" for cell in cells):
            empty += header is not None
        elif header is None:
            named = Header.of([_text(cell) for cell in cells], options.id_column)
            if isinstance(named, str):
                yield Fault(named, line, part)
                return
            header = named
            if header.renamed:
                yield Remark(header.renamed, part)
        else:
            rows += 1
            yield Document(None, dict(zip(header.columns, map(_value, cells), strict=False)), line, part)
    if empty:
        yield Remark(f"{empty:,} empty rows passed over", part)
    if not rows:
        yield Fault("has a header but no rows" if header else "is empty", part=part)


def _document(sheet: CalamineSheet, part: str) -> Iterator[Found]:
    """The sheet as one table."""
    text = markdown.table([[_text(cell) for cell in row] for row in sheet.iter_rows()])
    if text:
        yield Document(text + "\n", part=part)
    else:
        yield Fault("is empty", part=part)


def _value(cell: object) -> object:
    """As JSON has it: whole numbers without a point, dates as ISO writes them."""
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    if cell is None or isinstance(cell, str | int | float):
        return cell
    return _text(cell)


def _text(cell: object) -> str:
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return str(int(cell))
    written = getattr(cell, "isoformat", None)
    return str(written()) if written is not None else str(cell)
