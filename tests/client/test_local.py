"""`Homa.local()` runs the workers that its jobs need, for as long as it is open."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from homa import AsyncHoma, Homa, HomaError, InvalidRequest, ResultTimeout
from homa.client import announcement, unserved
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_workers.simulator import SimulatorConfig, SimulatorThread
from tests.client.conftest import FakeWorker, echo
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

MODEL, OTHER = "openai:gpt-6-luna", "anthropic:claude-haiku-5-5"


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(SimulatorConfig(reply="echo", output_tokens=20)) as running:
        yield running


@pytest.fixture
def environment(store_url: str, namespace: str, simulator: SimulatorThread, tmp_path: Path) -> dict[str, str]:
    simulator.configure(latency_ms=0.0)
    return {
        "HOMA_REDIS_URL": store_url,
        "HOMA_NAMESPACE": namespace,
        "HOMA_HOME": str(tmp_path / "home"),
        "HOMA_LEASE_S": "3",
        "HOMA_PROVIDERS__OPENAI__API_KEY": "sk-test",
        "HOMA_PROVIDERS__OPENAI__BASE_URL": f"{simulator.url}/v1",
        "HOMA_PROVIDERS__ANTHROPIC__API_KEY": "sk-test",
        "HOMA_PROVIDERS__ANTHROPIC__BASE_URL": f"{simulator.url}/anthropic",
        "HOMA_PROVIDERS__MISTRAL__API_KEY": "a key\nof two lines",
    }


@pytest.fixture
def settings(environment: dict[str, str], tmp_path: Path) -> Settings:
    return load_settings(env=environment, cwd=tmp_path)


@pytest.fixture
def served(store: Store) -> Callable[[str], int]:
    """How many live workers take from a queue."""
    return lambda queue: store.run(reads.live_workers(store.keys, queue))


def own_workers(settings: Settings) -> list[Path]:
    return sorted((settings.home / "logs").glob("client-*.log"))


def test_a_result_needs_no_worker_of_anybody_else(settings: Settings, served: Callable[[str], int]) -> None:
    with Homa.local(settings=settings) as homa:
        assert homa.submit("Hello", model=MODEL).result(timeout=PATIENCE_S).text
        assert served("openai") == 1
        # Another provider's target, later.
        assert homa.submit("Hello", model=OTHER).result(timeout=PATIENCE_S).text
        assert len(own_workers(settings)) == 2
    assert (served("openai"), served("anthropic")) == (0, 0)
    assert own_workers(settings) == []


async def test_an_event_loop_has_it_too(settings: Settings, served: Callable[[str], int]) -> None:
    async with AsyncHoma.local(settings=settings) as homa:
        batch = await homa.submit_batch(["a", "b"], model=MODEL)
        assert len([line async for line in batch.results(timeout=PATIENCE_S) if line.ok]) == 2
        texts = [piece async for piece in homa.stream("c", model=MODEL)]
        assert "".join(texts)
    assert served("openai") == 0


def test_a_blocking_client_works_inside_of_a_running_loop(settings: Settings) -> None:
    async def cell() -> str:
        with Homa.local(settings=settings) as homa:
            return homa.submit("Hello", model=MODEL).result(timeout=PATIENCE_S).text

    assert asyncio.run(cell())


def test_fallbacks_are_served_by_the_same_process(settings: Settings, served: Callable[[str], int]) -> None:
    with Homa.local(settings=settings) as homa:
        homa.submit("Hello", model=MODEL, fallbacks=[OTHER]).result(timeout=PATIENCE_S)
        eventually(lambda: served("anthropic") == 1)
        assert len(own_workers(settings)) == 1


def test_a_worker_elsewhere_is_left_to_its_work_until_it_leaves(
    settings: Settings, workers: Callable[..., FakeWorker]
) -> None:
    other = workers(echo)
    eventually(lambda: other.store.run(reads.live_workers(other.store.keys, "openai")))
    with Homa.local(settings=settings) as homa:
        assert homa.submit("Hello", model=MODEL).result(timeout=PATIENCE_S).text == "Hello"
        assert own_workers(settings) == []
        other.stop()
        assert homa.submit("Hello again", model=MODEL).result(timeout=PATIENCE_S).text
        assert len(own_workers(settings)) == 1


def test_as_many_as_were_asked_for_serve_a_provider(settings: Settings, served: Callable[[str], int]) -> None:
    with Homa.local(settings=settings, workers=2) as homa:
        homa.submit("Hello", model=MODEL).result(timeout=PATIENCE_S)
        eventually(lambda: served("openai") == 2)


def test_none_leaves_it_to_others(settings: Settings) -> None:
    with Homa.local(settings=settings, workers="none") as homa, pytest.raises(ResultTimeout, match="no live worker"):
        homa.submit("Hello", model=MODEL).result(timeout=0.2)
    assert own_workers(settings) == []


@pytest.mark.parametrize("wanted", [0, -1, 65, True, "some", 1.5, None])
def test_anything_else_is_refused(wanted: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"workers is .*: expected 'auto', 'none', or a number from 1 to 64"):
        Homa.local(workers=wanted)


def test_a_wait_raises_what_keeps_the_worker_away(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unserved, "LOOK_EACH_S", 0.1)
    with Homa.local(settings=settings) as homa:
        job = homa.submit("Hello", model="mistral:mistral-small-latest")
        with pytest.raises(HomaError, match="the key of provider 'mistral'"):
            job.result(timeout=PATIENCE_S)
        # The client is none the worse for it.
        assert homa.submit("Hello", model=MODEL).result(timeout=PATIENCE_S).text


def test_a_closed_client_may_be_used_again(settings: Settings) -> None:
    homa = Homa.local(settings=settings)
    for _ in range(2):
        with homa:
            assert homa.submit("Hello", model=MODEL).result(timeout=PATIENCE_S).text


def test_a_job_of_before_is_served_when_somebody_waits_for_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unserved, "LOOK_EACH_S", 0.1)
    with Homa(settings=settings) as homa:
        job = homa.submit("Hello", model=MODEL)
    with Homa.local(settings=settings) as homa:
        assert homa.job(job.id).result(timeout=PATIENCE_S).text


def test_calls_in_flight_end_before_the_client_is_closed(settings: Settings, simulator: SimulatorThread) -> None:
    simulator.configure(latency_ms=700.0)
    with Homa.local(settings=settings) as homa:
        job = homa.submit("Hello", model=MODEL)
        eventually(lambda: job.state() == "running")
    assert job.state() == "succeeded"


def test_one_line_is_said(
    settings: Settings, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcement, "_said", False)
    for model in (MODEL, OTHER):
        with Homa.local(settings=settings) as homa:
            homa.submit("Hello", model=model).result(timeout=PATIENCE_S)
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert err.startswith("homa: store ")
    assert "settings from the environment; a worker for openai runs here" in err


SCRIPT = f"""
import os, signal, sys
from homa import Homa

homa = Homa.local()
homa.submit("Hello", model="{MODEL}").result(timeout=60)
print("ready", flush=True)
{{more}}
"""


def script(environment: dict[str, str], more: str) -> subprocess.Popen[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOMA_")}
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(more=more)],
        env=kept | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def line_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


@pytest.mark.parametrize(
    ("more", "number"),
    [
        ("", None),
        ("sys.stdin.read()", signal.SIGINT),
        ("sys.stdin.read()", signal.SIGKILL),
        ("homa.close(); homa.submit('again', model=sys.argv[0])", None),
    ],
    ids=["end", "ctrl-c", "kill", "error"],
)
def test_workers_end_with_their_process(
    environment: dict[str, str], served: Callable[[str], int], more: str, number: signal.Signals | None
) -> None:
    process = script(environment, more)
    try:
        assert line_of(process) == "ready"
        if number is not None:
            assert served("openai") == 1
            process.send_signal(number)
        _, err = process.communicate(timeout=PATIENCE_S)
    finally:
        process.kill()
    eventually(lambda: served("openai") == 0)
    assert "Exception ignored" not in err
    assert "Fatal" not in err


FORK = f"""
child = os.fork()
if child == 0:
    print("child", homa.submit("From the child", model="{MODEL}").result(timeout=60).text != "", flush=True)
    sys.stdin.read()
    os._exit(0)
homa.close()
print("closed", flush=True)
os.waitpid(child, 0)
"""


def test_a_forked_child_neither_ends_nor_keeps_the_workers(
    environment: dict[str, str], served: Callable[[str], int]
) -> None:
    process = script(environment, FORK)
    try:
        assert line_of(process) == "ready"
        assert {line_of(process), line_of(process)} == {"child True", "closed"}
    finally:
        process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    eventually(lambda: served("openai") == 0)
