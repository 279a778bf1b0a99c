"""A client, workers and simulated providers around one store; what was billed against what the ledger says."""

from __future__ import annotations

import asyncio
from pathlib import Path

from homa import AsyncHoma
from homa_shared.calls.reply import Usage
from homa_shared.model.records import Attempt
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store import reads
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import Op
from homa_workers.fleet.prefix_warmup import Prefixes
from homa_workers.middleware.prefix_warmup import PrefixWarmup
from homa_workers.process.build import WorkerProcess, build
from homa_workers.simulator import Simulator
from homa_workers.simulator.bill import Charge
from homa_workers.simulator.prices import PriceList
from tests.patience import PATIENCE_S

CLAUDE = "anthropic:claude-sonnet-5-5"
NOVA = "bedrock:amazon.nova-pro-v1:0"
BEDROCK = "bedrock:anthropic.claude-sonnet-4-5-20250929-v1:0"
MINI = "openai:gpt-6-luna"
#: The simulator's account -> genai-prices' name.
PRICE_LISTS = {"anthropic": "anthropic", "bedrock": "aws", "openai": "openai"}

TOML = """
[providers.anthropic]
api_key = "sk-any"
base_url = "{url}/anthropic"
[providers.openai]
api_key = "sk-any"
base_url = "{url}/openai/v1"
[providers.bedrock]
base_url = "{url}/bedrock"
region = "us-east-1"
options = {{ aws_access_key_id = "id", aws_secret_access_key = "secret" }}
"""


class Stand:
    """One namespace; every provider is simulated."""

    def __init__(self, url: str, namespace: str, simulator: Simulator, home: Path) -> None:
        self.simulator, self._home = simulator, home
        (home / "homa.toml").write_text(TOML.format(url=simulator.url))
        self._env = {"HOMA_REDIS_URL": url, "HOMA_NAMESPACE": namespace, "HOMA_HOME": str(home)}
        self.address = StoreAddress.parse(url)
        self.store = AsyncStore(self.address, namespace, role="test")
        self.homa = AsyncHoma(settings=self.settings())
        self._processes: list[WorkerProcess] = []
        self._served: list[asyncio.Task[None]] = []

    def settings(self, **env: str) -> Settings:
        return load_settings(env={**self._env, **env}, cwd=self._home)

    async def work(self, *providers: str, **env: str) -> WorkerProcess:
        """Workers; however slow the machine is, the first call of a prefix is waited for."""
        made = await build(self.settings(**env), self.address, providers or ["anthropic", "bedrock"], concurrency=50)
        self._processes.append(made)
        for worker in made.workers:
            pipeline = worker._pipeline
            assert pipeline is not None
            pipeline.middleware.find(PrefixWarmup).prefixes = Prefixes(pipeline.book, hold_s=PATIENCE_S)
            self._served.append(asyncio.create_task(worker.serve()))
        return made

    async def close(self) -> None:
        for made in self._processes:
            made.stop_now()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*self._served, return_exceptions=True)
        for made in self._processes:
            await made.aclose()
        await self.homa.aclose()
        await self.store.aclose()

    # what it came to

    @property
    def charges(self) -> list[Charge]:
        return self.simulator.bill.charges()

    def billed(self) -> int:
        return sum(charge.nano_usd or 0 for charge in self.charges)

    def spared(self) -> int:
        """By the bill: all input at its plain price, less what was charged."""
        prices, spared = PriceList({}), 0
        for charge in self.charges:
            price = prices.price(PRICE_LISTS[charge.account], charge.account, charge.model)
            assert price is not None
            spared += price(Usage(charge.input_tokens, charge.output_tokens)) - (charge.nano_usd or 0)
        return spared

    async def costs(self) -> reads.CostTable:
        return await self.store.run(reads.costs(self.store.keys))

    async def check(self) -> reads.CostTable:
        """The ledger is the bill, and its saving what the bill says was spared."""
        table = await self.costs()
        known, billed = (table.nano_usd, table.unresolved_nano_usd), (self.billed(), 0)
        assert known == billed, f"the ledger has {known}, the bill {billed}"
        saved, spared = table.cache_saved_nano_usd, self.spared()
        assert saved == spared, f"the ledger saved {saved}, the bill {spared}"
        return table

    async def attempts(self, job_id: str) -> list[Attempt]:
        view = await self.store.run(reads.job(self.store.keys, job_id))
        assert view is not None
        return list(view.attempts)

    async def stored(self, job_id: str) -> bytes:
        found = await self.store.run(Op((("GET", self.store.keys.request(job_id)),), lambda replies: replies[0]))
        assert isinstance(found, bytes)
        return found
