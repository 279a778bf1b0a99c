"""`homa run --long`: documents above the model's window, found before anything is paid."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from homa.cli.unit_options import WAYS as FLAGS
from homa.runs.long.ways import WAYS
from tests.commands.conftest import MODEL, Fleet, Invoke, lines
from tests.documents.test_units import prose


def run(invoke: Invoke, fleet: Fleet, *arguments: str, status: int = 0):
    answer = invoke(fleet, "run", "docs", "--model", MODEL, "--max-tokens", "100", "-o", "o.jsonl", *arguments)
    assert answer.exit_code == status, answer.stderr
    return answer


@pytest.fixture
def docs(folder: Path) -> Path:
    """A document that fits a window of 2000 tokens, and one that does not."""
    (folder / "docs").mkdir()
    (folder / "docs" / "long.txt").write_text(prose(paragraphs=120))
    (folder / "docs" / "short.txt").write_text("Few words.")
    return folder


def by_id(folder: Path) -> dict[str, Any]:
    return {line["custom_id"]: line for line in lines(folder / "o.jsonl")}


def test_the_flags_ways_are_the_runs() -> None:
    assert tuple(FLAGS) == WAYS


def test_a_document_above_the_window_is_refused_with_what_else_can_be_done(
    staffed: Fleet, invoke: Invoke, docs: Path
) -> None:
    before = staffed.received()
    answer = run(invoke, staffed, "--window", "2000", status=1)
    found = by_id(docs)
    assert found["docs/short.txt"]["error"] is None
    error = found["docs/long.txt"]["error"]
    assert error["code"] == "invalid_input"
    assert "docs/long.txt: has about " in error["message"]
    assert f"the context window of {MODEL} is 2,000: expected --long truncate" in error["message"]
    assert "--unit page|section|chunk for an answer a part" in error["message"]
    assert staffed.received() - before == 1
    assert "the first that failed is docs/long.txt: has about" in answer.stderr


def test_a_window_of_the_settings_counts_as_well(staffed: Fleet, invoke: Invoke, docs: Path) -> None:
    text = prose(paragraphs=120)
    (docs / "docs" / "long.txt").write_text(text * 400)
    run(invoke, staffed, status=1)
    assert "the context window of openai:gpt-6-luna is 1,050,000" in by_id(docs)["docs/long.txt"]["error"]["message"]


def test_a_document_is_cut_at_its_end_and_its_line_says_so(staffed: Fleet, invoke: Invoke, docs: Path) -> None:
    run(invoke, staffed, "--window", "2000", "--long", "truncate", "--prompt", "Read: {{text}}\nAnswer:")
    found = by_id(docs)
    note = found["docs/long.txt"]["homa"]["notes"][0]
    text = (docs / "docs" / "long.txt").read_text()
    assert note.startswith("cut at its end: ")
    assert note.endswith(f" of {len(text):,} characters are shown (--long truncate)")
    shown = int(note.split()[4].replace(",", ""))
    prompt = f"Read: {text[:shown].rstrip()}\nAnswer:"
    assert prompt in json.dumps(found["docs/long.txt"]["response"], ensure_ascii=False).replace("\\n", "\n")
    assert found["docs/long.txt"]["response"]["body"]["usage"]["prompt_tokens"] < 1900
    assert "cut at its end" not in json.dumps(found["docs/short.txt"])


def test_what_a_cut_document_does_not_show_may_change(staffed: Fleet, invoke: Invoke, docs: Path) -> None:
    asked = ("--window", "2000", "--long", "truncate")
    run(invoke, staffed, *asked)
    before = staffed.received()
    path = docs / "docs" / "long.txt"
    path.write_text(path.read_text() + "\n\nAn end that nobody saw.")
    run(invoke, staffed, *asked, "--resume")
    assert staffed.received() == before
    path.write_text("A new beginning. " + path.read_text())
    run(invoke, staffed, *asked, "--resume")
    assert staffed.received() - before == 1


def test_a_dry_run_finds_long_documents_and_says_what_each_way_costs(
    staffed: Fleet, invoke: Invoke, docs: Path
) -> None:
    answer = run(invoke, staffed, "--window", "2000", "--dry-run")
    assert "1 document is above the context window of openai:gpt-6-luna (2,000 tokens)" in answer.stdout
    assert "the longest is docs/long.txt with about " in answer.stdout
    assert "* --long error" in answer.stdout
    assert "  --long truncate" in answer.stdout
    told = json.loads(run(invoke, staffed, "--window", "2000", "--dry-run", "--json").stdout)
    assert told["bad_rows"] == 1
    long = told["long"]
    assert (long["rows"], long["window"], long["largest"], long["way"]) == (1, 2000, "docs/long.txt", "error")
    cut = long["ways"]["truncate"]
    assert (cut["documents"], cut["calls"]) == (1, 1)
    assert 1000 < cut["input_tokens"] <= 1900
    assert 0 < float(cut["expected_usd"]) < float(cut["most_usd"])


def test_a_dry_run_says_nothing_of_windows_where_all_documents_fit(staffed: Fleet, invoke: Invoke, docs: Path) -> None:
    answer = run(invoke, staffed, "--dry-run")
    assert "window" not in answer.stdout


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--prompt", "Look at {{path}}" * 1500], "beside its text"),
        (["--window", "120"], "beside its text"),
    ],
)
def test_a_prompt_that_is_too_long_without_the_document_is_told(
    staffed: Fleet, invoke: Invoke, docs: Path, options: list[str], why: str
) -> None:
    run(invoke, staffed, "--window", "2000", "--long", "truncate", *options, status=1)
    assert why in by_id(docs)["docs/long.txt"]["error"]["message"]


def test_a_model_whose_window_nobody_knows_needs_it_said(staffed: Fleet, invoke: Invoke, docs: Path) -> None:
    answer = invoke(
        staffed, "run", "docs", "--model", "openai:own-model", "-o", "o.jsonl", "--long", "truncate", "--dry-run"
    )
    assert answer.exit_code == 2
    assert "nobody knows the context window of openai:own-model: expected --window TOKENS" in answer.stderr
