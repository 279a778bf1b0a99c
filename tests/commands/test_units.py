"""`homa run --unit`: an answer for each page, section or chunk, and only what changed is asked anew."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.commands.conftest import MODEL, Fleet, Invoke, ids, lines
from tests.documents.test_units import prose
from tests.readers import samples


def run(invoke: Invoke, fleet: Fleet, *arguments: str, status: int = 0):
    answer = invoke(fleet, "run", *arguments, "--model", MODEL)
    assert answer.exit_code == status, answer.stderr
    return answer


def test_each_page_of_a_pdf_has_its_answer_and_tells_where_it_stands(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "a.pdf").write_bytes(samples.pdf([["Twelve boxes of tea"], ["Paid on Monday"]]))
    run(invoke, staffed, "a.pdf", "--unit", "page", "--prompt", "{{file}}, page {{page}}: {{text}}", "-o", "o.jsonl")
    by_id = {line["custom_id"]: line for line in lines(folder / "o.jsonl")}
    assert by_id.keys() == {"a.pdf#p1", "a.pdf#p2"}
    assert "a.pdf, page 2: Paid on Monday" in json.dumps(by_id["a.pdf#p2"]["response"])
    unit = by_id["a.pdf#p2"]["homa"]["unit"]
    assert (unit["unit"], unit["file"], unit["page"], unit["end"] - unit["start"]) == (2, "a.pdf", 2, 14)
    assert "metadata" not in by_id["a.pdf#p2"]["homa"]


def test_columns_of_units_stand_beside_the_answers(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "a.md").write_text("# One\n\nfirst\n\n# Two\n\nsecond\n")
    run(invoke, staffed, "a.md", "--unit", "section", "--prompt", "{{heading}}: {{text}}", "-o", "o.csv")
    with (folder / "o.csv").open(newline="") as file:
        found = {each["custom_id"]: each for each in csv.DictReader(file)}
    assert {name: (each["heading"], each["start"], each["file"]) for name, each in found.items()} == {
        "a.md#s1": ("One", "0", "a.md"),
        "a.md#s2": ("Two", "14", "a.md"),
    }


def test_a_resumed_run_asks_the_chunks_that_changed_alone(staffed: Fleet, invoke: Invoke, folder: Path):
    text = prose(paragraphs=80)
    asked = ("docs", "--unit", "chunk", "--chunk-tokens", "150", "-o", "o.jsonl")
    (folder / "docs").mkdir()
    (folder / "docs" / "a.txt").write_text(text)
    (folder / "docs" / "b.txt").write_text("words")
    run(invoke, staffed, *asked)
    before, count = staffed.received(), len(ids(folder / "o.jsonl"))
    assert count > 10
    (folder / "docs" / "a.txt").write_text(f"Quite new.\n\n{text}")
    answer = run(invoke, staffed, *asked, "--resume", "--prune", "--json")
    rows = json.loads(answer.stdout)["rows"]
    assert staffed.received() - before <= 4
    assert rows["equal"] >= count - 4
    found = lines(folder / "o.jsonl")
    whole = (folder / "docs" / "a.txt").read_text()
    for line in found:
        unit = line["homa"]["unit"]
        if unit["file"] == "docs/a.txt":
            part = whole[unit["start"] : unit["end"]]
            assert part in json.dumps(line["response"], ensure_ascii=False).replace("\\n", "\n")
            assert line["custom_id"] == f"docs/a.txt#c{unit['unit']}"


def test_other_units_are_another_order(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "a.txt").write_text(prose(paragraphs=20))
    asked = ("a.txt", "-o", "o.jsonl", "--unit", "chunk", "--chunk-tokens")
    run(invoke, staffed, *asked, "200")
    answer = run(invoke, staffed, *asked, "150", "--resume", status=2)
    assert "made under another order (changed: readers)" in answer.stderr
    run(invoke, staffed, *asked, "150", "--resume", "--changed", "--prune")
    found = lines(folder / "o.jsonl")
    assert len(found) == len({line["custom_id"] for line in found}) > 5
    assert {line["homa"]["unit"]["file"] for line in found} == {"a.txt"}


def test_a_dry_run_counts_units(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "a.md").write_text("# One\n\nfirst\n\n# Two\n\nsecond\n")
    (folder / "b.txt").write_text("no headings")
    answer = run(invoke, staffed, "a.md", "b.txt", "--unit", "section", "--prompt", "Say {{text}}", "--dry-run")
    assert "3 rows" in answer.stdout
    assert "b.txt: has no headings: it is one section" in answer.stdout


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (
            ["--unit", "page", "--prompt", "Look at {{path}}"],
            "--prompt names no {{text}}, which is what --unit page cuts",
        ),
        (["--unit", "chunk", "--chunk-tokens", "10", "--overlap", "8"], "--overlap is 8: expected 0 to 5"),
        (["--chunk-tokens", "10"], "--chunk-tokens 10 without --unit chunk"),
        (["--unit", "page", "--overlap", "10"], "--overlap 10 without --unit chunk"),
    ],
)
def test_units_that_cannot_be_meant_are_refused(
    staffed: Fleet, invoke: Invoke, folder: Path, options: list[str], why: str
):
    (folder / "a.txt").write_text("words")
    answer = run(invoke, staffed, "a.txt", *options, "-o", "o.jsonl", status=2)
    assert why in answer.stderr
    assert not (folder / "o.jsonl").exists()
