"""CSV and TSV: rows are told by the line on which they start."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homa.files import BadRow, ReadOptions, Row, Skipped, open_inputs
from homa.files.readers.csv import CsvReader
from homa.files.readers.document import Document, Opened
from homa.files.readers.lines import Text


@pytest.fixture(autouse=True)
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def read(
    content: str | bytes,
    name: str = "a.csv",
    id_column: str | None = None,
    skipped: Skipped | None = None,
    **options: Any,
) -> list[Row | BadRow]:
    Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
    return list(open_inputs([name], options=ReadOptions(**options), id_column=id_column, skipped=skipped))


def told(row: Row | BadRow) -> str:
    assert isinstance(row, BadRow), row
    return str(row)


def test_a_record_is_a_row_with_its_columns() -> None:
    assert read("id,text\r\n7,hello\r\n") == [Row("7", "a.csv", 2, "hello", {"id": "7", "text": "hello"})]


def test_tabs_separate_the_columns_of_a_tsv_file() -> None:
    assert read("a\tb\n1,5\t2\n", "a.tsv")[0] == Row("a.tsv:2", "a.tsv", 2, None, {"a": "1,5", "b": "2"})


def test_a_spreadsheet_that_writes_semicolons_is_read() -> None:
    (row,) = read("id;price\n1;2,50\n")
    assert isinstance(row, Row)
    assert row.fields == {"id": "1", "price": "2,50"}


def test_a_record_over_several_lines_is_told_by_its_first() -> None:
    first, second, bad = read('text,n\n"one\n\ntwo",1\n"three",2\nonly\n')
    assert isinstance(first, Row)
    assert (first.line, first.text) == (2, "one\n\ntwo")
    assert isinstance(second, Row)
    assert second.line == 5
    assert told(bad) == "a.csv:6: has 1 columns: expected 2 (text, n)"


def test_a_record_with_too_many_columns_is_told() -> None:
    (bad, good) = read("text,n\na,1,x\nb,2\n")
    assert told(bad) == "a.csv:2: has 3 columns: expected 2 (text, n)"
    assert isinstance(good, Row)


def test_blank_lines_are_passed_over_but_counted() -> None:
    (row,) = read("\n\nid,n\n\n\n5,6\n")
    assert (row.custom_id, row.line) == ("5", 6)


def test_a_byte_order_mark_is_no_part_of_the_first_column() -> None:
    (row,) = read("\ufeffid,text\n7,x\n")
    assert row.custom_id == "7"


def test_a_utf_16_spreadsheet_is_read() -> None:
    (row,) = read("id\ttext\r\n7\tgrün\r\n".encode("utf-16"), "a.tsv")
    assert isinstance(row, Row)
    assert row.text == "grün"


def test_names_are_trimmed_and_unnamed_columns_numbered() -> None:
    (row,) = read(",name , x\n0,a,b\n")
    assert isinstance(row, Row)
    assert row.fields == {"column_1": "0", "name": "a", "x": "b"}


def test_columns_of_one_name_are_told_apart_and_that_is_told() -> None:
    skipped = Skipped()
    (row,) = read("a,b,a,a_2,a\n1,2,3,4,5\n", skipped=skipped)
    assert isinstance(row, Row)
    assert row.fields == {"a": "1", "b": "2", "a_2": "3", "a_2_2": "4", "a_3": "5"}
    assert skipped.remarks[0].startswith("a.csv: header names 'a', 'a_2' more than once: read as")


def test_an_id_column_that_the_header_lacks_is_told_once_for_the_file() -> None:
    (bad,) = read("a,b\n1,2\n3,4\n", id_column="key")
    assert told(bad) == "a.csv:1: header has no column 'key' (--id-column); its columns: a, b"


def test_an_id_cell_that_is_empty_is_told() -> None:
    (bad,) = read("key,b\n,2\n", id_column="key")
    assert "column 'key' is ''" in told(bad)


def test_a_table_without_rows_is_a_bad_row() -> None:
    assert told(read("a,b\n")[0]) == "a.csv: has a header but no rows"
    assert told(read("\n\n")[0]) == "a.csv: is empty"


@pytest.mark.parametrize(
    ("line", "error"),
    [
        (
            "Gr\xfc\xdfe, \u00fcber \u00e4ltere \u00d6fen und K\u00fcchen".encode() + b"\xff,1",
            "is not valid utf-8: byte 0xff",
        ),
        (b"a\0b,1", "holds a NUL"),
        (b'"a"b,1', "is not valid CSV"),
    ],
)
def test_a_bad_line_spoils_its_record_only(line: bytes, error: str) -> None:
    first, bad, last = read(b"text,n\nx,1\n" + line + b"\ny,2\n")
    assert isinstance(first, Row)
    assert isinstance(last, Row)
    assert told(bad).startswith(f"a.csv:3: {error}")


def test_a_bad_header_line_is_told() -> None:
    assert told(read("größer,".encode() + b"a\xff,b\n1,2,3\n")[0]).startswith("a.csv:1: is not valid utf-8")


def test_a_line_that_is_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = Text.lines
    monkeypatch.setattr(Text, "lines", lambda self: lines(self, 50))
    first, bad, last = read("text,n\nx,1\n" + "y" * 60 + ",2\nz,3\n")
    assert "is longer than 50 bytes" in told(bad)
    assert (first.line, bad.line, last.line) == (2, 3, 4)


def test_a_quote_that_is_never_closed_is_told_where_it_opens() -> None:
    first, bad = read('text,n\nx,1\n"open,2\ny,3\n')
    assert isinstance(first, Row)
    assert told(bad) == ("a.csv:3: opens a quote that is never closed: all up to the last line, 4, belongs to this row")


@pytest.mark.parametrize("line", ["never closed,2\n", 'cell","\n'])
def test_a_quote_that_is_not_closed_within_any_prompt_ends_the_file(monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    """What stands behind its bound may be within the quote or without: no row of it is sent."""
    monkeypatch.setattr("homa.files.readers.csv.LIMIT_BYTES", 1000)
    first, bad = read('text\nx\n"' + line * 300)
    assert isinstance(first, Row)
    assert told(bad).startswith("a.csv:3: opens a quote that is not closed within")
    assert told(bad).endswith(": the rest of the file is not read")


def test_a_cell_longer_than_csv_allows_by_default_is_read() -> None:
    (row,) = read("text\n" + "x" * 500_000 + "\n")
    assert isinstance(row, Row)
    assert row.text == "x" * 500_000


cells = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)


@given(st.lists(st.tuples(cells, cells), min_size=1, max_size=8))
def test_any_cell_that_csv_can_write_is_read_back(records: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["a", "b"])
    writer.writerows(records)
    found = CsvReader().read(Opened("a.csv", io.BytesIO(out.getvalue().encode())), ReadOptions(delimiter=","))
    expected = [{"a": a, "b": b} for a, b in records if a or b]
    assert [row.fields for row in found if isinstance(row, Document)] == expected
