"""`homa ask`: one job and its answer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from homa.supervision import own_workers
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from tests.commands.conftest import MODEL, Fleet, Invoke, finished, start
from tests.fixtures.store import eventually


@pytest.mark.parametrize("way", ["--stream", "--no-stream"])
def test_an_answer_goes_to_stdout_and_its_cost_to_stderr(staffed: Fleet, invoke: Invoke, way: str):
    answer = invoke(staffed, "ask", "Tell me", "--model", MODEL, way)
    assert answer.exit_code == 0, answer.stderr
    assert answer.stdout == "Tell me\n"
    assert "openai:gpt-6-luna, " in answer.stderr
    assert "$0.00" in answer.stderr


def test_an_answer_comes_as_it_is_written(staffed: Fleet, folder: Path):
    staffed.simulator.configure(token_ms=300.0)
    process = start(staffed, "ask", "one two three four five six seven eight", "--model", MODEL)
    assert process.stdout is not None
    first = os.read(process.stdout.fileno(), 3).decode()
    assert first == "one"
    assert process.poll() is None
    staffed.simulator.configure(token_ms=0.0)
    status, rest, err = finished(process)
    assert status == 0, err
    assert first + rest == "one two three four five six seven eight\n"


def test_json_is_one_document(staffed: Fleet, invoke: Invoke):
    answer = invoke(staffed, "ask", "Tell me", "--model", MODEL, "--system", "Be brief", "--max-tokens", "50", "--json")
    told = json.loads(answer.stdout)
    assert (told["text"], told["provider"], told["model"], told["attempts"]) == ("Tell me", "openai", "gpt-6-luna", 1)
    assert float(told["cost_usd"]) > 0


def test_a_content_policys_refusal_goes_to_the_fallback_where_it_is_told_to(
    staffed: Fleet, invoke: Invoke, folder: Path
):
    prompt = "[[fault:content_filter@gpt-6-luna]]"
    asked = ("--model", MODEL, "--fallback", "openai:gpt-6-sol", "--json")
    refused = invoke(staffed, "ask", prompt, *asked)
    assert refused.exit_code == 1
    assert "rejected by the safety system" in refused.stderr
    answer = invoke(staffed, "ask", prompt, *asked, "--on-content-policy", "reroute")
    assert answer.exit_code == 0, answer.stderr
    assert json.loads(answer.stdout)["model"] == "gpt-6-sol"
    (folder / "a.txt").write_text(prompt)
    ran = invoke(staffed, "run", "a.txt", *asked, "--on-content-policy", "reroute", "-o", "out.jsonl")
    assert ran.exit_code == 0, ran.stderr
    assert json.loads((folder / "out.jsonl").read_text())["homa"]["model"] == "gpt-6-sol"


def test_files_and_standard_input_make_the_prompt(staffed: Fleet, invoke: Invoke, folder: Path):
    (folder / "a.txt").write_text("First")
    (folder / "b.md").write_text("Second")
    answer = invoke(staffed, "ask", "-", "--model", MODEL, "--file", "a.txt", "--file", "b.md", given="Question")
    assert answer.stdout == "First\n\nSecond\n\nQuestion\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("", "--model", MODEL), "prompt is empty"),
        (("x",), "--model"),
        (("x", "--model", "nope:x"), "no provider is named 'nope'"),
        (("x", "--model", MODEL, "--file", "nowhere.txt"), "no such file"),
        (("x", "--model", MODEL, "--file", "rows.jsonl"), "expected one text"),
        (("x", "--model", MODEL, "--file", "blank.txt"), "is empty"),
        (("x", "--model", MODEL, "--tag", "a"), "NAME=VALUE"),
        (("x", "--model", MODEL, "--workers", "x"), "expected auto, none"),
    ],
)
def test_wrong_usage_exits_with_2(staffed: Fleet, invoke: Invoke, folder: Path, arguments: tuple[str, ...], said: str):
    (folder / "rows.jsonl").write_text('{"text": "a"}\n{"text": "b"}\n')
    (folder / "blank.txt").write_text("")
    answer = invoke(staffed, "ask", *arguments)
    assert answer.exit_code == 2, answer.output
    assert said in answer.stderr


def test_a_job_that_fails_exits_with_1(staffed: Fleet, invoke: Invoke):
    for way in ("--stream", "--no-stream"):
        answer = invoke(staffed, "ask", "[[fault:400]]", "--model", MODEL, way)
        assert answer.exit_code == 1, answer.output
        assert "failed" in answer.stderr
        assert "Traceback" not in answer.stderr


def test_it_brings_a_worker_where_none_lives(fleet: Fleet, folder: Path):
    status, out, err = finished(start(fleet, "ask", "Hello", "--model", MODEL))
    assert status == 0, err
    assert out == "Hello\n"
    eventually(lambda: fleet.workers() == 0)


def test_who_leaves_cancels_the_job(fleet: Fleet, folder: Path):
    fleet.simulator.configure(latency_ms=60_000.0)
    process = start(fleet, "ask", "Hello", "--model", MODEL)
    eventually(lambda: fleet.simulator.stats()["in_flight"] > 0)
    process.send_signal(signal.SIGINT)
    status, _, err = finished(process, 20)
    assert status == 130, err
    job_id = err.split("cancelled job ")[1].split()[0]
    eventually(lambda: fleet.store.run(reads.state(fleet.store.keys, job_id)) is State.CANCELLED)
    eventually(lambda: fleet.simulator.stats()["in_flight"] == 0)


def test_a_worker_that_cannot_start_ends_it_with_its_log(fleet: Fleet, invoke: Invoke, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(own_workers, "RESTARTS", 0)
    answer = invoke({**fleet.env, "HOMA_SENTRY_DSN": "no address"}, "ask", "Hi", "--model", MODEL, "--no-stream")
    assert answer.exit_code in (2, 3)
    assert "worker ended" in answer.stderr
    assert "cancelled job" in answer.stderr


@pytest.mark.parametrize("arguments", [("ask", "-", "--model", MODEL), ("count", "-", "--model", MODEL)])
def test_standard_input_that_is_no_text_is_named(fleet: Fleet, folder: Path, arguments: tuple[str, ...]):
    environment = {**os.environ, **fleet.env, "PYTHONIOENCODING": "utf-8:strict"}
    command = [sys.executable, "-m", "homa.cli", *arguments]
    done = subprocess.run(command, input=b"caf\xe9", env=environment, capture_output=True, check=False, timeout=60)
    assert done.returncode == 2
    assert b"standard input is not UTF-8" in done.stderr


@pytest.mark.parametrize("way", ["--stream", "--no-stream"])
def test_it_says_what_a_job_waits_for_and_of_what_it_expired(
    staffed: Fleet, invoke: Invoke, monkeypatch: pytest.MonkeyPatch, way: str
):
    monkeypatch.setattr("homa.cli.ask.run._TELL_EACH_S", 0.2)
    staffed.store.run(admin.pause_queue(staffed.store.keys, "openai"))
    try:
        answer = invoke(staffed, "ask", "Tell me", "--model", MODEL, way, "--deadline", "2s")
    finally:
        staffed.store.run(admin.resume_queue(staffed.store.keys, "openai"))
    assert answer.exit_code == 1
    assert answer.stderr.count("the job waits: its queue is paused") == 1
    assert "its deadline passed while it waited in the paused queue openai" in answer.stderr


def test_a_key_that_cannot_be_sent_is_told_before_anything_is_queued(fleet: Fleet, invoke: Invoke):
    env = {**fleet.env, "HOMA_PROVIDERS__OPENAI__API_KEY": "sk-1\nsk-2"}
    answer = invoke(env, "ask", "Tell me", "--model", MODEL)
    assert answer.exit_code == 2
    assert "the key of provider 'openai' holds a line break" in answer.stderr
    assert fleet.store.run(reads.queues(fleet.store.keys)) == []
