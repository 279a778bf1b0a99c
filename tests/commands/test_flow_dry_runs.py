"""`homa run --flow --dry-run`: calls, tokens and cost of each step, without a call and without a store."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.commands.conftest import MODEL, Fleet, Invoke

FLOW = f"""
name = "contracts"
[steps.pages]
split = "pages"
[steps.facts]
map = "pages"
prompt = "Facts of {{{{text}}}}"
model = "{MODEL}"
max_tokens = 50
[steps.whole]
reduce = "facts"
prompt = "All of {{{{items}}}}"
model = "{MODEL}"
max_tokens = 50
"""
OPEN = f"""
[steps.kind]
map = "inputs"
prompt = "{{{{text}}}}"
model = "openai:mine"
[steps.long]
filter = "kind"
where = {{ minLength = 5 }}
[steps.told]
map = "long"
prompt = "{{{{long}}}}"
model = "{MODEL}"
judge = "{MODEL}"
rubric = "Short"
[steps.parts]
split = "inputs"
function = "cut"
[steps.each]
map = "parts"
prompt = "{{{{text}}}}"
model = "{MODEL}"
"""


@pytest.fixture(autouse=True)
def documents(folder: Path) -> Path:
    (folder / "flow.toml").write_text(FLOW)
    (folder / "open.toml").write_text(OPEN)
    (folder / "in").mkdir()
    for name in "abc":
        (folder / "in" / f"{name}.txt").write_text(f"Text of {name}")
    (folder / "in" / "header.csv").write_text("id,text,id\nx,Text of x,y\n")
    (folder / "in" / "z.bin").write_bytes(b"\x7fELF\2\0\0\0")
    return folder


@pytest.fixture
def alone(fleet: Fleet) -> dict[str, str]:
    """Settings without any store."""
    env = {name: value for name, value in fleet.env.items() if name != "HOMA_REDIS_URL"}
    return {**env, "HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "60"}


def test_it_shows_each_step_without_a_store(fleet: Fleet, alone: dict[str, str], invoke: Invoke) -> None:
    before = fleet.received()
    told = invoke(alone, "run", "in", "--flow", "flow.toml", "--dry-run", "--budget", "2", "-o", "out.jsonl")
    assert told.exit_code == 0, told.stderr
    assert "First prompt of facts:\n\n[user]\nFacts of Text of a\n" in told.stdout
    assert "contracts: 5 inputs, 1 of them bad (the first: in/z.bin" in told.stdout
    rows = {row.split()[0]: row.split()[1:] for row in told.stdout.splitlines() if row.startswith(("facts", "whole"))}
    assert (rows["facts"][:2], rows["whole"][:2]) == (["map", "4"], ["reduce", "4"])
    assert "\n8 calls, about " in told.stdout
    assert ", at most $0.0" in told.stdout
    assert "budget: $2.00" in told.stdout
    assert "time: at least 8s" in told.stdout
    assert "in/header.csv: header names 'id' more than once" in told.stdout
    assert "store none" in told.stderr
    assert fleet.received() == before
    assert not Path("out.jsonl").exists()
    assert not Path(alone["HOMA_HOME"]).exists()


def test_its_numbers_are_one_json_document(alone: dict[str, str], invoke: Invoke) -> None:
    answer = invoke(alone, "run", "in", "--flow", "flow.toml", "--dry-run", "--json", "--limit", "2")
    told = json.loads(answer.stdout)
    assert (told["flow"], told["inputs"], told["bad_inputs"], told["calls"]) == ("contracts", 2, 0, 4)
    assert told["output_tokens"] == 4 * 50
    assert 0 < float(told["expected_usd"]) < float(told["most_usd"])
    assert (told["seconds_at_limits"], told["unknown"]) == (4.0, [])
    assert {name: (step["calls"], step["at_most"]) for name, step in told["steps"].items()} == {
        "facts": (2, False),
        "whole": (2, False),
    }
    sample = ("run", "in", "--flow", "flow.toml", "--dry-run", "--json", "--sample", "3")
    assert json.loads(invoke(alone, *sample).stdout)["inputs"] == 3


def test_what_nobody_knows_is_said(alone: dict[str, str], invoke: Invoke) -> None:
    answer = invoke(alone, "run", "in/a.txt", "in/b.txt", "--flow", "open.toml", "--dry-run")
    assert answer.exit_code == 0, answer.stderr
    rows = {row.split()[0]: row.split()[1:] for row in answer.stdout.splitlines() if row.startswith(("kind", "each"))}
    assert rows["kind"][-2:] == ["unpriced", "unpriced"]
    assert rows["each"] == ["map", "?", "?", "?", "?", "?"]
    assert "≤ 2 + 2 verdicts" in answer.stdout
    assert "cost: unpriced, since no price is known for openai:mine" in answer.stdout
    assert "counted as if every answer passed every filter" in answer.stdout
    assert "each: how often it is done shows when cut, a function on the workers, has made the parts" in answer.stdout
    told = json.loads(invoke(alone, "run", "in/a.txt", "--flow", "open.toml", "--dry-run", "--json").stdout)
    assert (told["steps"]["each"]["calls"], told["most_usd"]) == (None, None)
    assert [line.partition(":")[0] for line in told["unknown"]] == ["told", "each"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--flow", "bad.toml"], 2, "no provider is named 'nobody'"),
        (["--flow", "flow.toml", "--budget", "0.000000001"], 3, "but one call of"),
        (["--flow", "flow.toml", "-o", "out.doc"], 2, "no format is called .doc"),
    ],
)
def test_what_the_run_would_refuse_is_refused(
    alone: dict[str, str], invoke: Invoke, folder: Path, arguments: list[str], status: int, message: str
) -> None:
    (folder / "bad.toml").write_text('[steps.a]\nmap = "inputs"\nprompt = "{{text}}"\nmodel = "nobody:x"\n')
    answer = invoke(alone, "run", "in", "--dry-run", *arguments)
    assert (answer.exit_code, message in answer.stderr) == (status, True), answer.stderr
