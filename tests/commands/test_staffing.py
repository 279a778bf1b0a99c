"""Workers of others may leave while a command waits: it starts its own, or says within seconds that nobody serves."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from homa import Homa
from homa.client import unserved
from homa_shared.model.errors import ResultTimeout
from homa_shared.settings.model import load_settings
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.keys import Keys
from homa_shared.store.transitions.attempts import leave, renew
from tests.commands.conftest import MODEL, Fleet
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S


@contextmanager
def a_worker_that_takes_nothing(fleet: Fleet) -> Iterator[threading.Event]:
    """It lives for the fleet's eyes, until the event is set."""
    left = threading.Event()
    store = Store(fleet.store.address, fleet.store.keys.namespace, role="test")
    facts = {"provider": "openai", "queues": ["openai"]}

    def beat() -> None:
        while not left.is_set():
            store.run(renew(store.keys, worker="other", lease_ms=3000, facts=facts, attempts=[]))
            left.wait(0.5)
        store.run(leave(store.keys, "other"))

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    eventually(lambda: fleet.workers() == 1)
    try:
        yield left
    finally:
        left.set()
        thread.join(PATIENCE_S)
        store.close()


def waits(fleet: Fleet) -> bool:
    return any(row.queued for row in fleet.store.run(reads.queues(fleet.store.keys)))


@contextmanager
def running(fleet: Fleet, folder: Path, *arguments: str, **env: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "homa.cli", *arguments],
        env={**os.environ, **fleet.env, **env},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("command", ["ask", "run", "embed"])
def test_a_command_whose_workers_leave_starts_one_of_its_own(fleet: Fleet, tmp_path: Path, command: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"text": "Hello"}\n')
    arguments = {
        "ask": ("ask", "Hello", "--model", MODEL, "--json"),
        "run": ("run", "in.jsonl", "--prompt", "{text}", "--model", MODEL, "--output", "out.jsonl"),
        "embed": ("embed", "in.jsonl", "--model", "openai:text-embedding-3-small", "--output", "out.jsonl"),
    }[command]
    with (
        a_worker_that_takes_nothing(fleet) as left,
        running(fleet, tmp_path, *arguments) as process,
    ):
        eventually(lambda: waits(fleet))
        left.set()
        _, told = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, told
        assert "no live worker serves openai any more: starting one here" in told


def test_one_that_may_start_none_says_what_it_waits_for(fleet: Fleet, tmp_path: Path) -> None:
    with (
        a_worker_that_takes_nothing(fleet) as left,
        running(fleet, tmp_path, "ask", "Hello", "--model", MODEL, "--workers", "none") as process,
    ):
        eventually(lambda: waits(fleet))
        left.set()
        assert process.stderr is not None
        # Before it stand the store's place, and warnings of the environment.
        line = next(line for line in process.stderr if "live worker" in line)
        assert "no live worker serves openai: the job waits until one is started (`homa worker openai`)" in line


def client(fleet: Fleet) -> Homa:
    return Homa(settings=load_settings(env=fleet.env, cwd=Path(fleet.env["HOMA_HOME"])))


def test_whoever_waits_in_python_is_told_within_seconds(
    fleet: Fleet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unserved, "LOOK_EACH_S", 0.2)
    Path(fleet.env["HOMA_HOME"]).mkdir(exist_ok=True)
    with caplog.at_level(logging.WARNING, "homa"), client(fleet) as homa:
        job = homa.submit("Hello", model=MODEL)
        with pytest.raises(ResultTimeout, match="no live worker serves the queue openai"):
            job.result(timeout=3)
    told = [record.getMessage() for record in caplog.records if record.name == "homa"]
    assert told == [
        f"no live worker serves the queue openai: job {job.id} waits; start one with `homa worker openai`"
    ], "once"


def test_a_command_that_sees_to_its_own_workers_is_told_nothing(
    fleet: Fleet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unserved, "LOOK_EACH_S", 0.1)
    Path(fleet.env["HOMA_HOME"]).mkdir(exist_ok=True)
    with caplog.at_level(logging.WARNING, "homa"), client(fleet) as homa:
        job = homa.submit("Hello", model=MODEL)
        with unserved.seen_to(Keys(load_settings(env=fleet.env).namespace)), pytest.raises(ResultTimeout):
            job.result(timeout=3)
        assert [record for record in caplog.records if record.name == "homa"] == []
        with pytest.raises(ResultTimeout):
            job.result(timeout=3)
    assert [record for record in caplog.records if record.name == "homa"] != []


def test_so_is_whoever_waits_for_a_batch(
    fleet: Fleet, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unserved, "LOOK_EACH_S", 0.2)
    Path(fleet.env["HOMA_HOME"]).mkdir(exist_ok=True)
    with caplog.at_level(logging.WARNING, "homa"), client(fleet) as homa:
        batch = homa.submit_batch(["Hello"], model=MODEL)
        with pytest.raises(ResultTimeout):
            batch.wait(timeout=3)
    told = [record.getMessage() for record in caplog.records if record.name == "homa"]
    assert len(told) == 1
    assert f"batch {batch.id} is waited for; start one with `homa worker openai`" in told[0]
