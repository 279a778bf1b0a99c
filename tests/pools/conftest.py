"""Two simulated accounts behind one alias, their workers, and a client that knows them by the alias."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
import structlog

from homa import AsyncHoma
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store import reads
from homa_shared.store.address import StoreAddress
from homa_shared.store.client import AsyncStore
from homa_shared.store.reads.money import LedgerLine
from homa_workers.process.build import WorkerProcess, build
from homa_workers.simulator import Simulator, SimulatorConfig
from tests.patience import PATIENCE_S

MODEL = "gpt-6-luna"
A, B = f"one:{MODEL}", f"two:{MODEL}"

TOML = """
[providers.one]
kind = "openai"
api_key = "not-a-key-1"
base_url = "{one}/openai/v1"
limits = {{ rpm = {one_rpm} }}
[providers.two]
kind = "openai"
api_key = "not-a-key-2"
base_url = "{two}/openai/v1"
limits = {{ rpm = {two_rpm} }}
[providers.spare]
kind = "openai"
api_key = "not-a-key-3"
base_url = "{spare}/openai/v1"
[models.fast]
pool = ["one:gpt-6-luna", "two:gpt-6-luna"]
[models.safe]
pool = ["one:gpt-6-luna", "two:gpt-6-luna"]
fallbacks = ["spare:gpt-6-luna"]
[models.outer]
target = "spare:gpt-6-luna"
fallbacks = ["fast"]
[prices."two:gpt-6-luna"]
input = 1
output = 10
[prices."spare:gpt-6-luna"]
input = 1
output = 10
"""


class Stand:
    """A namespace with two accounts in a pool, and a third beside it."""

    def __init__(self, url: str, namespace: str, home: Path, simulators: dict[str, Simulator]) -> None:
        self.simulators, self._home = simulators, home
        self._environment = {"HOMA_REDIS_URL": url, "HOMA_NAMESPACE": namespace, "HOMA_HOME": str(home)}
        self.address = StoreAddress.parse(url)
        self.store = AsyncStore(self.address, namespace, role="test")
        self.keys = self.store.keys
        self._made: list[WorkerProcess] = []
        self._served: list[asyncio.Task[None]] = []
        self.settings = self.written(one_rpm=600_000, two_rpm=600_000)
        self.homa = AsyncHoma(settings=self.settings)

    def written(self, **limits: int) -> Settings:
        urls = {name: simulator.url for name, simulator in self.simulators.items()}
        (self._home / "homa.toml").write_text(TOML.format(**urls, **limits))
        return load_settings(env=self._environment, cwd=self._home)

    def limited(self, one_rpm: int, two_rpm: int) -> None:
        """Gives each account a quota, in the settings and at its provider."""
        self.settings = self.written(one_rpm=one_rpm, two_rpm=two_rpm)
        self.homa = AsyncHoma(settings=self.settings)
        for name, rpm in (("one", one_rpm), ("two", two_rpm)):
            self.simulators[name].configure(limits={"rpm": rpm}, burst_s=1.0)

    async def workers(self, *providers: str) -> WorkerProcess:
        """One process that serves these accounts."""
        made = await build(self.settings, self.address, providers or ("one", "two"))
        self._made.append(made)
        self._served += [asyncio.create_task(worker.serve()) for worker in made.workers]
        return made

    async def ledger(self) -> list[LedgerLine]:
        return await self.store.run(reads.ledger(self.keys))

    async def view(self, job_id: str) -> reads.JobView:
        view = await self.store.run(reads.job(self.keys, job_id))
        assert view is not None
        return view

    async def history(self, job_id: str) -> list[tuple[str, str]]:
        return [(attempt.target, attempt.outcome) for attempt in (await self.view(job_id)).attempts]

    async def close(self) -> None:
        for made in self._made:
            made.stop_now()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*self._served, return_exceptions=True)
        for made in self._made:
            await made.aclose()
        await self.homa.aclose()
        await self.store.aclose()


async def until(condition: Callable[[], bool | Awaitable[bool]], timeout_s: float = PATIENCE_S) -> None:
    """Returns when the condition holds."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = condition()
            if (await found) if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def stand(store_url: str, namespace: str, tmp_path: Path) -> AsyncIterator[Stand]:
    one, two, spare = (Simulator(SimulatorConfig(output_tokens=5)) for _ in range(3))
    async with one, two, spare:
        stand = Stand(store_url, namespace, tmp_path, {"one": one, "two": two, "spare": spare})
        yield stand
        await stand.close()
