"""One namespace on the shared store with real workers and simulated providers."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import orjson

from homa_shared.calls.request import JobRequest, Option
from homa_shared.model.records import Attempt, State
from homa_shared.model.tokens import Tokens
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store import reads
from homa_shared.store.audit import audit
from homa_shared.store.client import AsyncStore, Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import mapping, read
from homa_shared.store.reads.jobs import JobView
from homa_shared.store.reads.money import LedgerLine
from homa_shared.store.transitions.submit import Common, Entry, submit
from homa_workers.middleware.entry_points import Given
from homa_workers.process.build import WorkerProcess, build
from homa_workers.process.worker import HomaWorker
from homa_workers.simulator import Simulator
from tests.patience import PATIENCE_S

MINI, HAIKU = "openai:gpt-6-luna", "anthropic:claude-haiku-5-5"
#: Upper bound of each test job's call, nano-dollars.
BOUND = 50_000_000


async def until(condition: Callable[[], bool | Awaitable[bool]], timeout_s: float = PATIENCE_S) -> None:
    """Returns when the condition holds."""
    async with asyncio.timeout(timeout_s):
        while True:
            found = condition()
            if (await found) if isinstance(found, Awaitable) else found:
                return
            await asyncio.sleep(0.01)


class Cell:
    """One namespace: its store, the simulated providers, and the workers of a test."""

    def __init__(self, url: str, namespace: str, simulator: Simulator, home: Path) -> None:
        self.url, self.namespace, self.simulator, self.home = url, namespace, simulator, home
        self.address = StoreAddress.parse(url)
        self.store = AsyncStore(self.address, namespace, role="test")
        self.keys = self.store.keys
        self._ids = (f"j{n}" for n in itertools.count(1))
        self._processes: list[WorkerProcess] = []
        self._served: list[asyncio.Task[None]] = []

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "HOMA_REDIS_URL": self.url,
            "HOMA_NAMESPACE": self.namespace,
            "HOMA_HOME": str(self.home),
            "HOMA_PROVIDERS__OPENAI__API_KEY": "sk-test-openai-secret",
            "HOMA_PROVIDERS__OPENAI__BASE_URL": f"{self.simulator.url}/openai/v1",
            "HOMA_PROVIDERS__ANTHROPIC__API_KEY": "sk-test-anthropic-secret",
            "HOMA_PROVIDERS__ANTHROPIC__BASE_URL": f"{self.simulator.url}/anthropic",
            **more,
        }

    def settings(self, **more: str) -> Settings:
        return load_settings(env=self.environment(**more), cwd=self.home)

    def books(self) -> list[str]:
        """What does not add up in the store; nothing, in a sound one."""
        store = Store(self.address, self.namespace, role="test")
        try:
            return list(map(str, audit(store)))
        finally:
            store.close()

    async def process(
        self, *providers: str, concurrency: int | None = None, middleware: Sequence[Given] = (), **more: str
    ) -> WorkerProcess:
        """The workers of one process, not yet serving."""
        made = await build(
            self.settings(**more),
            self.address,
            providers or ["openai"],
            concurrency=concurrency,
            middleware=middleware,
        )
        self._processes.append(made)
        for worker in made.workers:
            assert worker._book is not None
            await worker._book.ensure_plans([MINI, HAIKU])
        return made

    async def worker(
        self, *providers: str, concurrency: int | None = None, middleware: Sequence[Given] = (), **more: str
    ) -> HomaWorker:
        """The first worker of a process that serves."""
        made = await self.process(*providers, concurrency=concurrency, middleware=middleware, **more)
        for worker in made.workers:
            self.serve(worker)
        return made.workers[0]

    def serve(self, worker: HomaWorker) -> asyncio.Task[None]:
        task = asyncio.create_task(worker.serve())
        self._served.append(task)
        return task

    async def submit(
        self,
        prompt: str = "Hello",
        *,
        targets: tuple[str, ...] = (MINI,),
        stream: bool = False,
        bound: int | None = BOUND,
        deadline_ms: int = 0,
        tokens: tuple[int, int, int] = (0, 0, 0),
        params: dict[str, Any] | None = None,
        lane: str = "default",
        **common: Any,
    ) -> str:
        """One job; returns its id."""
        job_id = next(self._ids)
        given = {"max_tokens": 300} if params is None else params
        options = tuple(Option(target, bound, Tokens(*tokens)) for target in targets)
        request = JobRequest([{"role": "user", "content": prompt}], given, options, stream).encode()
        shared = Common(targets[0].partition(":")[0], lane, targets[0], fallbacks_left=len(targets) - 1, **common)
        entry = Entry(job_id, request, bound=bound, tokens=Tokens(*tokens), deadline_ms=deadline_ms)
        await self.store.run(submit(self.keys, shared, [entry]))
        return job_id

    async def submit_many(self, count: int, prompt: str = "Hello", **common: Any) -> list[str]:
        """Equal jobs in one submission; returns their ids."""
        ids = [next(self._ids) for _ in range(count)]
        options = (Option(MINI, BOUND),)
        request = JobRequest([{"role": "user", "content": prompt}], {"max_tokens": 300}, options).encode()
        entries = [Entry(job_id, request, bound=BOUND) for job_id in ids]
        await self.store.run(submit(self.keys, Common("openai", "default", MINI, **common), entries))
        return ids

    async def view(self, job_id: str) -> JobView:
        view = await self.store.run(reads.job(self.keys, job_id))
        assert view is not None
        return view

    async def state(self, job_id: str) -> State | None:
        return await self.store.run(reads.state(self.keys, job_id))

    async def reaches(self, job_id: str, state: State) -> JobView:
        """The job, once it is in this state."""

        async def there() -> bool:
            return await self.state(job_id) is state

        await until(there)
        return await self.view(job_id)

    async def ended(self, job_id: str) -> JobView:
        """The job, once it has ended."""

        async def over() -> bool:
            return (await self.view(job_id)).job.ended

        await until(over)
        return await self.view(job_id)

    async def history(self, job_id: str) -> list[tuple[str, str, str]]:
        """Attempts as (target, outcome, charge)."""
        return [(a.target, a.outcome, a.charge) for a in (await self.view(job_id)).attempts]

    async def attempts(self, job_id: str) -> list[Attempt]:
        return (await self.view(job_id)).attempts

    async def ledger(self) -> list[LedgerLine]:
        return await self.store.run(reads.ledger(self.keys))

    async def counters(self) -> dict[str, int]:
        op = read((("HGETALL", self.keys.counters()),), lambda r: mapping(r[0]))
        return {name: int(value) for name, value in (await self.store.run(op)).items()}

    async def breaker(self, name: str) -> str:
        op = read((("HGET", self.keys.breaker(name), "state"),), lambda r: (r[0] or b"closed").decode())
        return await self.store.run(op)

    def bill_nano(self) -> int:
        return self.simulator.bill.total.nano_usd

    async def close(self) -> None:
        for made in self._processes:
            made.stop_now()
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(*self._served, return_exceptions=True)
        for made in self._processes:
            await made.aclose()
        await self.store.aclose()


def reply_of(view: JobView) -> dict[str, Any]:
    """A job's outcome as JSON."""
    assert view.reply is not None
    found: dict[str, Any] = orjson.loads(view.reply)
    return found
