"""`homa worker`, `simulate` and `up`: processes that start, serve, are replaced when they die, and drain."""

from __future__ import annotations

import os
import signal
import socket
import sys
from pathlib import Path

import httpx2
import orjson
import pytest

from homa.cli.exit_status import status_of
from homa.cli.up import RESTARTS, serve
from homa.runs.errors import SignalReceived
from homa.supervision.errors import WorkerLost
from homa.supervision.supervised_worker import WorkerSpec
from homa.supervision.supervisor import WorkerSupervisor
from homa_shared.store import reads
from homa_shared.store.embedded import EmbeddedStore
from tests.commands_b.stand import Stand
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S


def live(stand: Stand) -> dict[str, int]:
    """Pids of live workers by provider."""
    rows = stand.store.run(reads.workers(stand.store.keys))
    return {row.facts["provider"]: row.facts["pid"] for row in rows if row.live and not row.facts.get("draining")}


def test_worker_becomes_a_worker_process_that_drains_on_sigterm(stand: Stand) -> None:
    with stand.process("worker", "openai", "--concurrency", "7") as process:
        eventually(lambda: live(stand).get("openai") == process.pid)
        row = stand.json("workers")["workers"][0]
        assert (row["provider"], row["concurrency"], row["pid"]) == ("openai", 7, process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 0
    assert stand.json("workers") == {"workers": []}


def test_simulate_prints_its_address(stand: Stand) -> None:
    with stand.process("simulate", "--max-seconds", "20") as process:
        assert process.stdout is not None
        assert orjson.loads(process.stdout.readline())["url"].startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 0


@pytest.mark.parametrize("command", ["worker", "simulate", "up", "demo"])
def test_a_missing_part_names_its_install_line(stand: Stand, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homa.supervision.requirements.find_spec", lambda name: None)
    said = stand.said(command)
    assert said.status == 2
    assert "pip install 'homa-queue[workers]'" in said.stderr


def test_up_serves_every_provider_and_replaces_a_worker_that_dies(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOMA_PROVIDERS__ANTHROPIC__API_KEY", "not-a-key")
    with stand.process("up", "--no-gateway") as process:
        eventually(lambda: live(stand).keys() == {"openai", "anthropic"}, 30)
        killed = live(stand)["openai"]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: live(stand).get("openai", killed) != killed, 30)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE_S) == 130
        assert process.stderr is not None
        said = process.stderr.read()
    assert "worker openai was killed by SIGKILL; it is started again in 1 s" in said
    assert "draining" in said
    # The killed one could not sign off: only its silence tells.
    assert set(live(stand).values()) <= {killed}


def test_up_starts_the_embedded_store_and_its_settings_follow_the_file(stand: Stand, embedded: EmbeddedStore) -> None:
    def serve() -> str:
        with stand.process("up", "openai", "--concurrency", "3", "--no-gateway") as process:
            assert process.stderr is not None
            said = ""
            while "serves openai" not in said:
                said += process.stderr.readline()
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=PATIENCE_S) == 143
            return said

    assert "settings follow" not in serve()
    assert embedded.running() is not None
    path = stand.home / "homa.toml"
    path.write_text(path.read_text().replace("60000", "30000"))
    assert "the fleet's settings follow this machine's" in serve()
    assert stand.json("apply")["changes"] == []


def test_up_serves_http_for_this_machine(stand: Stand) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with stand.process("up", "openai", "--port", str(port)) as process:

        def answers() -> bool:
            try:
                return httpx2.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
            except httpx2.HTTPError:
                return False

        eventually(answers)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE_S) == 130
        eventually(lambda: not answers())


def test_up_goes_without_a_gateway_where_its_port_is_taken(stand: Stand) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with stand.process("up", "openai", "--port", str(taken.getsockname()[1])) as process:
            eventually(lambda: "openai" in live(stand))
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=PATIENCE_S) == 130
            assert process.stderr is not None
            assert "no gateway: port" in process.stderr.read()


def test_up_takes_only_providers_that_are_configured(stand: Stand) -> None:
    said = stand.said("up", "gemini")
    assert said.status == 2
    assert "provider 'gemini' is not configured: expected one of anthropic, openai" in said.stderr
    (stand.home / "homa.toml").write_text("")
    assert "no provider is configured" in stand.said("up").stderr


def supervised(name: str, source: str) -> WorkerSupervisor:
    return WorkerSupervisor([WorkerSpec(name, command=(sys.executable, "-c", source))], RESTARTS)


def test_a_worker_that_refuses_its_settings_is_not_started_again() -> None:
    with pytest.raises(WorkerLost) as stopped:
        serve(supervised("worker openai", "raise SystemExit(2)"))
    assert status_of(stopped.value) == 2


def test_a_second_signal_is_passed_on(tmp_path: Path) -> None:
    """The child counts the signals that it gets, and ends at the second."""
    ready = tmp_path / "ready"
    source = (
        "import pathlib, signal, sys\n"
        "got = []\n"
        "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0) if got else got.append(1))\n"
        f"pathlib.Path({str(ready)!r}).touch()\n"
        "while True: signal.pause()\n"
    )
    supervisor = supervised("worker slow", source)
    looks: list[int] = []

    def check() -> None:
        original()
        if ready.exists():
            looks.append(1)
            os.kill(os.getpid(), signal.SIGINT)
            if len(looks) == 1:
                signal.setitimer(signal.ITIMER_REAL, 0.3)

    original = supervisor.check
    supervisor.check = check  # type: ignore[method-assign]
    before = signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    try:
        with pytest.raises(SignalReceived) as stopped:
            serve(supervisor)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert status_of(stopped.value) == 130
