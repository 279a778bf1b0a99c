"""What is wrong with a `homa run` is said before anything is submitted, with exit status 2."""

from __future__ import annotations

from pathlib import Path

import pytest

from homa_shared.store import reads
from tests.commands.conftest import MODEL, Fleet, Invoke, write_rows


@pytest.fixture(autouse=True)
def rows(folder: Path) -> None:
    write_rows(folder / "rows.jsonl", 3)
    (folder / "table.csv").write_text("name,age\nAda,36\n")
    (folder / "empty").mkdir()
    (folder / "there.jsonl").write_text("")
    (folder / "latin.txt").write_bytes(b"caf\xe9")


GOOD = ("run", "rows.jsonl", "--model", MODEL)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("run", "--model", MODEL), "no INPUT"),
        (("run", "nowhere", "--model", MODEL), "'nowhere': no such file"),
        (("run", "*.nothing", "--model", MODEL), "no file matches"),
        (("run", "empty", "--model", MODEL), "holds no file"),
        (("run", "rows.jsonl"), "--model is missing"),
        (("run", "rows.jsonl", "--model", "gpt-6-luna"), "expected provider:model"),
        (("run", "rows.jsonl", "--model", "opnai:gpt-6-luna"), "did you mean 'openai'"),
        ((*GOOD, "--fallback", "anthropic:x"), "no provider is named 'anthropic'"),
        ((*GOOD, "--prompt", "{{txt}}"), "did you mean {{text}}"),
        ((*GOOD, "--prompt", "What? {text}"), "did you mean {{text}} where it says {text}?"),
        ((*GOOD, "--prompt", "What?"), "names no field, so that each row would be the same paid question"),
        (("run", "table.csv", "--model", MODEL), "known here are name, age, path"),
        ((*GOOD, "--prompt", "@nowhere.txt"), "--prompt @nowhere.txt"),
        ((*GOOD, "--system", "@nowhere.txt"), "--system @nowhere.txt"),
        ((*GOOD, "--schema", "nowhere.json"), "--schema nowhere.json: No such file or directory"),
        ((*GOOD, "--dry-run", "-o", "out.docx"), "no format is called .docx: expected .jsonl"),
        (("ask", "Hi"), "Missing option '--model'. Expected provider:model, such as"),
        (("count", "Hi"), "Missing option '--model'. Expected provider:model, such as"),
        ((*GOOD, "-o", "there.jsonl"), "use --resume"),
        ((*GOOD, "-o", "no/such/dir.jsonl"), "cannot be written"),
        ((*GOOD, "--resume", "--force"), "both given"),
        ((*GOOD, "--resume", "-o", "-"), "a stream keeps nothing"),
        ((*GOOD, "--json", "-o", "-"), "both want standard output"),
        ((*GOOD, "--detach", "--resume"), "expected one of them"),
        ((*GOOD, "--detach", "-o", "-"), "--detach with --output -"),
        ((*GOOD, "--detach", "--workers", "2"), "--detach with --workers 2"),
        ((*GOOD, "--detach"), "no live worker serves openai"),
        ((*GOOD, "--workers", "many"), "expected auto, none, or a number"),
        ((*GOOD, "--workers", "0"), "expected auto, none, or a number"),
        ((*GOOD, "--max-failures", "some"), "expected a number of 1 or more"),
        ((*GOOD, "--max-failures", "0"), "expected a number of 1 or more"),
        ((*GOOD, "--max-failures", "200%"), "expected a number of 1 or more"),
        ((*GOOD, "--budget", "much"), "not an amount of money"),
        ((*GOOD, "--budget", "0"), "more than zero"),
        ((*GOOD, "--budget", "-1"), "negative"),
        ((*GOOD, "--budget", "0.000001"), "lower --max-tokens"),
        (("run", "rows.jsonl", "--model", "openai:my-own-model", "--budget", "1"), "no known price"),
        ((*GOOD, "--tag", "team"), "NAME=VALUE"),
        ((*GOOD, "--tag", "a=1", "--tag", "a=2"), "given twice"),
        ((*GOOD, "--tenant", "a|b"), "tenant"),
        ((*GOOD, "--lane", "slow"), "slow"),
        ((*GOOD, "--deadline", "soon"), "is not a length of time"),
        ((*GOOD, "--deadline", "0"), "is zero: expected a length of time"),
        ((*GOOD, "--max-tokens", "0"), "0"),
        ((*GOOD, "--temperature", "3"), "3"),
        ((*GOOD, "--encoding", "utf-9"), "utf-9"),
        ((*GOOD, "--limit", "0"), "0"),
        ((*GOOD, "--sample", "0"), "0"),
        ((*GOOD, "--format", "xml"), "xml"),
        ((*GOOD, "--progress", "dots"), "dots"),
    ],
)
def test_wrong_usage_exits_with_2_and_says_what(fleet: Fleet, invoke: Invoke, arguments: tuple[str, ...], said: str):
    answer = invoke(fleet, *arguments)
    assert answer.exit_code == 2, answer.output
    assert said in answer.stderr
    assert "Traceback" not in answer.stderr
    assert fleet.store.run(reads.batches(fleet.store.keys)) == []


def test_a_provider_that_is_not_configured_here_and_has_no_worker_exits_with_2(fleet: Fleet, invoke: Invoke):
    invoke(fleet, *GOOD, "--detach", "--workers", "none", "-o", "a.jsonl")
    env = {name: value for name, value in fleet.env.items() if "PROVIDERS" not in name}
    answer = invoke(env, *GOOD)
    assert answer.exit_code == 2, answer.output
    assert "no live worker serves openai, and openai is not configured here" in answer.stderr


def test_a_wrong_setting_exits_with_2(fleet: Fleet, invoke: Invoke):
    answer = invoke({**fleet.env, "HOMA_LEASE_S": "soon"}, *GOOD)
    assert answer.exit_code == 2
    assert "HOMA_LEASE_S" in answer.stderr


def test_detached_jobs_may_wait_for_workers_to_come(fleet: Fleet, invoke: Invoke):
    answer = invoke(fleet, *GOOD, "--detach", "--workers", "none", "--json", "-o", "out.jsonl")
    assert answer.exit_code == 0, answer.stderr
    batches = fleet.store.run(reads.batches(fleet.store.keys))
    view = fleet.store.run(reads.batch(fleet.store.keys, batches[0]))
    assert view is not None
    assert (view.state, view.submitted, view.live) == ("sealed", 3, 3)


def test_a_detached_run_writes_the_lines_of_bad_inputs_at_once(fleet: Fleet, invoke: Invoke, folder: Path):
    (folder / "bad.jsonl").write_text('{"id": "a", "text": "x"}\nnonsense\n')
    answer = invoke(fleet, "run", "bad.jsonl", "--model", MODEL, "--detach", "--workers", "none", "-o", "out.jsonl")
    assert answer.exit_code == 1, answer.stderr
    assert (folder / "out.jsonl").read_text().count("invalid_input") == 1


def test_a_note_that_is_none_is_said(fleet: Fleet, invoke: Invoke, folder: Path):
    (folder / "out.jsonl.run.json").write_text("{}")
    answer = invoke(fleet, *GOOD, "-o", "out.jsonl", "--resume")
    assert answer.exit_code == 2
    assert "not a valid checkpoint of a run" in answer.stderr
