"""The thread that looks what workers of an own are needed for outlives whatever goes wrong in it."""

from __future__ import annotations

import errno
import gc
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from homa import Homa, HomaError
from homa.client import announcement, crew, unserved
from homa.client.crew import Crew
from homa.supervision import processes
from homa.supervision.supervisor import WorkerSupervisor
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store.embedded import EmbeddedStore
from homa_workers.simulator import SimulatorConfig, SimulatorThread
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(SimulatorConfig(reply="echo")) as running:
        yield running


@pytest.fixture
def environment(store_url: str, namespace: str, simulator: SimulatorThread, tmp_path: Path) -> dict[str, str]:
    return {
        "HOMA_REDIS_URL": store_url,
        "HOMA_NAMESPACE": namespace,
        "HOMA_HOME": str(tmp_path / "home"),
        "HOMA_PROVIDERS__OPENAI__API_KEY": "sk-test",
        "HOMA_PROVIDERS__OPENAI__BASE_URL": f"{simulator.url}/v1",
    }


def test_a_process_that_cannot_be_started_at_once_is_started_later(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start, errors = processes.start, [BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")] * 2

    def failing(*args: Any, **options: Any) -> processes.Process:
        if errors:
            raise errors.pop()
        return start(*args, **options)

    monkeypatch.setattr(processes, "start", failing)
    monkeypatch.setattr(crew, "LOOK_EACH_S", 0.1)
    with Homa.local(settings=load_settings(env=environment, cwd=tmp_path)) as homa:
        assert homa.submit("Hello", model=MODEL).result(timeout=PATIENCE_S).text
    assert errors == []


def test_a_worker_starts_beside_a_store_that_does_not_run_yet(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither waits for the other: the store is not started before the worker is, and the line is said all the same."""
    begun, ensure, start = threading.Event(), EmbeddedStore.ensure, processes.start

    def after_the_worker(self: EmbeddedStore) -> str:
        assert begun.wait(PATIENCE_S), "the worker waits for the store"
        return ensure(self)

    def noted(*args: Any, **options: Any) -> processes.Process:
        begun.set()
        return start(*args, **options)

    monkeypatch.setattr(announcement, "_said", False)
    monkeypatch.setattr(EmbeddedStore, "ensure", after_the_worker)
    monkeypatch.setattr(processes, "start", noted)
    alone = {name: value for name, value in environment.items() if name != "HOMA_REDIS_URL"}
    settings = load_settings(env=alone, cwd=tmp_path)
    try:
        with Homa.local(settings=settings) as homa:
            assert homa.submit("Hello", model=MODEL).result(timeout=PATIENCE_S).text
        assert "a worker for openai runs here" in capfd.readouterr().err
    finally:
        EmbeddedStore(settings.home).stop()


def test_whoever_waits_is_told_what_can_never_be_started(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unserved, "LOOK_EACH_S", 0.1)
    (tmp_path / "file").touch()
    settings = load_settings(env=environment | {"HOMA_HOME": str(tmp_path / "file" / "home")}, cwd=tmp_path)
    told = pytest.raises(HomaError, match=r"the worker cannot be started: .*/file")
    with Homa.local(settings=settings) as homa, told:
        homa.submit("Hello", model=MODEL).result(timeout=PATIENCE_S)


def test_any_other_error_is_logged_once_and_the_next_look_is_taken(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failures = [BrokenPipeError(errno.EPIPE, "stderr is closed")] * 3

    def failing(_: Crew) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr(Crew, "_check_teams", failing)
    monkeypatch.setattr(crew, "LOOK_EACH_S", 0.05)
    caplog.set_level(logging.WARNING, "homa")
    with Homa.local(settings=load_settings(env=environment, cwd=tmp_path)) as homa:
        assert homa.submit("Hello", model=MODEL).result(timeout=PATIENCE_S).text
    assert failures == []
    said = [record.getMessage() for record in caplog.records if "looked after" in record.getMessage()]
    assert said == [
        "workers for this client's jobs could not be looked after: BrokenPipeError: [Errno 32] stderr is closed"
    ]


def test_a_garbage_collection_while_processes_are_started_blocks_nothing(
    environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting, abandoned, start = threading.Event(), threading.Event(), WorkerSupervisor.start

    def interrupted(self: WorkerSupervisor) -> None:
        starting.set()
        assert abandoned.wait(PATIENCE_S)
        gc.collect()
        start(self)

    class Application:
        """In a reference cycle with its client."""

        def __init__(self, settings: Settings) -> None:
            self.itself, self.homa = self, Homa.local(settings=settings)

    monkeypatch.setattr(WorkerSupervisor, "start", interrupted)
    monkeypatch.setattr(announcement, "_said", True)
    application = Application(load_settings(env=environment, cwd=tmp_path))
    application.homa.submit("Hello", model=MODEL)
    found: Crew | None = application.homa._workers._crew
    assert found is not None
    assert starting.wait(PATIENCE_S)
    gc.disable()
    try:
        del application
        abandoned.set()
        found._thread.join(PATIENCE_S)
        assert not found._thread.is_alive()
    finally:
        gc.enable()
    eventually(lambda: all(process.poll() is not None for team in found._teams for process in team.supervisor.running))
