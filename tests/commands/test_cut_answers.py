"""Answers of a run that were cut at their output cap: told, written down, and done anew where that is asked for."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.commands.conftest import MODEL, Fleet, Invoke, lines

#: The second does not fit a cap of 20 tokens, and of the third thinking takes all of it.
TEXTS = {"a": "[[say:short]]", "b": f"[[say:{'long ' * 30}]]", "c": "[[think:500]]x"}


@pytest.fixture(autouse=True)
def rows(folder: Path) -> None:
    (folder / "rows.jsonl").write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in TEXTS.items()))


def test_the_summary_counts_them_and_says_how_to_redo_them(staffed: Fleet, invoke: Invoke, folder: Path):
    asked = ("run", "rows.jsonl", "--model", MODEL, "--max-tokens", "20", "-o", "out.jsonl", "--json")
    answer = invoke(staffed, *asked)
    assert answer.exit_code == 0, answer.stderr
    assert "3 succeeded, 2 cut at the output cap, 1 of them empty; " in answer.stderr
    assert "--retry truncated" in answer.stderr
    summary = json.loads(answer.stdout)
    assert (summary["succeeded"], summary["cut"], summary["cut_empty"]) == (3, 2, 1)
    by_id = {line["custom_id"]: line["homa"] for line in lines(folder / "out.jsonl")}
    assert {name: part["finish_reason"] for name, part in by_id.items()} == {"a": "stop", "b": "length", "c": "length"}
    assert "notes" not in by_id["a"]
    assert by_id["b"]["notes"] == ["the answer was cut at its output cap of 20 tokens"]


@pytest.mark.parametrize("form", ["jsonl", "csv", "parquet"])
def test_those_and_only_those_are_done_anew_where_that_is_asked_for(
    staffed: Fleet, invoke: Invoke, folder: Path, form: str
):
    def run(*more: str) -> dict[str, str]:
        answer = invoke(staffed, "run", "rows.jsonl", "--model", MODEL, "-o", f"out.{form}", *more)
        assert answer.exit_code == 0, answer.stderr
        return reasons(folder / f"out.{form}")

    assert run("--max-tokens", "20") == {"a": "stop", "b": "length", "c": "length"}
    received = staffed.received()
    assert run("--max-tokens", "40", "--retry", "truncated") == {"a": "stop", "b": "stop", "c": "length"}
    assert staffed.received() == received + 2
    assert run("--resume", "--max-tokens", "40")["c"] == "length", "kept where nothing is said"
    assert staffed.received() == received + 2


def reasons(path: Path) -> dict[str, str]:
    """Why each answer ended, as a results file says it."""
    if path.suffix == ".jsonl":
        return {line["custom_id"]: line["homa"]["finish_reason"] for line in lines(path)}
    if path.suffix == ".parquet":
        table = pyarrow.parquet.read_table(path).to_pylist()
    else:
        with path.open(newline="") as file:
            table = list(csv.DictReader(file))
    return {record["custom_id"]: record["homa_finish_reason"] for record in table}


def test_a_run_may_ask_for_more_room_by_itself(staffed: Fleet, invoke: Invoke, folder: Path):
    asked = ("run", "rows.jsonl", "--model", MODEL, "--max-tokens", "20", "-o", "out.jsonl", "--on-cut", "retry")
    answer = invoke(staffed, *asked)
    assert "1 cut at the output cap, 1 of them empty" in answer.stderr
    assert reasons(folder / "out.jsonl") == {"a": "stop", "b": "stop", "c": "length"}


def test_redo_wants_resume(staffed: Fleet, invoke: Invoke):
    answer = invoke(staffed, "run", "rows.jsonl", "--model", MODEL, "--redo", "cut")
    assert answer.exit_code == 2
    assert "--redo cut without --resume" in answer.stderr


def test_ask_says_that_its_answer_was_cut(staffed: Fleet, invoke: Invoke):
    answer = invoke(staffed, "ask", TEXTS["c"], "--model", MODEL, "--max-tokens", "20", "--no-stream")
    assert answer.exit_code == 0
    assert "the answer was cut at its output cap of 20 tokens; it says nothing" in answer.stderr
