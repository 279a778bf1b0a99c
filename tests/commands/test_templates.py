"""`homa run` and `homa ask` by a stored template; `homa run --debug`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from homa import Homa
from homa_shared.settings.model import load_settings
from tests.commands.conftest import MODEL, Fleet, Invoke, finished, lines, start


@pytest.fixture
def homa(staffed: Fleet, folder: Path) -> Iterator[Homa]:
    with Homa(settings=load_settings(env=staffed.env, cwd=folder)) as homa:
        homa.template("rate", "Rate {{text}} from 1 to {{most}}", system="Be {{tone}}.", variables={"most": "integer"})
        yield homa


def row(**fields: object) -> str:
    return json.dumps(fields) + "\n"


def test_rows_give_the_variables_their_values(homa: Homa, staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "rows.jsonl").write_text(
        row(id="a", text="tea", most=5, tone="kind") + row(id="b", text="milk", most="7", tone="kind")
    )
    done = invoke(staffed, "run", "rows.jsonl", "--template", "rate", "--model", MODEL, "--json")
    assert done.exit_code == 0, done.stderr
    said = {
        line["custom_id"]: line["response"]["body"]["choices"][0]["message"] for line in lines(folder / "results.jsonl")
    }
    assert {name: message["content"] for name, message in said.items()} == {
        "a": "Rate tea from 1 to 5",
        "b": "Rate milk from 1 to 7",
    }
    batch = json.loads(done.stdout)["batch"]
    assert [job.template for job in homa.jobs(batch=batch)] == ["rate@1"] * 2


def test_a_row_whose_value_is_missing_or_wrong_is_a_line_that_says_so(
    homa: Homa, staffed: Fleet, invoke: Invoke, folder: Path
):
    (folder / "rows.jsonl").write_text(
        row(id="a", text="tea", most=5, tone="kind")
        + row(id="b", text="milk", most="many", tone="kind")
        + row(id="c", text="ale", most=5)
    )
    done = invoke(staffed, "run", "rows.jsonl", "--template", "rate@1", "--model", MODEL)
    assert done.exit_code == 1, done.stderr
    errors = {line["custom_id"]: (line["error"] or {}).get("message", "") for line in lines(folder / "results.jsonl")}
    assert errors["a"] == ""
    assert "values['most'] of template rate@1 is 'many': expected a whole number" in errors["b"]
    assert "has no field 'tone'" in errors["c"]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--template", "rate"), "template uses {{most}}: known here are"),
        (("--template", "rat"), "there is no template 'rat'; did you mean 'rate'?"),
        (("--template", "rate", "--prompt", "{{text}}"), "both --template and --prompt: expected one of them"),
        (("--template", "rate", "--system", "x"), "both --template and --system: expected one of them"),
    ],
)
def test_a_run_that_is_wrong_submits_nothing(
    homa: Homa, staffed: Fleet, invoke: Invoke, folder: Path, arguments: tuple[str, ...], why: str
):
    (folder / "rows.jsonl").write_text(row(id="a", text="tea") + row(id="b", text="milk"))
    received = staffed.received()
    said = invoke(staffed, "run", "rows.jsonl", "--model", MODEL, *arguments)
    assert said.exit_code == 2
    assert why in said.stderr
    assert staffed.received() == received


def test_a_dry_run_shows_the_text_with_its_values(homa: Homa, staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "rows.csv").write_text("id,text,most,tone\na,tea,5,kind\nb,milk,7,kind\n")
    said = invoke(staffed, "run", "rows.csv", "--template", "rate", "--model", MODEL, "--dry-run")
    assert said.exit_code == 0, said.stderr
    assert "[system]\nBe kind.\n" in said.stdout
    assert "[user]\nRate tea from 1 to 5\n" in said.stdout


def test_a_resumed_run_goes_on_with_the_template(homa: Homa, staffed: Fleet, invoke: Invoke, folder: Path):
    path = folder / "rows.jsonl"
    path.write_text(row(id="a", text="tea", most=5, tone="kind") + row(id="b", text="milk", most=7, tone="kind"))
    run = ("run", "rows.jsonl", "--template", "rate@1", "--model", MODEL)
    assert invoke(staffed, *run, "--limit", "1").exit_code == 0
    done = invoke(staffed, *run, "--resume")
    assert done.exit_code == 0, done.stderr
    assert sorted(line["custom_id"] for line in lines(folder / "results.jsonl")) == ["a", "b"]


def test_a_run_by_a_newer_version_of_its_template_is_another_order(
    homa: Homa, staffed: Fleet, invoke: Invoke, folder: Path
):
    (folder / "rows.jsonl").write_text(row(id="a", text="tea"))
    homa.template("judge", "Rate {{text}}")
    run = ("run", "rows.jsonl", "--template", "judge", "--model", MODEL)
    assert invoke(staffed, *run).exit_code == 0
    assert "equal" in invoke(staffed, *run, "--resume").stderr
    homa.template("judge", "Judge {{text}}")
    refused = invoke(staffed, *run, "--resume")
    assert refused.exit_code == 2
    assert "another order (changed: system, prompt)" in refused.stderr
    assert invoke(staffed, *run, "--resume", "--changed").exit_code == 0
    (line,) = lines(folder / "results.jsonl")
    assert line["response"]["body"]["choices"][0]["message"]["content"] == "Judge tea"


def test_ask_takes_values_as_text(homa: Homa, staffed: Fleet, invoke: Invoke):
    asked = ("ask", "--template", "rate", "--model", MODEL, "--value", "text=a=b", "--value", "tone=kind")
    answer = invoke(staffed, *asked, "--value", "most=5")
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout == "Rate a=b from 1 to 5\n"
    wrong = invoke(staffed, *asked, "--value", "most=many")
    assert wrong.exit_code == 2
    assert "values['most'] of template rate@1 is 'many': expected a whole number" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ((), "PROMPT is missing: expected the question"),
        (("x", "--value", "a=1"), "--value without --template"),
        (("x", "--template", "rate"), "both --template and PROMPT"),
        (("--template", "rate", "--value", "a"), "expected NAME=VALUE"),
        (("--template", "rate", "--value", "a=1", "--value", "a=2"), "a is given twice"),
    ],
)
def test_an_ask_that_is_wrong_says_why(staffed: Fleet, invoke: Invoke, arguments: tuple[str, ...], why: str):
    said = invoke(staffed, "ask", *arguments, "--model", MODEL)
    assert said.exit_code == 2
    assert why in said.stderr


def test_a_run_with_debug_has_its_workers_log_each_call(fleet: Fleet, folder: Path):
    (folder / "a.txt").write_text("text")
    arguments = ("run", "a.txt", "--prompt", "{{text}}", "--model", MODEL, "--progress", "none")
    status, _, said = finished(start(fleet, *arguments, "--debug"))
    assert status == 0, said
    (log,) = [line.partition("log of its worker: ")[2] for line in said.splitlines() if "log of its worker" in line]
    events = [json.loads(line)["event"] for line in Path(log).read_text().splitlines()]
    assert [event for event in events if event.startswith("call.")] == ["call.sent", "call.returned"]


def test_without_debug_no_log_is_left(fleet: Fleet, folder: Path):
    (folder / "a.txt").write_text("text")
    status, _, said = finished(start(fleet, "run", "a.txt", "--prompt", "{{text}}", "--model", MODEL))
    assert status == 0, said
    assert "log of its worker" not in said
    assert list(Path(fleet.env["HOMA_HOME"]).glob("logs/*")) == []
