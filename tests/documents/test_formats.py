"""Formats of results beside JSON Lines and CSV: what they hold, with which types, and how they are read back."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import python_calamine

from homa.files import Answered, HomaPart, OutputFormat, Unanswered, open_output, output_format, result_line
from homa.files.writers import xlsx
from homa.files.writers.folder import file_name
from homa.files.writers.journaled import journal_path
from homa_shared.model.errors import InvalidRequest
from tests.fixtures.results import content, records

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}, "paid": {"type": "boolean"}}}
COLUMNS = ["n", "x", "ok", "name", "mixed"]
FIELDS = {"n": 7, "x": 1.5, "ok": True, "name": "=1+1", "mixed": 1}
TABLES = ["out.parquet", "out.xlsx", "out.sqlite", "out.db#answers"]
PART = HomaPart("j1", "openai", "m", 2, 1_230_000, finish_reason="stop", row="ab" * 16, order="o")


def good(custom_id: str, text: str = '{"total": 5, "paid": false}') -> dict[str, Any]:
    return result_line(custom_id, Answered({"choices": [{"message": {"content": text}}]}, PART))


def failed(custom_id: str) -> dict[str, Any]:
    return result_line(custom_id, Unanswered("overloaded", "busy: very"))


def write(target: Path, **options: Any) -> None:
    with open_output(str(target), columns=COLUMNS, schema=SCHEMA, **options) as results:
        results.write(good("a"), FIELDS)
        results.write(failed("b"), {**FIELDS, "n": 8, "mixed": "text"})
        results.close(finished=True)


@pytest.mark.parametrize("name", TABLES)
def test_columns_of_the_input_keep_their_types_on_failed_rows_too(tmp_path: Path, name: str) -> None:
    write(tmp_path / name)
    first, second = records(tmp_path / name)
    assert {column: first[column] for column in ("n", "x", "ok", "name")} == {
        "n": 7,
        "x": 1.5,
        "ok": True,
        "name": "=1+1",
    }
    assert (first["mixed"], second["mixed"]) == ("1", "text")
    assert (first["total"], first["paid"], first["text"], first["error"]) == (5.0, False, None, None)
    assert (first["homa_finish_reason"], float(first["homa_cost_usd"])) == ("stop", 0.00123)
    assert (first["homa_row"], first["homa_order"]) == ("ab" * 16, "o")
    assert (second["n"], second["ok"], second["error"], second["total"]) == (8, True, "overloaded: busy: very", None)


@pytest.mark.parametrize("name", TABLES)
def test_a_finished_table_is_read_back_where_its_journal_is_gone(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    with open_output(str(target), columns=COLUMNS, schema=SCHEMA) as results:
        results.write(good("a"), FIELDS)
        results.write(good("b", "no object"), {**FIELDS, "name": None})
        results.close(finished=True)
    before = records(target)
    assert not list(tmp_path.glob("*.journal.jsonl"))
    with pytest.raises(InvalidRequest, match="exists: use --resume"):
        open_output(str(target), columns=COLUMNS, schema=SCHEMA)
    results = open_output(str(target), columns=COLUMNS, schema=SCHEMA, resume=True)
    assert len(results.done) == 2
    results.write(good("c"), FIELDS)
    results.close(finished=True)
    assert records(target)[:2] == before
    assert [record["custom_id"] for record in records(target)] == ["a", "b", "c"]


@pytest.mark.parametrize("name", TABLES)
def test_a_killed_run_goes_on_from_the_journal(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    killed = open_output(str(target), columns=COLUMNS, schema=SCHEMA)
    killed.write(good("a"), FIELDS)
    output = killed.lines_file()
    assert output is not None
    output.close()  # as a kill does
    with open_output(str(target), columns=COLUMNS, schema=SCHEMA, resume=True) as results:
        assert "a" in results.done
    assert [record["n"] for record in records(target)] == [7]


@pytest.mark.parametrize("name", TABLES)
def test_a_file_of_another_kind_is_refused_and_left_alone(tmp_path: Path, name: str) -> None:
    path = tmp_path / name.partition("#")[0]
    path.write_text("my notes")
    with pytest.raises(InvalidRequest):
        open_output(str(tmp_path / name), resume=True)
    assert path.read_text() == "my notes"


def test_tsv_is_csv_with_tabs(tmp_path: Path) -> None:
    target = tmp_path / "out.tsv"
    with open_output(str(target), columns=["name"]) as results:
        results.write(good("a", "one\ttwo\nthree"), {"name": "A, B"})
    assert target.read_text().splitlines()[0].split("\t")[:3] == ["custom_id", "name", "text"]
    with open_output(str(target), columns=["name"], resume=True) as results:
        results.write(good("b"), {"name": "C"})
    assert [(row["custom_id"], row["name"]) for row in records(target)] == [("a", "A, B"), ("b", "C")]
    assert records(target)[0]["text"] == "one\ttwo\nthree"


def test_other_tables_of_a_sqlite_file_stay(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "crm.sqlite") as db:
        db.execute("CREATE TABLE people (name)")
        db.execute("INSERT INTO people VALUES ('Ada')")
    for table in ("answers", "more"):
        with open_output(f"{tmp_path}/crm.sqlite#{table}", columns=["Text", "text"]) as results:
            results.write(good("a", "yes"), {"Text": 1, "text": 2})
    with sqlite3.connect(tmp_path / "crm.sqlite") as db:
        assert db.execute("SELECT name FROM people").fetchall() == [("Ada",)]
        assert db.execute('SELECT custom_id, "Text", text_ FROM more').fetchall() == [("a", 1, 2)]
    with pytest.raises(InvalidRequest, match="expected a table's name"):
        open_output(f"{tmp_path}/crm.sqlite#sqlite_master")


def test_a_text_that_is_too_long_for_a_cell_stays_whole_in_the_journal(tmp_path: Path) -> None:
    target = tmp_path / "out.xlsx"
    with open_output(str(target)) as results:
        results.write(good("a", "x" * 40_000))
        results.close(finished=True)
    (record,) = records(target)
    assert len(record["text"]) == xlsx.CELL_CHARACTERS
    assert record["text"].endswith(xlsx.CUT_MARK)
    assert "x" * 40_000 in journal_path(target).read_text()


def test_a_workbook_goes_on_in_further_sheets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "SHEET_ROWS", 3)
    target = tmp_path / "out.xlsx"
    with open_output(str(target)) as results:
        for number in range(5):
            results.write(good(str(number), "x"))
        results.close(finished=True)
    book = python_calamine.CalamineWorkbook.from_path(str(target))
    assert book.sheet_names == ["results", "results 2", "results 3"]
    with open_output(str(target), resume=True) as results:
        assert len(results.done) == 5


def test_a_folder_has_a_file_for_each_input(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    with open_output(f"{folder}/") as results:
        results.write(good("docs/a.pdf", "# Yes"))
        results.write(failed("docs/deep/b.pdf"))
    assert content(folder) == {"docs/a.pdf.md": "# Yes\n", "docs/deep/b.pdf.error.txt": "overloaded: busy: very\n"}
    with pytest.raises(InvalidRequest, match="holds results: use --resume"):
        open_output(f"{folder}/")
    with open_output(f"{folder}/", resume=True) as results:
        assert "docs/a.pdf" in results.done
        results.write(good("docs/deep/b.pdf", "now"))
    assert "docs/deep/b.pdf.md" in content(folder)
    with open_output(f"{folder}/", force=True) as results:
        results.write(good("c", "only"))
    assert content(folder) == {"c.md": "only\n"}


def test_a_folder_of_json_has_whole_lines(tmp_path: Path) -> None:
    with open_output(str(tmp_path / "out"), "json") as results:
        results.write(good("a", "yes"))
        results.write(failed("b"))
    found = content(tmp_path / "out")
    assert {name: json.loads(line)["custom_id"] for name, line in found.items()} == {"a.json": "a", "b.json": "b"}


def test_a_folder_with_files_of_others_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InvalidRequest, match="holds other files"):
        open_output(f"{tmp_path}/", "txt")
    with pytest.raises(InvalidRequest, match="is a file: expected a folder"):
        open_output(str(tmp_path / "mine.txt"), "txt")


@pytest.mark.parametrize(
    "custom_id", ["../../etc/passwd", "/etc/passwd", "a/../b", "", ".homa.journal.jsonl", "x" * 400, "a\0b", "a.error"]
)
def test_no_file_leaves_the_folder_or_takes_anothers_name(custom_id: str) -> None:
    name = file_name(custom_id, ".md")
    assert not Path(name).is_absolute()
    assert not any(part.startswith(".") or len(part) > 250 for part in Path(name).parts)
    assert "~" in name


@pytest.mark.parametrize("target", ["a.txt", "a.json", "a.jsonl.gz", "a.xls", "out.md"])
def test_an_ending_that_nobody_knows_is_refused_with_those_that_are_known(target: str) -> None:
    with pytest.raises(InvalidRequest, match=r"expected \.jsonl, \.ndjson, \.csv, \.tsv, \.xlsx, \.parquet, \.sqlite"):
        output_format(target)


@pytest.mark.parametrize("form", ["xlsx", "sqlite", "md"])
def test_what_cannot_be_a_stream_is_refused(form: str) -> None:
    with pytest.raises(InvalidRequest, match="to a stream"):
        open_output("-", form)


def test_the_commands_formats_are_those_that_there_are() -> None:
    from homa.cli.run.command import command

    (option,) = [each for each in command.params if each.name == "form"]
    assert list(option.type.choices) == list(OutputFormat)  # type: ignore[attr-defined]
