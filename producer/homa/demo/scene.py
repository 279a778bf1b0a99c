"""Where the demo plays: a temporary home with settings and a store of its own, a simulator, and worker processes.

Nothing of the person's own settings, keys or store is seen or touched, and nothing is left behind.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import orjson

from homa_shared.model.errors import HomaError
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store.embedded import EmbeddedStore

#: Quota of each model, as providers enforce it and as the fleet knows it.
RPM = {"openai": 1500, "anthropic": 600}
#: The first model is asked; what it cannot do goes to the second.
MODEL, FALLBACK = "openai:gpt-5-mini", "anthropic:claude-haiku-4-5"
#: Share of the calls that meet each fault.
FAULTS = {"error": 0.03, "overloaded": 0.02, "drop": 0.015, "hang": 0.015}
#: A call that hangs is given up after so long, s.
TIMEOUT_S = 4
#: After so long without a sign of life a worker's jobs go to another, s.
LEASE_S = 4
LATENCY_MS, OUTPUT_TOKENS = 600, 60

_KEPT = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "VIRTUAL_ENV")
_KEPT_PREFIXES = ("LC_", "PYTHON", "COVERAGE_")
_ANSWER_S = 10.0
_LOG_TAIL_BYTES = 2000


class DemoFailed(HomaError):
    """A part of the demo does not start, or does not come to its end."""


@dataclass(frozen=True, slots=True)
class Simulator:
    """The simulated providers: one server, a path for each."""

    url: str

    def get(self, path: str) -> dict[str, Any]:
        """One of its own documents: `/bill`, `/stats`."""
        # Without the environment's proxies: they have no business with a loopback address.
        with build_opener(ProxyHandler({})).open(self.url + path, timeout=_ANSWER_S) as reply:
            document: dict[str, Any] = orjson.loads(reply.read())
        return document


@dataclass(slots=True)
class Scene:
    """The demo's home and everything that runs in it."""

    home: Path
    settings: Settings
    simulator: Simulator
    env: Mapping[str, str]
    _workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start_worker(self) -> subprocess.Popen[bytes]:
        """Another worker process, serving both providers."""
        name = f"worker-{len(self._workers) + 1}"
        process = _start(("homa_workers", "--until-stdin-closes"), self.home, self.env, name)
        self._workers.append(process)
        return process

    def dead_workers(self, expected: Sequence[subprocess.Popen[bytes]]) -> list[str]:
        """What workers wrote that ended though they should not have."""
        return [
            f"{_name(i)} ended with status {worker.returncode}:\n{self.log_tail(_name(i))}"
            for i, worker in enumerate(self._workers, 1)
            if worker not in expected and worker.poll() is not None
        ]

    def log_tail(self, name: str) -> str:
        with suppress(OSError):
            return (self.home / f"{name}.log").read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
        return ""

    def end(self) -> None:
        for worker in self._workers:
            _end(worker)


@contextmanager
def scene(seed: int) -> Iterator[Scene]:
    """Sets the scene; everything is gone afterwards, however it ended.

    Raises:
        DemoFailed: the simulator does not start.
        MissingExtra: the embedded store is not installed.
        StoreUnavailable: it does not start.
    """
    home = Path(tempfile.mkdtemp(prefix="homa-demo-"))
    simulator: subprocess.Popen[bytes] | None = None
    found: Scene | None = None
    try:
        base = {n: v for n, v in os.environ.items() if n in _KEPT or n.startswith(_KEPT_PREFIXES)}
        simulator = _start(("homa_workers.simulator", *_simulated(seed)), home, base, "simulator", answers=True)
        url = _url_of(simulator, home)
        (home / "homa.toml").write_text(_toml(url))
        env = {**base, "HOMA_CONFIG": str(home / "homa.toml"), "HOMA_HOME": str(home / "store")}
        found = Scene(home, load_settings(env=env, cwd=home), Simulator(url), env)
        yield found
    finally:
        if found is not None:
            found.end()
        if simulator is not None:
            _end(simulator)
        with suppress(HomaError):
            EmbeddedStore(home / "store").stop()
        shutil.rmtree(home, ignore_errors=True)


def _simulated(seed: int) -> list[str]:
    limits = {f"{account}/*": {"rpm": rpm} for account, rpm in RPM.items()}
    options = ["--seed", str(seed), "--latency-ms", str(LATENCY_MS), "--latency-sigma", "0.4", "--until-stdin-closes"]
    options += ["--output-tokens", str(OUTPUT_TOKENS), "--set", f"limits_by_scope={orjson.dumps(limits).decode()}"]
    return options + [part for name, rate in FAULTS.items() for part in ("--fault", f"{name}={rate}")]


def _toml(url: str) -> str:
    sections = [f'namespace = "demo"\nlease_s = {LEASE_S}\nlog_level = "warning"\nlog_format = "json"\n']
    paths = {"openai": "/openai/v1", "anthropic": "/anthropic"}
    for name, rpm in RPM.items():
        sections.append(
            f'[providers.{name}]\napi_key = "simulated"\nbase_url = "{url}{paths[name]}"\n'
            f"timeout_s = {TIMEOUT_S}\nlimits = {{ rpm = {rpm} }}\n"
        )
    return "\n".join(sections)


def _start(
    command: Sequence[str], home: Path, env: Mapping[str, str], name: str, *, answers: bool = False
) -> subprocess.Popen[bytes]:
    """A module as a process of its own session: Ctrl-C is the demo's to hear. It ends with its standard input."""
    with (home / f"{name}.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", *command],
            cwd=home,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if answers else log,
            stderr=log,
            start_new_session=True,
        )


def _url_of(simulator: subprocess.Popen[bytes], home: Path) -> str:
    assert simulator.stdout is not None
    line = simulator.stdout.readline()
    try:
        return str(orjson.loads(line)["url"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        said = (home / "simulator.log").read_text(errors="replace")[-_LOG_TAIL_BYTES:]
        raise DemoFailed(
            f"the simulated providers do not start: expected their address, got {line!r}\n{said}"
        ) from None


def _end(process: subprocess.Popen[bytes]) -> None:
    """Asks a process to end at once, and sees to it."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        process.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=2)
    process.wait()


def _name(number: int) -> str:
    return f"worker-{number}"
