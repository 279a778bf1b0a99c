"""A small fleet to be broken: a store that may be killed, simulated providers, worker processes and a client."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from homa import Batch, Homa
from homa_shared.model.errors import StoreUnavailable
from homa_shared.model.ids import batch_job_id
from homa_shared.settings.model import load_settings
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import Op, mapping, number, pairs, read, text
from tests.chaos.processes import SimulatorProcess, Worker, until
from tests.chaos.servers import Server
from tests.chaos.tally import Tally, take_tally

MODEL = "openai:gpt-6-luna"
LEASE_S = 3
_MARGIN_S = 0.05
#: How long an outage of the store may last for the campaign's own eyes, s.
_PATIENCE_S = 60.0

T = TypeVar("T")


class World:
    """Everything that one campaign needs; a context manager.

    Args:
        seed: of latencies and of the campaign's own choices.
        lease_s: seconds after which a silent worker's jobs go to others.
        latency_ms: mean time of a call.
        sigma: of the log-normal latency.
        url: the store as workers and client see it, where it is not `server` itself (a proxy, sentinels).
        server: the store; one of its own by default.
        settings: further variables of every process.
        simulate: further arguments of the simulator.
    """

    def __init__(
        self,
        *,
        seed: int = 0,
        lease_s: int = LEASE_S,
        latency_ms: float = 200.0,
        sigma: float = 0.5,
        url: str | None = None,
        server: Server | None = None,
        settings: Mapping[str, str] | None = None,
        simulate: tuple[str, ...] = (),
    ) -> None:
        self._url, self._given = url, server
        self._simulate = (
            "--seed",
            str(seed),
            "--latency-ms",
            str(latency_ms),
            "--latency-sigma",
            str(sigma),
            *simulate,
        )
        self._settings = {"HOMA_LEASE_S": str(lease_s), **(settings or {})}
        self.lease_s = lease_s
        self._stack = ExitStack()
        self._spawned = 0

    def __enter__(self) -> Self:
        stack = self._stack
        self.directory = Path(tempfile.mkdtemp(prefix="homa-chaos-"))
        stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.server = self._given or Server(self.directory).start()
        stack.callback(self.server.kill)
        self.simulator = SimulatorProcess(*self._simulate)
        stack.callback(self.simulator.stop)
        url = self._url or self.server.url
        self.environment = {
            "HOMA_REDIS_URL": url,
            "HOMA_HOME": str(self.directory / "home"),
            "HOMA_CONFIG": "",
            "HOMA_LOG_LEVEL": "warning",
            "HOMA_PROVIDERS__OPENAI__KIND": "openai",
            "HOMA_PROVIDERS__OPENAI__API_KEY": "k",
            "HOMA_PROVIDERS__OPENAI__BASE_URL": f"{self.simulator.url}/openai/v1",
            "HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "600000",
            **self._settings,
        }
        settings = load_settings(env=self.environment, cwd=self.directory)
        self.homa = stack.enter_context(Homa(settings=settings))
        #: The campaign's own eyes: on the same way as the workers.
        self.store = Store(StoreAddress.parse(url), settings.namespace, role="chaos")
        stack.callback(self.store.close)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stack.close()

    # -- processes ----------------------------------------------------------------------------------------------------

    def spawn(self, count: int = 1, **options: Any) -> list[Worker]:
        """Starts worker processes; `ids` of one waits until it serves."""
        crew = []
        for _ in range(count):
            self._spawned += 1
            worker = Worker(self.environment, self.directory / f"worker-{self._spawned}.log", **options)
            self._stack.callback(worker.stop)
            crew.append(worker)
        return crew

    def held_by(self, worker: Worker) -> list[str]:
        """Attempts that a process holds leases on."""
        names = [name for name, _ in self.leases()]
        commands = tuple(("HGET", self.store.keys.job(name.rpartition(":")[0]), "wk") for name in names)
        holders = self.store.run(read(commands, lambda r: [text(holder) for holder in r])) if names else []
        return [name for name, holder in zip(names, holders, strict=True) if holder in worker.ids]

    def freeze(self, worker: Worker) -> list[str]:
        """Stops a process where it stands; returns the attempts that it holds."""
        worker.freeze()
        time.sleep(_MARGIN_S)  # what it had written before is read by the store
        return self.held_by(worker)

    # -- jobs ---------------------------------------------------------------------------------------------------------

    def requests(
        self, batch_id: str, lines: range, *, prompt: str = "Tell me about number {}.", **arguments: Any
    ) -> Iterator[dict[str, Any]]:
        """Lines of a batch, marked with their job's id on the provider's bill."""
        for line in lines:
            yield {
                "prompt": prompt.format(line),
                "custom_id": str(line),
                "user": batch_job_id(batch_id, line),
                **arguments,
            }

    def submit(self, count: int, *, prompt: str = "Tell me about number {}.", **arguments: Any) -> Batch:
        """A sealed batch of so many jobs."""
        filling = self.homa.open_batch(model=MODEL, max_tokens=300, **arguments)
        filling.add(self.requests(filling.id, range(count), prompt=prompt))
        return filling.seal()

    def ask(self, op: Op[T]) -> T:
        """An operation's answer; one that the store cannot be asked just now is asked again."""
        give_up_s = time.monotonic() + _PATIENCE_S
        while True:
            try:
                return self.store.run(op)
            except StoreUnavailable:
                if time.monotonic() > give_up_s:
                    raise
                time.sleep(0.05)

    def counters(self) -> dict[str, int]:
        told = self.ask(read((("HGETALL", self.store.keys.counters()),), lambda r: mapping(r[0])))
        return {name: number(value) for name, value in told.items()}

    def ended(self) -> int:
        told = self.counters()
        return told.get("submitted", 0) - told.get("live", 0)

    def leases(self) -> list[tuple[str, float]]:
        key = self.store.keys.leases()
        return self.ask(read((("ZRANGE", key, 0, -1, "WITHSCORES"),), lambda r: pairs(r[0])))

    def until_idle(self, timeout_s: float = 60.0) -> None:
        """Waits until no job is live."""
        until(lambda: not self.counters().get("live", 0), "every job has ended", timeout_s, poll_s=0.1)

    def tally(self, *batches: Batch) -> Tally:
        """What became of the batches' jobs."""
        job_ids = [batch_job_id(b.id, line) for b in batches for line in range(b.progress().submitted)]
        return self.tally_of(job_ids)

    def tally_of(self, job_ids: list[str]) -> Tally:
        """What became of jobs."""
        return take_tally(self.store, job_ids, self.simulator.get("/bill/charges"), self.simulator.get("/stats"))


@contextmanager
def directory() -> Iterator[Path]:
    """A temporary directory."""
    path = Path(tempfile.mkdtemp(prefix="homa-chaos-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
