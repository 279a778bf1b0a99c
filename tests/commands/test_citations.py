"""`homa run --cite`: answers carry the quotes that they rest on, each with its place or told as not found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from homa.files import Places, ReadOptions, Row, open_inputs
from tests.commands.conftest import MODEL, Fleet, Invoke, lines, start
from tests.fixtures.results import content, records
from tests.fixtures.store import eventually
from tests.readers import samples

Run = Callable[..., dict[str, Any]]
SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": "number"}, "due": {"type": "string"}},
    "required": ["total", "due"],
    "additionalProperties": False,
}
#: What the simulated model answers to each document.
ANSWER = {
    "homa_quotes": [
        {"field": "total", "quote": "The total is EUR 5."},
        {"field": "due", "quote": "it is due on 3 May"},
    ],
    "total": 5,
    "due": "3 May",
}
PROMPT = f"[[say:{json.dumps(ANSWER)}]] Read {{{{text}}}}"
PLAIN = f"[[say:{json.dumps({'homa_quotes': [{'quote': 'is due on 3 May'}], 'answer': 'In May.'})}]] Read {{{{text}}}}"
#: The first has both quotes, the second one of them, the third none.
TEXTS = {
    "a": "Invoice.\nThe total is EUR 5. And it is\ndue on 3 May.",
    "b": "The total is EUR 5. Pay now.",
    "c": "The total is EUR 5,000. It is due on 3 May 2027, or on 13 May.",
}


@pytest.fixture
def run(staffed: Fleet, invoke: Invoke, folder: Path) -> Run:
    """Runs the rows to their end; what `--json` tells, the calls that were made, and what was said."""
    (folder / "schema.json").write_text(json.dumps(SCHEMA))
    (folder / "t.jsonl").write_text("".join(json.dumps({"id": i, "text": t}) + "\n" for i, t in TEXTS.items()))

    def carry_out(*arguments: str, prompt: str = PROMPT, status: int = 0) -> dict[str, Any]:
        before = staffed.received()
        asked = ("run", *arguments, "--model", MODEL, "--prompt", prompt, "--json")
        answer = invoke(staffed, *asked)
        assert answer.exit_code == status, answer.stderr
        summary = json.loads(answer.stdout) if answer.stdout else {}
        return {**summary, "calls": staffed.received() - before, "said": answer.stderr}

    return carry_out


def verified(citations: list[dict[str, Any]]) -> list[bool]:
    return [each["verified"] for each in citations]


def test_each_answer_has_its_quotes_with_their_places(run: Run, folder: Path):
    summary = run("t.jsonl", "--schema", "schema.json", "--cite", "-o", "out.jsonl")
    by_id = {line["custom_id"]: line for line in lines(folder / "out.jsonl")}
    for line in by_id.values():
        answer = line["response"]["body"]["choices"][0]["message"]["content"]
        assert json.loads(answer) == {"total": 5, "due": "3 May"}, "the schema that was given is what the results show"
    total, due = by_id["a"]["homa"]["citations"]
    assert total == {
        "field": "/total", "quote": "The total is EUR 5.", "verified": True, "match": "exact", "file": "t.jsonl",
        "line": 1, "source": "text", "page": None, "start": 9, "end": 28, "text": "The total is EUR 5.",
    }  # fmt: skip
    assert (due["match"], due["text"]) == ("normalised", "it is\ndue on 3 May")
    assert TEXTS["a"][due["start"] : due["end"]] == due["text"]
    assert verified(by_id["b"]["homa"]["citations"]) == [True, False]
    assert by_id["b"]["homa"]["citations"][1]["start"] is None
    assert verified(by_id["c"]["homa"]["citations"]) == [False, True], "EUR 5,000 is not EUR 5"
    assert {name: line["homa"]["unverified"] for name, line in by_id.items()} == {"a": 0, "b": 1, "c": 1}
    assert (summary["succeeded"], summary["unverified"]) == (3, 2)
    assert summary["quotes"] == {"verified": 4, "unverified": 2, "unchecked": 0, "uncited": 0}
    assert "3 succeeded, 2 with quotes that were not found" in summary["said"]
    assert "--retry invalid" in summary["said"]


@pytest.mark.parametrize("out", ["out.jsonl", "out.csv", "out.tsv", "out.xlsx", "out.parquet", "out.sqlite", "out/"])
def test_those_with_quotes_not_found_and_only_those_are_done_anew(run: Run, folder: Path, out: str):
    cited = ("t.jsonl", "--schema", "schema.json", "--cite", "-o", out)
    run(*cited)
    again = run(*cited, "--resume")
    assert (again["calls"], again["unverified"], again["rows"]["equal"]) == (0, 2, 3)
    assert "2 with quotes not found" in again["said"]
    again = run(*cited, "--retry", "invalid")
    assert (again["calls"], again["unverified"], again["rows"]["invalid"]) == (2, 2, 2)
    if out == "out/":
        texts = content(folder / out)
        assert texts["b.md"] == (
            '{"total": 5, "due": "3 May"}\n\n---\n\n- /total (t.jsonl:2, characters 0 to 19): “The total is EUR 5.”\n'
            "- /due (not in the text): “it is due on 3 May”\n"
        )
    elif out != "out.jsonl":
        found = {row["custom_id"]: row for row in records(folder / out)}
        assert {name: int(row["homa_unverified"]) for name, row in found.items()} == {"a": 0, "b": 1, "c": 1}
        assert verified(json.loads(found["b"]["homa_citations"])) == [True, False]
        assert float(found["b"]["total"]) == 5


def test_what_is_done_anew_does_not_come_out_of_the_cache(run: Run):
    cited = ("t.jsonl", "--schema", "schema.json", "--cite", "--cache", "--system", "Cached", "-o", "out.jsonl")
    run(*cited)
    assert run(*cited, "--force")["calls"] == 0
    assert run(*cited, "--retry", "invalid")["calls"] == 2


def test_a_plain_answer_is_its_text_and_quotes(run: Run, folder: Path):
    run("t.jsonl", "--cite", "-o", "out.csv", prompt=PLAIN)
    found = {row["custom_id"]: row for row in records(folder / "out.csv")}
    assert {row["reply_text"] for row in found.values()} == {"In May."}
    assert {name: verified(json.loads(row["homa_citations"])) for name, row in found.items()} == {
        "a": [True], "b": [False], "c": [True],
    }  # fmt: skip


def test_a_quote_of_a_pdf_has_its_page_and_the_place_in_the_text_that_the_reader_makes(run: Run, folder: Path):
    pages = [["Invoice 7"], ["The total is EUR 5.", "And it is due on 3 May."]]
    (folder / "docs").mkdir()
    (folder / "docs" / "a.pdf").write_bytes(samples.pdf(pages))
    run("docs", "--schema", "schema.json", "--cite", "-o", "out.jsonl")
    (line,) = lines(folder / "out.jsonl")
    (row,) = open_inputs(["docs"], options=ReadOptions(), places=Places())
    assert isinstance(row, Row)
    assert row.text is not None
    for each in line["homa"]["citations"]:
        assert (each["file"], each["page"], each["verified"]) == ("docs/a.pdf", 2, True)
        assert row.text[each["start"] : each["end"]] == each["text"]
        assert row.pages[1] <= each["start"] < len(row.text)


@pytest.mark.parametrize("unit", ["page", "section", "chunk"])
def test_a_quote_of_a_unit_has_its_place_in_all_of_the_document(run: Run, folder: Path, unit: str):
    pages = [["Invoice 7"], ["And then", "The total is EUR 5."], ["it is due on 3 May"]]
    (folder / "a.pdf").write_bytes(samples.pdf(pages))
    prompt = PROMPT.replace("{{text}}", "{{file}} {{heading}} {{page}}: {{text}}")
    run("a.pdf", "--schema", "schema.json", "--cite", "--unit", unit, "-o", "out.jsonl", prompt=prompt)
    (row,) = open_inputs(["a.pdf"], options=ReadOptions(), places=Places())
    assert isinstance(row, Row)
    assert row.text is not None
    found = [each for line in lines(folder / "out.jsonl") for each in line["homa"]["citations"] if each["verified"]]
    assert {(each["field"], each["page"], row.text[each["start"] : each["end"]]) for each in found} == {
        ("/total", 2, "The total is EUR 5."),
        ("/due", 3, "it is due on 3 May"),
    }


def test_what_a_page_shows_as_an_image_is_unchecked_and_not_wrong(run: Run, folder: Path):
    (folder / "scan.pdf").write_bytes(samples.scan())
    summary = run("scan.pdf", "--schema", "schema.json", "--cite", "-o", "out.jsonl")
    (line,) = lines(folder / "out.jsonl")
    assert verified(line["homa"]["citations"]) == [None, None]
    assert (summary["unverified"], summary["quotes"]["unchecked"]) == (0, 2)
    assert run("scan.pdf", "--schema", "schema.json", "--cite", "-o", "out.jsonl", "--retry", "invalid")["calls"] == 0


def test_columns_of_a_table_are_told_apart(run: Run, folder: Path):
    (folder / "t.csv").write_text("title,body\nit is due on 3 May,The total is EUR 5.\n")
    run(
        "t.csv", "--schema", "schema.json", "--cite", "-o", "out.jsonl",
        prompt=PROMPT.replace("{{text}}", "{{title}} {{body}}"),
    )  # fmt: skip
    (line,) = lines(folder / "out.jsonl")
    found = [(each["source"], each["start"], each["line"]) for each in line["homa"]["citations"]]
    assert found == [("body", 0, 2), ("title", 0, 2)]


def test_citing_is_a_part_of_the_order(run: Run, folder: Path):
    asked = ("t.jsonl", "--schema", "schema.json", "-o", "out.jsonl")
    run(*asked, "--cite")
    refused = run(*asked, "--resume", status=2, prompt=PROMPT)
    assert "changed: parameters" in refused["said"]


def test_a_detached_run_is_collected_with_its_quotes(run: Run, staffed: Fleet, invoke: Invoke, folder: Path):
    asked = ("t.jsonl", "--schema", "schema.json", "--cite", "-o", "out.csv")
    run(*asked, "--detach")
    assert run(*asked, "--resume")["quotes"]["verified"] == 4
    assert len(records(folder / "out.csv")) == 3


def test_a_dry_run_shows_what_is_asked_for(run: Run, folder: Path):
    estimate = run("t.jsonl", "--schema", "schema.json", "--cite", "--dry-run")
    assert estimate["first_messages"][0]["role"] == "system"
    assert "homa_quotes" in estimate["first_messages"][0]["content"]
    assert estimate["calls"] == 0


def test_lines_of_batch_files_and_flows_are_refused(run: Run, staffed: Fleet, invoke: Invoke, folder: Path):
    body = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "hi"}]}
    line = {"custom_id": "x", "method": "POST", "url": "/v1/chat/completions", "body": body}
    (folder / "batch.jsonl").write_text(json.dumps(line) + "\n")
    run("batch.jsonl", "--cite", "-o", "out.jsonl", status=1)
    (found,) = lines(folder / "out.jsonl")
    assert "expected no --cite for it" in found["error"]["message"]
    answer = invoke(staffed, "run", "t.jsonl", "--flow", "flow.toml", "--cite", "-o", "flow.jsonl")
    assert answer.exit_code == 2
    assert "--flow with --cite" in answer.stderr


def test_a_schema_with_a_property_of_that_name_is_refused(run: Run, folder: Path):
    (folder / "schema.json").write_text(json.dumps({"type": "object", "properties": {"homa_quotes": {}}}))
    assert "rename it" in run("t.jsonl", "--schema", "schema.json", "--cite", "-o", "out.jsonl", status=2)["said"]


def test_a_killed_run_goes_on_with_its_quotes(fleet: Fleet, folder: Path, run: Run, staffed: Fleet):
    rows = "".join(json.dumps({"id": f"r{number}", "text": TEXTS["a"]}) + "\n" for number in range(300))
    (folder / "many.jsonl").write_text(rows)
    asked = ("many.jsonl", "--schema", "schema.json", "--cite", "-o", "out.jsonl")
    staffed.simulator.configure(latency_ms=50.0)
    process = start(staffed, "run", *asked, "--model", MODEL, "--prompt", PROMPT)
    written = folder / "out.jsonl"
    eventually(lambda: written.exists() and written.read_bytes().count(b"\n") > 5)
    process.kill()
    process.communicate()
    run(*asked, "--resume")
    found = lines(written)
    assert len(found) == 300
    assert all(verified(line["homa"]["citations"]) == [True, True] for line in found)
