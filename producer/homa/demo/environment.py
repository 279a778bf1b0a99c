"""Where the demo runs: a temporary home with settings and a store of its own, a simulator, and worker processes.

The user's own settings, keys and store are neither read nor touched, and nothing is left behind.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import orjson

from homa.supervision import processes
from homa.supervision.crash_report import CrashReport
from homa.supervision.supervised_worker import RestartPolicy, WorkerSpec
from homa.supervision.supervisor import WorkerSupervisor
from homa_shared.backoff import Backoff
from homa_shared.model.errors import HomaError
from homa_shared.model.example_models import ANTHROPIC, OPENAI
from homa_shared.settings.model import Settings, load_settings
from homa_shared.store.embedded import EmbeddedStore

#: Quota of each model, as providers enforce it and as the fleet knows it.
RPM = {"openai": 1500, "anthropic": 600}
#: The first model is asked; what it cannot do goes to the second.
MODEL, FALLBACK = OPENAI.target, ANTHROPIC.target
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
#: The killed worker is started again at once; one that nobody kills should not crash at all.
RESTARTS, _RESTART_BACKOFF = 1, Backoff(first_s=0.1, longest_s=1.0)


class DemoFailed(HomaError):
    """A part of the demo does not start, or does not come to its end."""


@dataclass(frozen=True, slots=True)
class SimulatorClient:
    """The simulated providers: one server, a path for each."""

    url: str

    def get(self, path: str) -> dict[str, Any]:
        """One of its own documents: `/bill`, `/stats`."""
        # Without the environment's proxies: they have no business with a loopback address.
        with build_opener(ProxyHandler({})).open(self.url + path, timeout=_ANSWER_S) as reply:
            document: dict[str, Any] = orjson.loads(reply.read())
        return document


@dataclass(frozen=True, slots=True)
class DemoEnvironment:
    """The demo's home and what runs in it."""

    home: Path
    settings: Settings
    simulator: SimulatorClient
    env: Mapping[str, str]

    def workers(self, count: int, on_crash: Callable[[CrashReport, float], object]) -> WorkerSupervisor:
        """Worker processes, serving both providers; not yet started."""
        names = [f"worker-{number}" for number in range(1, count + 1)]
        specs = [WorkerSpec(name, (), self.home / f"{name}.log", self.env, self.home) for name in names]
        return WorkerSupervisor(specs, RestartPolicy(RESTARTS, _RESTART_BACKOFF), on_crash)


@contextmanager
def environment(seed: int) -> Iterator[DemoEnvironment]:
    """The demo's own environment; everything is gone afterwards, however it ended.

    Raises:
        DemoFailed: the simulator does not start.
        MissingExtra: the embedded store is not installed.
        StoreUnavailable: it does not start.
    """
    home = Path(tempfile.mkdtemp(prefix="homa-demo-"))
    simulator: processes.Process | None = None
    try:
        base = {n: v for n, v in os.environ.items() if n in _KEPT or n.startswith(_KEPT_PREFIXES)}
        command = processes.module_command("homa_workers.simulator", *_simulated(seed))
        log = home / "simulator.log"
        simulator = processes.start(command, log=log, env=base, folder=home, answers=True)
        url = _url_of(simulator, log)
        (home / "homa.toml").write_text(_toml(url))
        env = {**base, "HOMA_CONFIG": str(home / "homa.toml"), "HOMA_HOME": str(home / "store")}
        yield DemoEnvironment(home, load_settings(env=env, cwd=home), SimulatorClient(url), env)
    finally:
        if simulator is not None:
            processes.stop_now([simulator])
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


def _url_of(simulator: processes.Process, log: Path) -> str:
    assert simulator.stdout is not None
    line = simulator.stdout.readline()
    try:
        return str(orjson.loads(line)["url"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise DemoFailed(
            f"the simulated providers do not start: expected their address, got {line!r}\n{processes.tail(log)}"
        ) from None
