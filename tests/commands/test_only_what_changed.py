"""`homa run --resume`: what is new or changed is asked, what is equal is kept under the id that its row has now."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import MODEL, Fleet, Invoke, lines
from tests.fixtures.results import content, records

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def run(staffed: Fleet, invoke: Invoke) -> Run:
    """Runs a folder or a file to its end; what `--json` tells, the calls that were made, and what was said."""

    def carry_out(*arguments: str, status: int = 0) -> dict[str, Any]:
        before = staffed.received()
        answer = invoke(staffed, "run", *arguments, "--model", MODEL, "--json")
        assert answer.exit_code == status, answer.stderr
        summary = json.loads(answer.stdout) if answer.stdout else {}
        return {**summary, "calls": staffed.received() - before, "said": answer.stderr}

    return carry_out


def table(path: Path, *texts: str, header: str = "text") -> None:
    path.write_text("\n".join([header, *texts]) + "\n")


def answers(path: Path) -> dict[str, str]:
    """What each id was answered; the simulator repeats the prompt."""
    if path.is_dir():
        return {name.removesuffix(".md"): text.rstrip() for name, text in content(path).items()}
    if path.suffix != ".jsonl":
        return {row["custom_id"]: row.get("reply_text") or row["text"] for row in records(path)}
    return {
        line["custom_id"]: line["response"]["body"]["choices"][0]["message"]["content"]
        for line in lines(path)
        if line["error"] is None
    }


def rows_of(summary: dict[str, Any]) -> dict[str, int]:
    """The counts that are not zero."""
    return {name: count for name, count in summary["rows"].items() if count}


@pytest.mark.parametrize("out", ["out.jsonl", "out.csv", "out.tsv", "out.xlsx", "out.parquet", "out.sqlite", "out/"])
def test_a_row_at_the_top_of_a_table_gets_its_own_answer_and_moves_the_others(run: Run, folder: Path, out: str):
    table(folder / "t.csv", "one", "two", "three")
    assert rows_of(run("t.csv", "-o", out)) == {"new": 3}
    table(folder / "t.csv", "zero", "one", "two", "three")
    again = run("t.csv", "-o", out, "--resume")
    assert (again["calls"], rows_of(again)) == (1, {"new": 1, "equal": 3})
    assert (again["total"], again["succeeded"]) == (4, 4)
    assert answers(folder / out) == {"t.csv:2": "zero", "t.csv:3": "one", "t.csv:4": "two", "t.csv:5": "three"}
    assert run("t.csv", "-o", out, "--resume")["calls"] == 0


@pytest.mark.parametrize("out", ["out.csv", "out.xlsx", "out.parquet", "out.sqlite"])
def test_columns_that_the_prompt_does_not_use_are_brought_up_to_date_without_a_call(run: Run, folder: Path, out: str):
    table(folder / "t.csv", "one,new", "two,new", header="text,status")
    run("t.csv", "-o", out, "--prompt", "Read {{text}}")
    table(folder / "t.csv", "two,done", "one,new", "three,new", header="text,status")
    again = run("t.csv", "-o", out, "--prompt", "Read {{text}}", "--resume")
    assert (again["calls"], rows_of(again)) == (1, {"new": 1, "equal": 2})
    table(folder / "t.csv", "two,done", "one,open", "three,new", header="text,status")
    assert run("t.csv", "-o", out, "--prompt", "Read {{text}}", "--resume")["calls"] == 0
    found = {row["custom_id"]: (row["text"], row["status"], row["reply_text"]) for row in records(folder / out)}
    assert found == {
        "t.csv:2": ("two", "done", "Read two"),
        "t.csv:3": ("one", "open", "Read one"),
        "t.csv:4": ("three", "new", "Read three"),
    }


def test_changed_new_and_vanished_rows_are_counted_and_told(run: Run, folder: Path):
    rows = {"a": "one", "b": "two", "c": "three"}

    def write() -> None:
        (folder / "t.jsonl").write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in rows.items()))

    write()
    run("t.jsonl", "-o", "out.jsonl")
    del rows["a"]
    rows.update(b="two and a half", d="four")
    write()
    again = run("t.jsonl", "-o", "out.jsonl", "--resume")
    assert (again["calls"], rows_of(again)) == (2, {"new": 1, "changed": 1, "equal": 1, "vanished": 1})
    for told in ("new       1  asked", "changed   1  asked", "equal     1  kept", "--prune drops them: a"):
        assert told in again["said"]
    assert answers(folder / "out.jsonl") == {"a": "one", "b": "two and a half", "c": "three", "d": "four"}
    assert "dropped: a" in run("t.jsonl", "-o", "out.jsonl", "--resume", "--prune")["said"]
    assert set(answers(folder / "out.jsonl")) == {"b", "c", "d"}


def test_a_folder_by_any_spelling_and_a_renamed_file_are_paid_once(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    docs = folder / "docs"
    docs.mkdir()
    for number in range(3):
        (docs / f"{number}.txt").write_text(f"text {number}")
    (folder / "link").symlink_to("docs")
    assert run("docs", "-o", "out.jsonl")["calls"] == 3
    for spelling in ("./docs/", str(docs), "link"):
        assert run(spelling, "-o", "out.jsonl", "--resume")["calls"] == 0
    monkeypatch.chdir(docs)
    assert run(".", "-o", "../out.jsonl", "--resume")["calls"] == 0
    (docs / "2.txt").rename(docs / "renamed.txt")
    assert rows_of(run(".", "-o", "../out.jsonl", "--resume")) == {"equal": 3}
    assert answers(folder / "out.jsonl") == {
        "docs/0.txt": "text 0",
        "docs/1.txt": "text 1",
        "docs/renamed.txt": "text 2",
    }


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--prompt", "Say {{text}}"), "prompt"),
        (("--system", "Be brief", "--prompt", "{{text}}!"), "system, prompt"),
        (("--temperature", "1"), "parameters"),
        (("--fallback", MODEL), ""),
        (("--max-tokens", "77", "--lane", "high", "--tag", "a=b", "--budget", "1"), ""),
    ],
)
def test_another_order_is_refused_by_the_names_of_what_changed(
    run: Run, folder: Path, options: tuple[str, ...], named: str
):
    table(folder / "t.csv", "one", "two")
    run("t.csv", "-o", "out.jsonl")
    before = (folder / "out.jsonl").read_bytes()
    if not named:
        assert run("t.csv", "-o", "out.jsonl", "--resume", *options)["calls"] == 0
        return
    refused = run("t.csv", "-o", "out.jsonl", "--resume", *options, status=2)
    assert f"2 answers of out.jsonl were made under another order (changed: {named})" in refused["said"]
    # The same command would be refused once more.
    assert "go on with" not in refused["said"]
    assert "--changed" in refused["said"]
    assert (folder / "out.jsonl").read_bytes() == before
    again = run("t.csv", "-o", "out.jsonl", "--resume", "--changed", *options)
    assert (again["calls"], rows_of(again)) == (2, {"other_order": 2})
    assert run("t.csv", "-o", "out.jsonl", "--resume", *options)["calls"] == 0


def test_another_template_that_makes_the_same_prompts_is_no_other_order(run: Run, folder: Path):
    table(folder / "t.csv", "one,1", "two,2", header="text,number")
    run("t.csv", "-o", "out.jsonl")
    (folder / "t.csv").write_text("words,number\none,7\ntwo,8\n")
    assert run("t.csv", "-o", "out.jsonl", "--resume", "--prompt", "{{words}}")["calls"] == 0


def test_equal_rows_are_told_apart_by_their_ids_and_then_by_their_order(run: Run, folder: Path):
    (folder / "t.jsonl").write_text('{"id": "a", "text": "x"}\n{"id": "b", "text": "x"}\n')
    run("t.jsonl", "-o", "out.jsonl")
    by_id = {line["custom_id"]: line["id"] for line in lines(folder / "out.jsonl")}
    (folder / "t.jsonl").write_text('{"id": "c", "text": "x"}\n{"id": "b", "text": "x"}\n{"id": "d", "text": "x"}\n')
    assert rows_of(run("t.jsonl", "-o", "out.jsonl", "--resume")) == {"new": 1, "equal": 2}
    now = {line["custom_id"]: line["id"] for line in lines(folder / "out.jsonl")}
    assert (now["b"], now["c"]) == (by_id["b"], by_id["a"])
    assert now["d"] not in by_id.values()


def test_what_failed_is_done_anew_unless_something_else_is_named(run: Run, folder: Path):
    table(folder / "t.csv", "fine", "[[fault:400*1]] once")
    assert run("t.csv", "-o", "out.jsonl", status=1)["failed"] == 1
    kept = run("t.csv", "-o", "out.jsonl", "--retry", "truncated", "--retry", "invalid", status=1)
    assert (kept["calls"], kept["failed"], kept["total"]) == (0, 1, 2)
    assert "--retry failed asks them anew" in kept["said"]
    again = run("t.csv", "-o", "out.jsonl", "--resume")
    assert (again["calls"], rows_of(again)) == (1, {"failed": 1, "equal": 1})
    assert len(lines(folder / "out.jsonl")) == 2


def test_answers_of_a_release_without_digests_are_kept_by_their_ids_and_marked(run: Run, folder: Path):
    (folder / "deep").mkdir()
    table(folder / "deep" / "t.csv", "one", "two")
    run("deep/t.csv", "-o", "out.jsonl")
    old = lines(folder / "out.jsonl")
    for line in old:
        line["custom_id"] = f"deep/{line['custom_id']}"  # rows were named by the path as it was given
        del line["homa"]["row"], line["homa"]["order"]
    (folder / "out.jsonl").write_text("".join(json.dumps(line) + "\n" for line in old))
    again = run("deep/t.csv", "-o", "out.jsonl", "--resume")
    assert again["calls"] == 0
    assert "2 answers of an earlier release have no digests" in again["said"]
    assert set(answers(folder / "out.jsonl")) == {"t.csv:2", "t.csv:3"}
    table(folder / "deep" / "t.csv", "zero", "one", "two")
    again = run("deep/t.csv", "-o", "out.jsonl", "--resume")
    assert (again["calls"], "earlier release" in again["said"]) == (1, False)
    assert answers(folder / "out.jsonl") == {"t.csv:2": "zero", "t.csv:3": "one", "t.csv:4": "two"}


def test_an_input_that_cannot_be_read_now_keeps_its_answer(run: Run, folder: Path):
    (folder / "a.txt").write_text("words")
    run("a.txt", "-o", "out.jsonl")
    (folder / "a.txt").write_bytes(b"\x7fELF\2\0\0\0")
    again = run("a.txt", "-o", "out.jsonl", "--resume")
    assert "1 inputs cannot be read now: their answers are kept" in again["said"]
    assert answers(folder / "out.jsonl") == {"a.txt": "words"}


def test_exactly_the_rows_that_changed_are_called(run: Run, folder: Path):
    rows = [f"row {number}" for number in range(2000)]
    table(folder / "t.csv", *rows)
    run("t.csv", "-o", "out.jsonl")
    for number in range(0, 2000, 100):
        rows[number] += " changed"
    table(folder / "t.csv", *rows)
    again = run("t.csv", "-o", "out.jsonl", "--resume")
    assert (again["calls"], rows_of(again)) == (20, {"changed": 20, "equal": 1980})
    assert sorted(answers(folder / "out.jsonl").values()) == sorted(rows)


@pytest.mark.parametrize("out", ["out.jsonl", "out.csv", "out.parquet", "out/"])
def test_a_dry_run_forecasts_what_a_resumed_run_would_ask(run: Run, folder: Path, out: str):
    table(folder / "t.csv", "one", "two")
    run("t.csv", "-o", out)
    table(folder / "t.csv", "one", "two", "three")
    forecast = run("t.csv", "-o", out, "--resume", "--dry-run")
    assert (forecast["rows"], forecast["calls"]) == (1, 0)
    assert "equal    2  kept" in forecast["said"]
    assert run("t.csv", "-o", out, "--resume")["calls"] == 1


def test_lines_that_are_fetched_from_the_store_can_be_resumed_too(
    run: Run, staffed: Fleet, invoke: Invoke, folder: Path
):
    table(folder / "t.csv", "one", "two")
    batch = run("t.csv", "-o", "out.jsonl")["batch"]
    fetched = invoke(staffed, "batches", "results", batch, "-o", "fetched.jsonl")
    assert fetched.exit_code == 0, fetched.stderr
    ours = {line["custom_id"]: line["homa"] for line in lines(folder / "out.jsonl")}
    assert {line["custom_id"]: line["homa"] for line in lines(folder / "fetched.jsonl")} == ours
    assert run("t.csv", "-o", "fetched.jsonl", "--resume")["calls"] == 0
    assert (
        "(changed: prompt)"
        in run("t.csv", "-o", "fetched.jsonl", "--resume", "--prompt", "{{text}}!", status=2)["said"]
    )


def test_options_of_a_resumption_want_one(run: Run, folder: Path):
    table(folder / "t.csv", "one")
    assert "--changed without --resume" in run("t.csv", "--changed", status=2)["said"]
    assert "--prune without --resume" in run("t.csv", "--prune", status=2)["said"]
    assert "--prune with --limit" in run("t.csv", "--prune", "--resume", "--limit", "1", status=2)["said"]


def test_a_part_of_the_rows_leaves_the_others_lines_alone(run: Run, folder: Path):
    table(folder / "t.csv", "one", "two", "three")
    run("t.csv", "-o", "out.jsonl")
    again = run("t.csv", "-o", "out.jsonl", "--resume", "--limit", "1")
    assert rows_of(again) == {"equal": 1}
    assert len(lines(folder / "out.jsonl")) == 3
