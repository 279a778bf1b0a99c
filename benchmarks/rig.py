"""What the benchmarks run against: a store, a simulator and workers, each a process of its own, as in production."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from homa import Homa
from homa_shared.model.example_models import OPENAI
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.embedded import EmbeddedStore
from homa_shared.store.operation import Op, mapping
from homa_shared.store.reads import workers as read_workers

MODEL = OPENAI.target
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
#: Scripts slower than this are kept in the store's slow log, us.
SLOW_US = 500


@dataclass(slots=True)
class Rig:
    """One store, one simulator, and the workers that are started on them."""

    settings: Settings
    env: dict[str, str]
    url: str
    store: Store
    server_pid: int
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def homa(self) -> Homa:
        return Homa(settings=self.settings)

    def start_worker(self, *options: str, concurrency: int) -> subprocess.Popen[bytes]:
        """A worker process, once it beats."""
        log = open(Path(self.env["HOMA_HOME"]) / f"worker{len(self.workers)}.log", "wb")  # noqa: SIM115 (its process's)
        command = [sys.executable, "-m", "homa_workers", "openai", "--concurrency", str(concurrency), *options]
        process = subprocess.Popen(command, env=self.env, stderr=log)
        log.close()
        self.workers.append(process)
        until(lambda: any(row.facts.get("pid") == process.pid for row in self.store.run(read_workers(self.store.keys))))
        return process

    def stop_workers(self) -> None:
        for process in self.workers:
            process.send_signal(signal.SIGTERM)
        for process in self.workers:
            process.wait(60)
        self.workers.clear()

    def counters(self) -> dict[str, int]:
        op = Op((("HGETALL", self.store.keys.counters()),), lambda replies: mapping(replies[0]))
        return {name: int(value) for name, value in self.store.run(op).items()}

    def until_drained(self, *, timeout_s: float = 300) -> None:
        until(lambda: self.counters().get("live", 0) == 0, timeout_s=timeout_s)

    def simulator(self, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request) as reply:
            return json.load(reply)

    def slowest_script_ms(self) -> float:
        """The longest script since the rig was made or the slow log emptied, from the store's slow log."""
        entries = self.store.run(Op((("SLOWLOG", "GET", 10_000),), lambda replies: replies[0]))
        times = [entry[2] for entry in entries if bytes(entry[3][0]).upper() == b"EVALSHA"]
        return max(times, default=SLOW_US) / 1000

    def forget_slow_scripts(self) -> None:
        """Empties the store's slow log."""
        self.store.run(Op((("SLOWLOG", "RESET"),), lambda _: None))

    def rewriting(self) -> bool:
        """Whether the store rewrites its append-only file just now."""
        info = self.store.run(Op((("INFO", "persistence"),), lambda replies: dict(replies[0])))
        return bool(info["aof_rewrite_in_progress"])

    def used_memory(self) -> int:
        return self.store.facts().used_memory_bytes


@contextmanager
def rig(
    *, simulator: Sequence[str] = (), settings: dict[str, str] | None = None, fsync: str = "always"
) -> Iterator[Rig]:
    """A fresh store and simulator; everything ends with the block."""
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="homa-bench-")))
        embedded = EmbeddedStore(home, fsync=fsync)  # type: ignore[arg-type]
        address = embedded.ensure()
        stack.callback(embedded.stop)
        url = stack.enter_context(simulated(simulator))
        env = {name: value for name, value in os.environ.items() if not name.startswith("HOMA_")}
        env |= {
            "HOMA_REDIS_URL": address,
            "HOMA_HOME": str(home),
            "HOMA_LOG_LEVEL": "warning",
            "HOMA_PROVIDERS__OPENAI__KIND": "openai",
            "HOMA_PROVIDERS__OPENAI__API_KEY": "none",
            "HOMA_PROVIDERS__OPENAI__BASE_URL": f"{url}/openai/v1",
        } | (settings or {})
        store = Store(StoreAddress.parse(address), "homa", role="bench")
        stack.callback(store.close)
        for setting in (("slowlog-log-slower-than", SLOW_US), ("slowlog-max-len", 10_000)):
            store.run(Op((("CONFIG", "SET", *setting),), lambda _: None))
        status = embedded.running()
        assert status is not None
        made = Rig(load_settings(env=env), env, url, store, status.pid)
        stack.callback(made.stop_workers)
        yield made


@contextmanager
def simulated(options: Sequence[str]) -> Iterator[str]:
    """The address of a simulator that ends with the block."""
    command = [sys.executable, "-m", "homa_workers.simulator", "--port", "0", "--until-stdin-closes", *options]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.stdin.close()
        process.wait(30)
        process.stdout.close()


def until(condition: Callable[[], bool], *, timeout_s: float = 60, every_s: float = 0.05) -> None:
    """Waits for a condition; an error when it does not come."""
    end = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {timeout_s} s")
        time.sleep(every_s)


def cpu_s(pid: int) -> float:
    """CPU time that a process has used, user and system, s."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def rss_mb(pid: int) -> float:
    """Memory of a process at its highest, MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) / 1000
    raise ValueError(f"no VmHWM for {pid}")


def prompts(count: int, size: int = 2000) -> Iterator[dict[str, str]]:
    """Requests of about `size` bytes, each different."""
    filler = "The quick brown fox jumps over the lazy dog. " * (size // 45 + 1)
    for i in range(count):
        yield {"prompt": f"Document {i}. {filler}"[:size], "custom_id": f"d{i}"}
