"""A gateway on a loopback port, with a real worker and simulated providers behind it."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import read
from homa_workers.simulator import SimulatorConfig, SimulatorThread
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-5.4-mini"
CLAUDE = "anthropic:claude-haiku-5-5"
EMBEDDER = "openai:text-embedding-3-small"

TOML = """
[providers.openai]
api_key = "sk-test"
base_url = "{url}/openai/v1"
limits = {{ rpm = 600000 }}
[providers.anthropic]
api_key = "sk-test"
base_url = "{url}/anthropic"
limits = {{ rpm = 600000 }}
[models.cheap]
target = "openai:gpt-5.4-mini"
fallbacks = ["anthropic:claude-haiku-5-5"]
[models.claude]
target = "anthropic:claude-haiku-5-5"
[models.embedder]
target = "openai:text-embedding-3-small"
[budgets.poor]
cap_usd = 0.000001
period = "day"
scope = "tag"
tag = "team=poor"
"""
#: What a test that changes the simulator leaves behind is undone for the next.
DEFAULTS: dict[str, Any] = {
    "latency_ms": 0.0,
    "token_ms": 0.0,
    "output_tokens": 20,
    "faults": {},
    "reply": "echo",
}


@dataclass
class Cell:
    """One namespace with its gateway, worker and simulator."""

    store: Store
    simulator: SimulatorThread
    env: dict[str, str]
    url: str = ""
    gateway: subprocess.Popen[str] | None = None
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)
    clients: list[openai.OpenAI | anthropic.Anthropic] = field(default_factory=list)

    def openai(self, key: str = "none", **options: Any) -> openai.OpenAI:
        """The official client, which checks each reply against its own types."""
        made = {"max_retries": 0, "_strict_response_validation": True, "timeout": PATIENCE_S, **options}
        client = openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, **made)
        self.clients.append(client)
        return client

    def anthropic(self, key: str = "none", **options: Any) -> anthropic.Anthropic:
        made = {"max_retries": 0, "_strict_response_validation": True, "timeout": PATIENCE_S, **options}
        client = anthropic.Anthropic(base_url=self.url, api_key=key, **made)
        self.clients.append(client)
        return client

    def close_clients(self) -> None:
        for client in self.clients:
            client.close()
        self.clients.clear()

    def state(self, job_id: str) -> str:
        return str(self.store.run(reads.state(self.store.keys, job_id)))

    def jobs(self) -> int:
        """Jobs that were ever submitted."""
        return int(
            self.store.run(read((("HGET", self.store.keys.counters(), "submitted"),), lambda told: told[0] or 0))
        )

    def billed(self) -> int:
        """Calls that the provider charges for."""
        return int(self.simulator.bill()["total"]["requests"])

    def start_gateway(self, *options: str) -> None:
        command = [sys.executable, "-m", "homa.cli", "gateway", "--port", "0", *options]
        log = Path(self.env["HOMA_HOME"]) / f"gateway-{uuid.uuid4().hex[:8]}.log"
        with log.open("w") as stream:
            self.gateway = subprocess.Popen(command, env={**os.environ, **self.env}, stderr=stream, text=True)
        eventually(lambda: "gateway at " in log.read_text() or self._ended())
        self.url = log.read_text().partition("gateway at ")[2].split()[0].rstrip(",")

    def _ended(self) -> bool:
        assert self.gateway is not None
        return self.gateway.poll() is not None

    def start_worker(self, *providers: str) -> None:
        env = {**os.environ, **self.env}
        for provider in providers:
            command = [sys.executable, "-m", "homa_workers", provider, "--until-stdin-closes"]
            self.workers.append(subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env))
        eventually(lambda: all(self.store.run(reads.live_workers(self.store.keys, name)) for name in providers))

    def stop_gateway(self) -> None:
        if self.gateway is not None:
            self.gateway.terminate()
            self.gateway.wait(PATIENCE_S)
            self.gateway = None

    def stop(self) -> None:
        self.close_clients()
        self.stop_gateway()
        for worker in self.workers:
            assert worker.stdin is not None
            worker.stdin.close()
        for worker in self.workers:
            worker.wait(PATIENCE_S)
        self.store.close()


@contextmanager
def cell_at(url: str, simulator: SimulatorThread, home: Path) -> Iterator[Cell]:
    home.mkdir(parents=True, exist_ok=True)
    config = home / "homa.toml"
    config.write_text(TOML.format(url=simulator.url))
    namespace = f"g{uuid.uuid4().hex[:12]}"
    env = {
        "HOMA_REDIS_URL": url,
        "HOMA_NAMESPACE": namespace,
        "HOMA_HOME": str(home),
        "HOMA_CONFIG": str(config),
        "HOMA_LEASE_S": "3",
    }
    cell = Cell(Store(StoreAddress.parse(url), namespace, role="test"), simulator, env)
    try:
        yield cell
    finally:
        cell.stop()


@pytest.fixture(scope="module")
def simulator() -> Iterator[SimulatorThread]:
    with SimulatorThread(SimulatorConfig(**DEFAULTS)) as running:
        yield running


@pytest.fixture(scope="module")
def module_cell(
    session_store_url: str, simulator: SimulatorThread, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Cell]:
    with cell_at(session_store_url, simulator, tmp_path_factory.mktemp("home")) as cell:
        cell.start_worker("openai", "anthropic")
        cell.start_gateway()
        yield cell


@pytest.fixture
def cell(module_cell: Cell) -> Iterator[Cell]:
    """A gateway without keys, with workers for OpenAI and Anthropic; it lives as long as the module."""
    module_cell.simulator.configure(**DEFAULTS)
    yield module_cell
    module_cell.close_clients()


@pytest.fixture
def bare_cell(store_url: str, simulator: SimulatorThread, tmp_path: Path) -> Iterator[Cell]:
    """A cell of the test's own, with nothing started."""
    simulator.configure(**DEFAULTS)
    with cell_at(store_url, simulator, tmp_path / "home") as cell:
        yield cell
