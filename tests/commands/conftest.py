"""A fleet for the command line: the shared store, a simulated provider, and a worker that lives as long as a module."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from homa.cli import main
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.transitions import admin
from homa_workers.simulator import SimulatorConfig, SimulatorThread
from tests.fixtures.documents import hold_to_schema
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"


@dataclass
class Fleet:
    """Where a command finds store and provider."""

    store: Store
    simulator: SimulatorThread
    env: dict[str, str] = field(default_factory=dict)

    def received(self) -> int:
        """Calls that the provider has seen."""
        return int(self.simulator.stats()["received"])

    def billed(self) -> int:
        """Calls that it charges for."""
        return int(self.simulator.bill()["total"]["requests"])

    def workers(self) -> int:
        return self.store.run(reads.live_workers(self.store.keys, "openai"))


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(SimulatorConfig(reply="echo", output_tokens=20)) as running:
        yield running


def fleet_at(url: str, simulator: SimulatorThread, home: Path) -> Fleet:
    namespace = f"c{uuid.uuid4().hex[:12]}"
    env = {
        "HOMA_REDIS_URL": url,
        "HOMA_NAMESPACE": namespace,
        "HOMA_HOME": str(home),
        "HOMA_LEASE_S": "3",
        "HOMA_PROVIDERS__OPENAI__API_KEY": "sk-test",
        "HOMA_PROVIDERS__OPENAI__BASE_URL": f"{simulator.url}/v1",
        "HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "600000",
    }
    return Fleet(Store(StoreAddress.parse(url), namespace), simulator, env)


@pytest.fixture
def fleet(store_url: str, simulator: SimulatorThread, tmp_path: Path) -> Iterator[Fleet]:
    """A namespace without a worker."""
    simulator.configure(**DEFAULTS)
    fleet = fleet_at(store_url, simulator, tmp_path / "home")
    yield fleet
    fleet.store.close()


#: What a test that changes the simulator leaves behind is undone for the next.
DEFAULTS: dict[str, Any] = {"latency_ms": 0.0, "token_ms": 0.0, "faults": {}, "api_keys": (), "models": ()}


@pytest.fixture(scope="module")
def staffed_fleet(
    session_store_url: str, simulator: SimulatorThread, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    fleet = fleet_at(session_store_url, simulator, tmp_path_factory.mktemp("home"))
    worker = subprocess.Popen(
        [sys.executable, "-m", "homa_workers", "openai", "--until-stdin-closes"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **fleet.env},
    )
    eventually(fleet.workers)
    yield fleet
    assert worker.stdin is not None
    worker.stdin.close()
    worker.wait(PATIENCE_S)
    fleet.store.close()


@pytest.fixture
def staffed(staffed_fleet: Fleet) -> Fleet:
    """A namespace that a worker serves. It has no answers of an earlier test's, or of the same one tried again."""
    staffed_fleet.simulator.configure(**DEFAULTS)
    while staffed_fleet.store.run(admin.clear_cache(staffed_fleet.store.keys)):
        pass
    return staffed_fleet


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory without any settings."""
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    return work


Invoke = Callable[..., Result]


@pytest.fixture
def invoke(folder: Path) -> Invoke:
    """Runs the command line in this process."""

    def run(fleet: Fleet | Mapping[str, str], *arguments: str, given: str | None = None) -> Result:
        env = fleet.env if isinstance(fleet, Fleet) else fleet
        done = CliRunner().invoke(main, list(arguments), env=dict(env), input=given)
        hold_to_schema(arguments, done.stdout)
        return done

    return run


def start(fleet: Fleet, *arguments: str) -> subprocess.Popen[str]:
    """The command line as a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "homa.cli", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **fleet.env},
        start_new_session=True,
    )


def finished(process: subprocess.Popen[str], timeout_s: float = 60.0) -> tuple[int, str, str]:
    """Exit status, stdout and stderr."""
    out, err = process.communicate(timeout=timeout_s)
    return process.returncode, out, err


def lines(path: Path) -> list[dict[str, Any]]:
    """A results file."""
    return [orjson.loads(line) for line in path.read_bytes().splitlines()]


def ids(path: Path) -> list[str]:
    return [line["custom_id"] for line in lines(path)]


def write_rows(path: Path, count: int, text: str = "row {}") -> list[str]:
    """A JSON Lines file; the custom_ids of its rows."""
    names = [f"r{number}" for number in range(count)]
    path.write_bytes(b"".join(orjson.dumps({"id": name, "text": text.format(name)}) + b"\n" for name in names))
    return names
