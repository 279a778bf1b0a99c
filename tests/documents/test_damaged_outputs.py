"""Outputs that somebody has damaged or shares: told by a clear error, and nothing of anybody's is lost."""

from __future__ import annotations

import json
import os
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from homa.files import Answered, HomaPart, open_output, result_line
from homa.files.writers.folder import file_name
from homa.files.writers.registry import earlier_lines
from homa_shared.model.errors import HomaError, InvalidRequest, OutputUnwritable
from tests.fixtures.results import content, records

PART = HomaPart("j1", "openai", "m", 2, 1_230_000, finish_reason="stop", row="ab" * 16, order="o")


def good(custom_id: str, text: str = "yes") -> dict[str, Any]:
    return result_line(custom_id, Answered({"choices": [{"message": {"content": text}}]}, PART))


@pytest.mark.parametrize("name", ["out.xlsx", "out.parquet", "out.sqlite", "out.csv", "out.jsonl"])
def test_what_damage_leaves_is_read_back_or_refused(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    with open_output(str(target), columns=["x"]) as results:
        for number in range(300):
            results.write(good(f"r{number}", "text " * 20), {"x": number})
        results.close(finished=True)
    whole, chance = target.read_bytes(), random.Random(1)
    refused = 0
    for _ in range(12):
        damaged, place = bytearray(whole), chance.randrange(len(whole))
        damaged[place : place + 50] = chance.randbytes(50)
        for content_now in (damaged, whole[:place]):
            target.write_bytes(content_now)
            try:
                earlier_lines(str(target), columns=["x"]).close()
                open_output(str(target), columns=["x"], resume=True).close()
            except HomaError:
                refused += 1
                assert target.read_bytes() == bytes(content_now)
            for other in tmp_path.glob("*.journal.jsonl"):
                other.unlink()
    assert refused


_EDITS: list[dict[str, Any]] = [
    {"response": "x"},
    {"response": {"body": "x"}},
    {"response": {"body": {"choices": "x"}}},
    {"response": {"body": {"choices": [5]}}},
    {"response": None},
    {"error": "x"},
]
_JOURNAL = "out.xlsx.journal.jsonl"


@pytest.mark.parametrize(
    ("name", "edit"),
    [
        *((name, edit) for name in ("out.jsonl", _JOURNAL, "out/.homa.journal.jsonl") for edit in _EDITS),
        # The journal of a table alone has inputs.
        (_JOURNAL, {"input": [1]}),
    ],
)
def test_a_line_that_somebody_edited_is_named(tmp_path: Path, name: str, edit: dict[str, Any]) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    with open_output(str(path), "jsonl") as results:
        results.write(good("a"))
    line = {**json.loads(path.read_text()), "input": {}}
    path.write_text(f"{json.dumps(line)}\n{json.dumps(line | edit)}\n{json.dumps(line)}\n")
    before = path.read_bytes()
    with pytest.raises(InvalidRequest, match=r"line 2 of .* is not a result line"):
        open_output(str(tmp_path / name.partition("/")[0].removesuffix(".journal.jsonl")), resume=True)
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["out.xlsx", "out.parquet", "out.sqlite"])
def test_an_answer_without_text_is_read_back_as_one(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    with open_output(str(target)) as results:
        results.write(good("a", ""))
        results.close(finished=True)
    before = records(target)
    with open_output(str(target), resume=True) as results:
        results.write(good("b"))
        results.close(finished=True)
    assert records(target)[:1] == before


def test_a_sqlite_table_is_read_back_where_names_differ_in_their_case_alone(tmp_path: Path) -> None:
    for custom_id, resume in (("a", False), ("b", True)):
        with open_output(f"{tmp_path}/out.db", columns=["Text", "Error"], resume=resume) as results:
            results.write(good(custom_id, f"answer {custom_id}"), {"Text": "T", "Error": "E"})
            results.close(finished=True)
    found = [(row["custom_id"], row["Text"], row["text_"], row["error_"]) for row in records(tmp_path / "out.db")]
    assert found == [("a", "T", "answer a", None), ("b", "T", "answer b", None)]


def test_two_runs_of_one_sqlite_table_exclude_each_other_and_two_tables_share_no_journal(tmp_path: Path) -> None:
    with open_output(f"{tmp_path}/out.db#Answers") as first:
        with pytest.raises(InvalidRequest, match="being written by another run"):
            open_output(f"{tmp_path}/out.db#answers", resume=True)
        first.write(good("a"))
        names = ["a b", "a_b", "ü", "u", "x" * 300, "x" * 301]
        writers = [open_output(f"{tmp_path}/out.db#{name}") for name in names]
        for writer, name in zip(writers, names, strict=True):
            writer.write(good(name))
            writer.close(finished=True)
    for name in names:
        assert [row["custom_id"] for row in records(Path(f"{tmp_path}/out.db#{name}"))] == [name]


def test_a_table_that_somebody_else_makes_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "crm.db"
    results = open_output(str(path))
    results.write(good("a"))
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE results (mine)")
        db.execute("INSERT INTO results VALUES (1)")
    with pytest.raises(OutputUnwritable, match="somebody else has made meanwhile"):
        results.close(finished=True)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT mine FROM results").fetchall() == [(1,)]
        db.execute("ALTER TABLE results RENAME TO mine")
    with open_output(str(path), resume=True):
        pass
    assert [row["custom_id"] for row in records(path)] == ["a"]


@pytest.mark.parametrize("made", ["VIEW results AS SELECT a FROM t", "INDEX results ON t(a)"])
def test_a_name_that_no_table_can_have_is_refused_before_anything_is_paid(tmp_path: Path, made: str) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as db:
        db.execute("CREATE TABLE t (a)")
        db.execute(f"CREATE {made}")
    with pytest.raises(InvalidRequest, match="of that name"):
        open_output(f"{tmp_path}/crm.db", force=True)


@pytest.mark.parametrize(("name", "columns"), [("out.db", 2_000), ("out.xlsx", 16_384)])
def test_more_columns_than_a_table_holds_are_refused_before_anything_is_paid(
    tmp_path: Path, name: str, columns: int
) -> None:
    with pytest.raises(InvalidRequest, match=f"{columns:,}"):
        open_output(f"{tmp_path}/{name}", columns=[f"c{number}" for number in range(columns)])
    assert not list(tmp_path.iterdir())


def test_the_files_of_a_run_that_is_under_way_are_not_removed_by_force(tmp_path: Path) -> None:
    with open_output(f"{tmp_path}/out/") as results:
        results.write(good("a"))
        with pytest.raises(InvalidRequest, match="being written by another run"):
            open_output(f"{tmp_path}/out/", force=True)
        assert content(tmp_path / "out") == {"a.md": "yes\n"}


def test_an_input_deep_in_folders_gets_a_file_that_a_system_can_name(tmp_path: Path) -> None:
    deep = [f"{'folder/' * 700}{name}" for name in ("a", "b")]
    with open_output(f"{tmp_path}/out/") as results:
        for custom_id in deep:
            results.write(good(custom_id, custom_id[-1]))
    found = content(tmp_path / "out")
    assert sorted(found.values()) == ["a\n", "b\n"]
    assert all(len(os.fsencode(name)) < 300 for name in found)


def test_names_that_are_one_to_some_file_systems_are_two() -> None:
    composed, decomposed = file_name("\u00e9", ".md"), file_name("e\u0301", ".md")
    assert composed == "\u00e9"
    assert decomposed.startswith("\u00e9~")
