"""Rows in every dialect: CSV, JSON arrays, sheets, Parquet, Arrow, SQLite."""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from decimal import Decimal
from pathlib import Path

import pyarrow
import pytest
from pyarrow import feather, parquet

from homa.files import BadRow, ReadOptions, Row, Skipped, check_inputs, open_inputs
from homa_shared.model.errors import InvalidRequest
from tests.readers import samples
from tests.readers.reading import document, fault, rows


def fields(found: list[Row | BadRow]) -> list[dict[str, object]]:
    assert all(isinstance(row, Row) for row in found), found
    return [dict(row.fields) for row in found if isinstance(row, Row)]


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ("a,b\n1,2\n", {}),
        ("a;b\n1;2\n", {}),
        ("a\tb\r\n1\t2\r\n", {}),
        ("a|b\n1|2\n", {}),
        ("sep=;\r\na;b\r\n1;2\r\n", {}),
        ("sep=^\na^b\n1^2\n", {}),
        ("a,b\r1,2\r", {}),
        ("a:b\n1:2\n", {"delimiter": ":"}),
        ("a\tb\n1\t2\n", {"delimiter": "tab"}),
        ("Report of November\n\na,b\n1,2\n", {"skip_rows": 1}),
        ('"x, y",,\n\na,b\n1,2\n', {"skip_rows": 2}),
        ("a,b\n,\n1,2\n\n , \n".replace(" , ", ","), {}),
        ('"a","b"\n"1","2"\n', {}),
        ("\ufeffa;b\n1;2\n", {}),
        ("a,b\n1,2,,\n", {}),
    ],
)
def test_a_table_in_any_dialect_has_the_same_rows(tmp_path: Path, content: str, options: dict[str, object]) -> None:
    assert fields(rows(tmp_path, "a.csv", content, **options)) == [{"a": "1", "b": "2"}]


def test_a_delimiter_in_a_quoted_name_does_not_count(tmp_path: Path) -> None:
    assert fields(rows(tmp_path, "a.csv", '"a,x,y";b\n1;2\n')) == [{"a,x,y": "1", "b": "2"}]


def test_empty_rows_are_counted(tmp_path: Path) -> None:
    skipped = Skipped()
    rows(tmp_path, "a.csv", "a,b\n,\n1,2\n,\n", skipped=skipped)
    assert skipped.remarks[0].endswith("a.csv: 2 empty rows passed over")


def test_lines_are_counted_from_the_files_first(tmp_path: Path) -> None:
    (row,) = rows(tmp_path, "a.csv", "title\nsep=;\na;b\n1;2\n", skip_rows=1)
    assert row.custom_id == "a.csv:4"


@pytest.mark.parametrize("delimiter", ["", "ab", '"', "\n"])
def test_a_delimiter_that_is_none_is_refused(tmp_path: Path, delimiter: str) -> None:
    (tmp_path / "a.csv").write_text("a\n1\n")
    with pytest.raises(InvalidRequest, match=r"--delimiter is .* expected one character"):
        check_inputs([str(tmp_path / "a.csv")], options=ReadOptions(delimiter=delimiter))


def test_more_lines_to_skip_than_there_are_is_told(tmp_path: Path) -> None:
    assert "ends within the 5 lines of --skip-rows" in fault(tmp_path, "a.csv", "a\n1\n", skip_rows=5)


def test_a_json_array_is_its_objects(tmp_path: Path) -> None:
    content = json.dumps([{"id": "a", "text": "one", "n": 2**70}, {"text": "two"}, 7], indent=1)
    first, second, third = rows(tmp_path, "a.json", content)
    assert isinstance(first, Row)
    assert (first.custom_id, first.text, first.fields["n"]) == ("a", "one", 2**70)
    assert second.custom_id == "a.json:2"
    assert isinstance(third, BadRow)
    assert third.error == "element 3 is a number: expected a JSON object, {…}"


def test_half_a_surrogate_pair_in_a_json_array_is_told_and_the_others_read(tmp_path: Path) -> None:
    content = r'[{"id": "\ud800"}, {"text": "x", "\ud801": 1}, {"id": "c", "text": "\ud83c\udf75"}]'
    named, keyed, whole = rows(tmp_path, "a.json", content)
    assert isinstance(named, BadRow)
    assert named.error == "element 1 holds half of a surrogate pair, which is not text"
    assert isinstance(keyed, BadRow)
    assert isinstance(whole, Row)
    assert (whole.custom_id, whole.text) == ("c", "🍵")


def test_a_json_array_longer_than_what_is_read_at_once_is_whole(tmp_path: Path) -> None:
    content = json.dumps([{"id": str(n), "text": "ü" * 1000} for n in range(2000)], ensure_ascii=False)
    assert [row.custom_id for row in rows(tmp_path, "a.json", content)] == [str(n) for n in range(2000)]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('[{"a": 1}, {"a": ', "is not valid JSON: "),
        ('[{"a": 1} {"a": 2}]', "expected , or ] behind element 1"),
    ],
)
def test_a_broken_array_gives_what_stands_before_the_fault(tmp_path: Path, content: str, told: str) -> None:
    good, bad = rows(tmp_path, "a.json", content)
    assert isinstance(good, Row)
    assert told in str(bad)


def test_sheets_have_rows_each_and_hidden_ones_are_told(tmp_path: Path) -> None:
    skipped = Skipped()
    book = samples.xlsx({
        "One": [["name", "when", "n"], ["x", dt.date(2026, 11, 30), 1.5], ["", "", ""], ["y", True, 3]],
        "Two": [["title"], ["z"]],
        "!Secret": [["title"], ["hidden"]],
        "Empty": [],
    })  # fmt: skip
    found = rows(tmp_path, "a.xlsx", book, skipped=skipped)
    assert [row.custom_id for row in found] == ["a.xlsx/One:2", "a.xlsx/One:4", "a.xlsx/Two:2"]
    assert fields(found)[:2] == [{"name": "x", "when": "2026-11-30", "n": 1.5}, {"name": "y", "when": True, "n": 3}]
    assert [remark.rpartition("/")[2] for remark in skipped.remarks] == [
        "a.xlsx: sheet 'Secret' is hidden: not read",
        "One: 1 empty rows passed over",
    ]


def test_a_sheet_can_be_a_document(tmp_path: Path) -> None:
    row = document(tmp_path, "a.xlsx", samples.xlsx(), sheets="documents")
    assert row.text == "| id | text |\n| --- | --- |\n| 7 | seven |\n"


def test_a_sheet_wide_beyond_reason_takes_its_own_process_down(tmp_path: Path) -> None:
    """Two cells at opposite corners make the parser ask for half a terabyte."""
    import xlsxwriter

    path = tmp_path / "made.xlsx"
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        sheet.write(0, 0, "a")
        sheet.write(1_048_575, 16_383, "far")
    assert "makes its reader crash (SIGABRT)" in fault(tmp_path, "a.xlsx", path.read_bytes())


TABLE = pyarrow.table({
    "id": ["a", "b"], "n": [1, None], "price": [Decimal("1.50"), Decimal("2.25")], "at": [dt.date(2026, 1, 2)] * 2,
    "tags": [["x"], []],
})  # fmt: skip
EXPECTED = {"id": "a", "n": 1, "price": "1.50", "at": "2026-01-02", "tags": ["x"]}


def test_columnar_files_are_rows_with_their_types(tmp_path: Path) -> None:
    parquet.write_table(TABLE, tmp_path / "t.parquet")
    feather.write_feather(TABLE, tmp_path / "t.feather", compression="uncompressed")
    with pyarrow.OSFile(str(tmp_path / "t.arrow"), "wb") as out, pyarrow.ipc.new_stream(out, TABLE.schema) as stream:
        stream.write_table(TABLE)
    for name in ("t.parquet", "t.feather", "t.arrow"):
        found = rows(tmp_path, name, (tmp_path / name).read_bytes())
        assert [row.custom_id for row in found] == ["a", "b"], name
        assert fields(found)[0] == EXPECTED, name


def test_damaged_columnar_files_are_told(tmp_path: Path) -> None:
    parquet.write_table(TABLE, tmp_path / "t.parquet")
    content = (tmp_path / "t.parquet").read_bytes()
    assert "is not a readable parquet file" in fault(tmp_path, "a.parquet", content[:-20])
    assert "is not a readable arrow file" in fault(tmp_path, "a.arrow", b"ARROW1\0\0" + bytes(100))
    assert "has no column 'key'" in fault(tmp_path, "b.parquet", content, id_column="key")


def database(path: Path, *statements: str) -> bytes:
    with sqlite3.connect(path) as made:
        for statement in statements:
            made.execute(statement)
    made.close()
    return path.read_bytes()


def test_the_one_table_of_a_database_is_its_rows(tmp_path: Path) -> None:
    content = database(tmp_path / "d", "CREATE TABLE t (id, text)", "INSERT INTO t VALUES (1, 'one'), (2, x'ff00')")
    assert fields(rows(tmp_path, "a.db", content)) == [{"id": 1, "text": "one"}, {"id": 2, "text": "<2 bytes>"}]


def test_a_query_chooses_among_tables_and_only_reads(tmp_path: Path) -> None:
    content = database(
        tmp_path / "d",
        "CREATE TABLE t (a)",
        "CREATE TABLE u (b)",
        "INSERT INTO t VALUES (1), (2)",
        "INSERT INTO u VALUES (5)",
    )
    assert "holds 2 tables (t, u): choose with --query" in fault(tmp_path, "a.db", content)
    assert fields(rows(tmp_path, "a.db", content, query="SELECT sum(a) + b AS total FROM t, u")) == [{"total": 8}]
    for query, told in (
        ("DELETE FROM t", "not authorized"),
        ("ATTACH '/etc/passwd' AS x", "not authorized"),
        ("SELECT load_extension('x')", "not authorized"),
        ("SELECT b FROM t", "no such column"),
        ("SELECT 1 WHERE 0", "gives no rows for --query"),
    ):
        assert told in fault(tmp_path, "a.db", content, query=query), query
    assert "is damaged" in fault(tmp_path, "b.db", content[:100] + bytes(5000))


def test_a_table_of_a_million_columns_is_told_and_not_read(tmp_path: Path) -> None:
    wide = ",".join(f"c{number}" for number in range(100_000))
    assert "has 100,000 columns: at most 20,000 are read" in fault(tmp_path, "a.csv", f"{wide}\n{wide}\n")


def test_values_that_json_has_no_word_for_are_written_as_people_do(tmp_path: Path) -> None:
    table = pyarrow.table({
        "at": pyarrow.array([1_700_000_000_123_456_789], pyarrow.timestamp("ns")),
        "raw": [b"text"], "blob": [b"\xff\0"],
        "not_a_number": [float("nan")], "clock": [dt.time(9, 30)], "id": [2**63 - 1],
    })  # fmt: skip
    parquet.write_table(table, tmp_path / "t.parquet")
    (found,) = fields(rows(tmp_path, "a.parquet", (tmp_path / "t.parquet").read_bytes()))
    assert found == {
        "at": "2023-11-14T22:13:20.123456", "raw": "text", "blob": "<2 bytes>", "not_a_number": None,
        "clock": "09:30:00", "id": 2**63 - 1,
    }  # fmt: skip


def test_a_database_with_a_log_ahead_of_it_is_read_and_nothing_is_put_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "made.sqlite"
    made = sqlite3.connect(path)
    made.execute("PRAGMA journal_mode = WAL")
    made.execute("CREATE TABLE t (id, text)")
    made.execute("INSERT INTO t VALUES ('a', 'one')")
    made.commit()
    live = [row.text for row in open_inputs([str(path)]) if isinstance(row, Row)]
    made.close()
    closed = [row.text for row in open_inputs([str(path)]) if isinstance(row, Row)]
    assert (live, closed) == (["one"], ["one"])
    assert [each.name for each in tmp_path.iterdir()] == ["made.sqlite"]


def test_columns_of_one_name_are_told_apart_in_every_table(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.sqlite") as made:
        made.execute("CREATE TABLE t (text)")
        made.execute("INSERT INTO t VALUES ('one')")
    table = pyarrow.Table.from_arrays([pyarrow.array(["one"]), pyarrow.array(["two"])], names=["text", "text"])
    with pyarrow.OSFile(str(tmp_path / "a.arrow"), "wb") as out, pyarrow.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)
    queried = ReadOptions(query="SELECT text, 'two' AS text FROM t")
    for name, options in (("a.sqlite", queried), ("a.arrow", ReadOptions())):
        skipped = Skipped()
        found = list(open_inputs([str(tmp_path / name)], options=options, skipped=skipped))
        assert fields(found) == [{"text": "one", "text_2": "two"}]
        assert "header names 'text' more than once" in skipped.remarks[0]
