"""`homa run --flow` and `homa flow`: a line an input, in their order; the same command goes on."""

from __future__ import annotations

import json
import signal
import uuid
from pathlib import Path

import pytest

from homa_shared.store import reads
from homa_shared.store.transitions import admin
from tests.commands.conftest import MODEL, Fleet, Invoke, finished, lines, start, write_rows
from tests.fixtures.store import eventually

FLOW = f"""
name = "pages"
[steps.page]
map = "pages"
prompt = "{{{{text}}}}"
model = "{MODEL}"
[steps.pages]
split = "pages"
[steps.whole]
reduce = "page"
prompt = "All of {{{{items}}}}"
model = "{MODEL}"
"""


@pytest.fixture
def documents(folder: Path) -> Path:
    (folder / "flow.toml").write_text(FLOW)
    (folder / "in").mkdir()
    for name in "abc":
        (folder / "in" / f"{name}.txt").write_text(f"Text of {name}")
    return folder


def run_of(said: str) -> str:
    return said.split("homa: run ")[1].split(" ")[0].rstrip(":")


def test_documents_go_through_the_steps(staffed: Fleet, invoke: Invoke, documents: Path) -> None:
    (documents / "in" / "b2.bin").write_bytes(b"\x7fELF\2\0\0\0")
    said = invoke(staffed, "run", "in", "--flow", "flow.toml", "-o", "out.jsonl", "--json", "--budget", "1")
    assert said.exit_code == 1, said.stderr
    found = lines(documents / "out.jsonl")
    assert [line["custom_id"] for line in found] == ["in/a.txt", "in/b.txt", "in/b2.bin", "in/c.txt"]
    answers = [line["response"] and line["response"]["body"]["choices"][0]["message"]["content"] for line in found]
    assert answers == ["All of Text of a", "All of Text of b", None, "All of Text of c"]
    assert found[2]["error"]["code"] == "skipped"
    document = json.loads(said.stdout)
    assert (document["total"], document["succeeded"], document["failed"]) == (4, 3, 1)
    run = document["run"]
    before = staffed.received()
    again = invoke(staffed, "run", "in", "--flow", "flow.toml", "-o", "out.jsonl")
    assert run_of(again.stderr) == run
    assert staffed.received() == before, "nothing was called again"
    shown = invoke(staffed, "flow", "show", run, "--svg", "flow.svg")
    assert shown.stdout.splitlines()[0].startswith(f"pages  {run}: complete, $0.000")
    assert [line.lstrip("└─├│ ") for line in shown.stdout.splitlines()[1:]] == [
        "inputs  inputs  3",
        "pages  split",
        f"page  map, {MODEL}  3 of 3 done",
        f"whole  reduce of 20, {MODEL}  3 of 3 done",
    ]
    assert (documents / "flow.svg").read_text().startswith("<svg")
    listed = json.loads(invoke(staffed, "flow", "list", "--json").stdout)["runs"]
    assert [row["flow"] for row in listed if row["run"] == run] == ["pages"]
    assert "pages" in invoke(staffed, "flow", "list", "--limit", "1").stdout
    told = json.loads(invoke(staffed, "flow", "show", run, "--json").stdout)
    assert told["steps"]["whole"]["succeeded"] == 3


def test_rows_of_several_results_have_an_answer_a_step(staffed: Fleet, invoke: Invoke, documents: Path) -> None:
    (documents / "two.toml").write_text(
        f'[steps.one]\nmap = "inputs"\nprompt = "1 {{{{name}}}}"\nmodel = "{MODEL}"\n'
        f'[steps.parts]\nsplit = "parts"\n'
        f'[steps.two]\nmap = "parts"\nprompt = "2 {{{{text}}}}"\nmodel = "{MODEL}"\n'
    )
    (documents / "rows.jsonl").write_text('{"id": "r1", "name": "Ann", "parts": ["x", "y"]}\n')
    said = invoke(staffed, "run", "rows.jsonl", "--flow", "two.toml", "-o", "-")
    assert said.exit_code == 0, said.stderr
    (line,) = [json.loads(text) for text in said.stdout.splitlines()]
    assert line["custom_id"] == "r1"
    assert line["answers"]["one"]["response"]["body"]["choices"][0]["message"]["content"] == "1 Ann"
    assert [each["response"]["body"]["choices"][0]["message"]["content"] for each in line["answers"]["two"]] == [
        "2 x",
        "2 y",
    ]


def test_an_interrupted_run_is_paused_and_the_same_command_goes_on(staffed: Fleet, documents: Path) -> None:
    staffed.simulator.configure(latency_ms=1500.0)
    for name in "abc":
        (documents / "in" / f"{name}.txt").write_text(f"Slow text of {name}")
    arguments = ("run", "in", "--flow", "flow.toml", "-o", "out.jsonl")
    before = staffed.received()
    process = start(staffed, *arguments)
    eventually(lambda: staffed.received() > before)
    process.send_signal(signal.SIGINT)
    status, _, said = finished(process)
    assert status == 130
    assert "is paused: the same command goes on with it" in said
    staffed.simulator.configure(latency_ms=0.0)
    status, _, again = finished(start(staffed, *arguments))
    assert (status, run_of(again)) == (0, run_of(said))
    assert len(lines(documents / "out.jsonl")) == 3


@pytest.mark.parametrize(("number", "expected"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_run_is_paused_while_its_inputs_are_still_sent(
    staffed: Fleet, documents: Path, number: signal.Signals, expected: int
) -> None:
    """Workers begin with the first inputs before the last one is in the store."""
    write_rows(documents / "rows.jsonl", 20_000, f"Text {{}} of {number}")
    before = staffed.received()
    process = start(staffed, "run", "rows.jsonl", "--flow", "flow.toml", "-o", "out.jsonl")
    eventually(lambda: staffed.received() > before)
    process.send_signal(number)
    status, _, said = finished(process)
    assert status == expected, said
    run = said.split("homa: run ")[1].split(" is paused")[0]
    view = staffed.store.run(reads.batch(staffed.store.keys, run))
    assert view is not None
    assert view.paused_why == "interrupted"
    staffed.store.run(admin.cancel_batch(staffed.store.keys, run))


def test_a_run_is_cancelled_paused_and_resumed(staffed: Fleet, invoke: Invoke, documents: Path) -> None:
    invoke(staffed, "run", "in", "--flow", "flow.toml", "-o", "out.jsonl")
    run = json.loads(invoke(staffed, "flow", "list", "--json").stdout)["runs"][0]["run"]
    for verb, words in (("pause", "is paused"), ("resume", "goes on"), ("cancel", "is cancelled")):
        said = invoke(staffed, "flow", verb, run)
        assert (said.exit_code, words in said.stderr) == (0, True)
        unknown = invoke(staffed, "flow", verb, "nowhere")
        assert (unknown.exit_code, "run nowhere of a flow is not in the store" in unknown.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model", MODEL], "--flow with --model: the steps of the flow say it"),
        (["--prompt", "x"], "--flow with --prompt: the steps of the flow say it"),
        (["--detach"], "--flow with --detach: flows do not take it"),
        (["--max-failures", "many"], "--max-failures is 'many': expected a number of 1 or more"),
        (["--fill", "b"], "--flow with --fill: flows do not take it"),
        (["--retry", "failed"], "--flow with --retry: flows do not take it"),
        (["-o", "out.doc"], "--output out.doc: no format is called .doc"),
        (["--flow", "other.toml"], "other.toml: No such file"),
    ],
)
def test_what_does_not_go_with_a_flow_is_refused(
    fleet: Fleet, invoke: Invoke, documents: Path, arguments: list[str], message: str
) -> None:
    said = invoke(fleet, "run", "in", "--flow", "flow.toml", *arguments)
    assert (said.exit_code, message in said.stderr) == (2, True), said.stderr


def test_results_have_the_format_of_their_place(staffed: Fleet, invoke: Invoke, documents: Path) -> None:
    assert invoke(staffed, "run", "in", "--flow", "flow.toml", "-o", "out.csv").exit_code == 0
    rows = (documents / "out.csv").read_text().splitlines()
    assert [row.split(",")[:2] for row in rows[1:]] == [[f"in/{name}.txt", f"All of Text of {name}"] for name in "abc"]
    assert invoke(staffed, "run", "in", "--flow", "flow.toml", "-o", "out/", "--format", "txt").exit_code == 0
    assert sorted(file.read_text().strip() for file in (documents / "out").rglob("*.txt")) == [
        f"All of Text of {name}" for name in "abc"
    ]


def test_a_file_is_shown_without_a_store(invoke: Invoke, documents: Path) -> None:
    said = invoke({}, "flow", "show", "flow.toml")
    assert said.exit_code == 0
    assert said.stdout.splitlines()[:2] == ["pages  flow.toml", "inputs  inputs"]
    assert json.loads(invoke({}, "flow", "show", "flow.toml", "--json").stdout)["name"] == "pages"


def test_a_step_that_waits_is_listed_and_answered(staffed: Fleet, invoke: Invoke, documents: Path) -> None:
    (documents / "ask.toml").write_text(
        f'[steps.draft]\nmap = "inputs"\nprompt = "{{{{text}}}}"\nmodel = "{MODEL}"\n'
        '[steps.verdict]\nwait = "draft"\nprompt = "Good?\\n{{draft}}"\n'
    )
    running = start(
        staffed, "run", "in/a.txt", "in/b.txt", "--flow", "ask.toml", "-o", "asked.jsonl", "--workers", "none"
    )
    found: list[dict[str, str]] = []
    run = ""

    def are_asked() -> bool:
        nonlocal run
        rows = [
            row for row in json.loads(invoke(staffed, "flow", "list", "--json").stdout)["runs"] if row["flow"] == "ask"
        ]
        run = rows[0]["run"] if rows else ""
        shown = json.loads(invoke(staffed, "flow", "show", run, "--json").stdout) if run else {"questions": []}
        found[:] = shown["questions"]
        return len(found) == 2

    eventually(are_asked)
    assert {question["text"] for question in found} == {"Good?\nText of a", "Good?\nText of b"}
    listed = invoke(staffed, "flow", "show", run).stdout
    assert all(question["token"] in listed for question in found)
    assert "verdict  wait, an answer from outside  0 of 2 done" in listed
    first, second = (question["token"] for question in found)
    refused = invoke(staffed, "flow", "answer", first)
    assert (refused.exit_code, "give one of them" in refused.stderr) == (2, True)
    assert "expected JSON, or --text" in invoke(staffed, "flow", "answer", first, "--json", "yes").stderr
    assert f"run {run} goes on" in invoke(staffed, "flow", "answer", first, "--text", "yes").stderr
    assert invoke(staffed, "flow", "answer", second, "--json", '{"good": true}').exit_code == 0
    other = invoke(staffed, "flow", "answer", first, "--text", "no")
    assert (other.exit_code, "was answered otherwise before" in other.stderr) == (2, True)
    assert finished(running)[0] == 0
    said = {line["response"]["body"]["choices"][0]["message"]["content"] for line in lines(documents / "asked.jsonl")}
    assert said == {"yes", '{"good":true}'}


def test_what_is_to_be_known_of_documents_is_told(staffed: Fleet, invoke: Invoke, folder: Path) -> None:
    (folder / "units.toml").write_text(
        f'[steps.part]\nsplit = "inputs"\nunit = "section"\n[steps.said]\nmap = "part"\nprompt = "{{{{text}}}}"\n'
        f'model = "{MODEL}"\n[steps.all]\nreduce = "said"\nprompt = "{{{{items}}}}"\nmodel = "{MODEL}"\n'
    )
    (folder / "in").mkdir()
    (folder / "in" / "a.txt").write_bytes("Größe und Maße: drei Kisten für Jürgen, bezahlt.".encode("cp1252"))
    (folder / "in" / "b.csv").write_text("id,text,id\nx,Text,y\n")
    said = invoke(staffed, "run", "in", "--flow", "units.toml", "-o", "out.jsonl")
    assert said.exit_code == 0, said.stderr
    assert "in/b.csv: header names 'id' more than once" in said.stderr
    assert "in/a.txt: has no headings: it is one section" in said.stderr
    first, second = lines(folder / "out.jsonl")
    assert first["homa"]["notes"] == ["its encoding is guessed: cp1252 (name it with --encoding)"]
    assert first["homa"]["job"]
    assert "notes" not in second["homa"]


def test_too_many_failures_pause_the_run(staffed: Fleet, invoke: Invoke, folder: Path) -> None:
    name = f"f{uuid.uuid4().hex[:8]}"
    (folder / "flow.toml").write_text(
        f'name = "{name}"\n[steps.one]\nmap = "inputs"\nprompt = "{{{{text}}}}"\nmodel = "{MODEL}"\n'
        f'[steps.ask]\nwait = ["one", "inputs"]\nprompt = "{{{{odd}}}}"\n'
    )
    rows = [{"id": str(n), "text": f"{name} {n}", **({"odd": "x"} if n > 1 else {})} for n in range(4)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    arguments = ("run", "rows.jsonl", "--flow", "flow.toml", "-o", "out.jsonl", "--max-failures")
    said = invoke(staffed, *arguments, "2")
    assert (said.exit_code, "2 failed (--max-failures 2): run f" in said.stderr) == (3, True), said.stderr
    run = said.stderr.split("(--max-failures 2): run ")[1].split(" ")[0]
    view = staffed.store.run(reads.batch(staffed.store.keys, run))
    assert view is not None
    assert view.paused_why == "2 failed (--max-failures 2)"
    assert view.live == 2, "those that somebody is to be asked about"
    staffed.store.run(admin.cancel_batch(staffed.store.keys, run))
    again = invoke(staffed, *arguments, "5")
    assert (again.exit_code, run_of(again.stderr)) == (1, run)
    assert [line["error"] is not None for line in lines(folder / "out.jsonl")] == [True] * 4
