"""`homa run --long`: documents above the model's window, found before anything is paid."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homa import Homa
from homa.cli.unit_options import WAYS as FLAGS
from homa.files.units.measure import MARGIN
from homa.runs.long.ways import WAYS
from homa_shared.calls.tokens import count
from homa_shared.settings.model import load_settings
from homa_workers.simulator import SimulatorThread
from tests.commands.conftest import MODEL, Fleet, Invoke, lines
from tests.documents.test_units import prose
from tests.readers import samples


def run(invoke: Invoke, fleet: Fleet, *arguments: str, status: int = 0):
    answer = invoke(fleet, "run", "docs", "--model", MODEL, "--max-tokens", "100", "-o", "o.jsonl", *arguments)
    assert answer.exit_code == status, answer.stderr
    return answer


@pytest.fixture
def docs(folder: Path, simulator: SimulatorThread) -> Iterator[Path]:
    """A document that fits a window of 2000 tokens, and one that does not."""
    (folder / "docs").mkdir()
    (folder / "docs" / "long.txt").write_text(prose(paragraphs=120))
    (folder / "docs" / "short.txt").write_text("Few words.")
    yield folder
    simulator.configure(reply="echo")


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
    assert f"the context window of {MODEL} is 2,000: expected --long map-reduce|refine|truncate" in error["message"]
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
    body = found["docs/long.txt"]["response"]["body"]
    assert f"Read: {text[:shown]}".startswith(body["choices"][0]["message"]["content"][:200])
    assert 1000 < count(f"Read: {text[:shown]}", MODEL).tokens < 1900 / MARGIN
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


ASKED = ("--prompt", "{{path}}: {{text}}", "--window", "2000")


def test_a_document_in_parts_has_one_line_with_the_sums_of_its_calls(
    staffed: Fleet, invoke: Invoke, docs: Path
) -> None:
    before, billed = staffed.received(), staffed.simulator.bill()["total"]
    answer = run(invoke, staffed, *ASKED, "--long", "map-reduce", "--json")
    line = by_id(docs)["docs/long.txt"]
    calls = staffed.received() - before - 1
    assert calls > 3
    assert line["error"] is None
    assert "Bring these answers together" in json.dumps(line["response"])
    assert line["homa"]["attempts"] == calls
    assert f"put together of {calls} answers about its parts (--long map-reduce)" in line["homa"]["notes"][0]
    after = staffed.simulator.bill()["total"]
    short = by_id(docs)["docs/short.txt"]["response"]["body"]["usage"]
    usage = line["response"]["body"]["usage"]
    assert usage["prompt_tokens"] + short["prompt_tokens"] == after["input_tokens"] - billed["input_tokens"]
    summary = json.loads(answer.stdout)
    assert (summary["total"], summary["succeeded"], summary["failed"]) == (2, 2, 0)
    short_usd = float(by_id(docs)["docs/short.txt"]["homa"]["cost_usd"])
    assert float(summary["cost_usd"]) == pytest.approx(float(line["homa"]["cost_usd"]) + short_usd)
    assert not (docs / "o.jsonl.run.json").exists()


def test_a_document_is_read_part_by_part_with_the_answer_so_far(staffed: Fleet, invoke: Invoke, docs: Path) -> None:
    run(invoke, staffed, *ASKED, "--long", "refine", "--system", "Be brief.")
    line = by_id(docs)["docs/long.txt"]
    said = json.dumps(line["response"])
    assert "The answer so far, from the parts before" in said
    assert "docs/long.txt: [the document]" in said
    assert "answers about its parts (--long refine)" in line["homa"]["notes"][0]


def test_columns_stand_beside_answers_of_documents_in_parts(staffed: Fleet, invoke: Invoke, folder: Path) -> None:
    rows = [{"id": "a", "kind": "x", "text": prose(paragraphs=120)}, {"id": "b", "kind": "y", "text": "short"}]
    (folder / "docs").write_text("\n".join(map(json.dumps, rows)))
    answer = invoke(
        staffed, "run", "docs", "--input-format", "jsonl", "--model", MODEL, "--max-tokens", "100", "-o", "o.csv",
        "--window", "2000", "--long", "map-reduce",
    )  # fmt: skip
    assert answer.exit_code == 0, answer.stderr
    with (folder / "o.csv").open(newline="") as file:
        assert {each["custom_id"]: each["kind"] for each in csv.DictReader(file)} == {"a": "x", "b": "y"}


def test_a_resumed_run_asks_only_the_parts_that_changed(staffed: Fleet, invoke: Invoke, docs: Path) -> None:
    asked = (*ASKED, "--long", "map-reduce", "--chunk-tokens", "200")
    staffed.simulator.configure(reply="words")
    run(invoke, staffed, *asked)
    calls = by_id(docs)["docs/long.txt"]["homa"]["attempts"]
    run(invoke, staffed, *asked, "--resume")
    before = staffed.received()
    path = docs / "docs" / "long.txt"
    path.write_text(path.read_text() + "\n\nA new end of it.")
    run(invoke, staffed, *asked, "--resume")
    assert staffed.received() - before < calls / 2
    assert len(by_id(docs)) == 2


def test_a_document_whose_part_failed_is_told_and_its_other_parts_are_not_paid_again(
    staffed: Fleet, invoke: Invoke, docs: Path
) -> None:
    asked = (*ASKED, "--long", "map-reduce", "--chunk-tokens", "200")
    (docs / "docs" / "short.txt").unlink()
    (docs / "docs" / "long.txt").write_text(prose(7, paragraphs=120))
    staffed.simulator.configure(reply="words", faults={"invalid": 0.1})
    run(invoke, staffed, *asked, status=1)
    error = by_id(docs)["docs/long.txt"]["error"]
    assert error is not None
    staffed.simulator.configure(faults={})
    billed = staffed.billed()
    run(invoke, staffed, *asked, "--resume")
    line = by_id(docs)["docs/long.txt"]
    assert line["error"] is None
    answers = int(line["homa"]["notes"][0].split("put together of ")[1].split()[0])
    assert staffed.billed() - billed == line["homa"]["attempts"] < answers / 2


def test_failures_of_documents_in_parts_stop_the_run(staffed: Fleet, invoke: Invoke, docs: Path) -> None:
    """With a budget one run of a flow follows the other: documents of another number of parts go into the next."""
    (docs / "docs" / "longer.txt").write_text(prose(3, paragraphs=240))
    (docs / "docs" / "short.txt").unlink()
    staffed.simulator.configure(reply="words", faults={"invalid": 1.0})
    asked = (*ASKED, "--long", "refine", "--budget", "5")
    before = staffed.received()
    answer = run(invoke, staffed, *asked, "--max-failures", "1", status=3)
    assert "1 failed (--max-failures 1)" in answer.stderr
    assert staffed.received() - before == 1
    staffed.simulator.configure(faults={})
    run(invoke, staffed, *asked, "--resume")
    assert all(line["error"] is None for line in by_id(docs).values())


def test_a_stored_template_is_asked_of_each_part(staffed: Fleet, invoke: Invoke, docs: Path) -> None:
    with Homa(settings=load_settings(env=staffed.env, cwd=docs)) as homa:
        homa.template("sum-up", "In {{most}} words: {{text}}", system="Be kind.", variables={"most": "integer"})
        rows = [{"id": "a", "most": "7", "text": prose(paragraphs=120)}, {"id": "b", "most": "many", "text": "short"}]
        rows += [{"id": "c", "most": "many", "text": prose(paragraphs=120)}, {"id": "d", "most": 8, "text": "short"}]
        (docs / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
        asked = ("--template", "sum-up", "--window", "2000", "--long", "map-reduce", "-o", "t.jsonl", "--json")
        arguments = ("run", "rows.jsonl", "--model", MODEL, "--max-tokens", "100", *asked)
        answer = invoke(staffed, *arguments)
        assert answer.exit_code == 1, answer.stderr
        found = {line["custom_id"]: line for line in lines(docs / "t.jsonl")}
        assert found["d"]["error"] is None
        for name in "bc":
            assert "values['most'] of template sum-up@1 is 'many'" in found[name]["error"]["message"]
        said = found["a"]["response"]["body"]["choices"][0]["message"]["content"]
        assert "Bring these answers together" in said
        assert "In [most] words: [the document]" in said
        calls = found["a"]["homa"]["attempts"]
        assert calls > 3
        batch = json.loads(answer.stdout)["batch"]
        assert sum(job.batch != batch for job in homa.jobs(template="sum-up@1")) >= calls


@pytest.mark.parametrize("way", ["map-reduce", "refine"])
def test_a_template_whose_system_text_varies_is_refused_for_documents_in_parts(
    staffed: Fleet, invoke: Invoke, docs: Path, way: str
) -> None:
    with Homa(settings=load_settings(env=staffed.env, cwd=docs)) as homa:
        homa.template("toned", "Sum up: {{text}}", system="Be {{path}}.")
    answer = run(invoke, staffed, "--template", "toned", "--window", "2000", "--long", way, status=2)
    assert f"--template toned@1 with --long {way}: its system text has variables" in answer.stderr
    assert "or --long truncate" in answer.stderr
    run(invoke, staffed, "--template", "toned", "--window", "2000", "--long", "truncate")


@pytest.mark.parametrize("way", ["map-reduce", "refine", "error", "truncate"])
def test_a_document_of_pictures_above_the_window_says_what_to_do(
    staffed: Fleet, invoke: Invoke, docs: Path, way: str
) -> None:
    (docs / "docs" / "long.txt").unlink()
    (docs / "docs" / "scan.pdf").write_bytes(samples.pdf([["page"]] * 3))
    run(invoke, staffed, "--window", "1500", "--pages", "image", "--long", way, status=1)
    error = by_id(docs)["docs/scan.pdf"]["error"]
    assert error["code"] == "invalid_input"
    assert "expected --unit page" in error["message"]
    assert "--pages text" in error["message"]
    run(invoke, staffed, "--window", "1500", "--pages", "image", "--unit", "page", "--force")
    assert all(line["error"] is None for line in by_id(docs).values())
    assert "docs/scan.pdf#p1" in by_id(docs)


@pytest.mark.parametrize("way", ["error", "truncate"])
def test_ways_of_one_call_are_left_to_workers(staffed: Fleet, invoke: Invoke, docs: Path, way: str) -> None:
    status = 1 if way == "error" else 0
    asked = ("--window", "2000", "--long", way)
    run(invoke, staffed, *asked, "--detach", status=status)
    run(invoke, staffed, *asked, "--resume", status=status)
    assert by_id(docs)["docs/short.txt"]["error"] is None
    assert (by_id(docs)["docs/long.txt"]["error"] is None) == (way == "truncate")


def test_a_budget_holds_for_documents_in_parts(staffed: Fleet, invoke: Invoke, docs: Path) -> None:
    answer = run(invoke, staffed, *ASKED, "--long", "map-reduce", "--budget", "0.0012", "--json", status=3)
    assert float(json.loads(answer.stdout)["cost_usd"]) <= 0.0012
    assert "raise --budget" in answer.stderr


def test_a_dry_run_compares_the_ways(staffed: Fleet, invoke: Invoke, docs: Path) -> None:
    told = json.loads(run(invoke, staffed, *ASKED, "--long", "map-reduce", "--dry-run", "--json").stdout)
    ways = told["long"]["ways"]
    assert told["rows"] == 2
    assert ways["truncate"]["calls"] == 1
    assert ways["refine"]["calls"] >= ways["map-reduce"]["calls"] - 2 > 3
    assert ways["refine"]["input_tokens"] > ways["truncate"]["input_tokens"] * 3
    before = staffed.received()
    run(invoke, staffed, *ASKED, "--long", "map-reduce")
    assert staffed.received() - before - 1 == ways["map-reduce"]["calls"]
    said = run(invoke, staffed, *ASKED, "--long", "map-reduce", "--dry-run", "--force").stdout
    assert "* --long map-reduce" in said


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--unit", "page", "--long", "refine"], "--long refine with --unit page: one is for an answer a document"),
        (["--detach", "--long", "map-reduce"], "--long map-reduce with --detach"),
        (["--deadline", "60", "--long", "map-reduce"], "--deadline with --long map-reduce: a document takes several"),
        (["--system", "Say {{x}}", "--long", "refine"], "--system has a {{name}}"),
        (["--window", "300", "--long", "map-reduce"], "two answers and the next do not fit"),
        (["--chunk-tokens", "10", "--overlap", "8", "--long", "refine"], "--overlap is 8: expected 0 to 5"),
    ],
)
def test_ways_that_cannot_be_meant_are_refused(
    staffed: Fleet, invoke: Invoke, docs: Path, options: list[str], why: str
) -> None:
    answer = run(invoke, staffed, *options, status=2)
    assert why in answer.stderr


def test_a_schema_holds_for_the_answer_of_a_document_in_parts(staffed: Fleet, invoke: Invoke, docs: Path) -> None:
    schema = {"type": "object", "properties": {"total": {"type": "integer"}}, "required": ["total"]}
    (docs / "schema.json").write_text(json.dumps({**schema, "additionalProperties": False}))
    run(invoke, staffed, *ASKED, "--long", "map-reduce", "--schema", "schema.json")
    content = by_id(docs)["docs/long.txt"]["response"]["body"]["choices"][0]["message"]["content"]
    assert isinstance(json.loads(content)["total"], int)
