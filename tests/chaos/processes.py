"""Real processes of a small fleet: simulated providers and workers. They end with whoever started them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

_PATIENCE_S = 60.0
_ROOT = Path(__file__).parents[2]
_SERVES = re.compile(r"worker (\S+) serves")


def until(condition: Callable[[], Any], what: str, timeout_s: float = _PATIENCE_S, poll_s: float = 0.02) -> Any:
    """Waits until the condition holds; returns what it said."""
    give_up_s = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < give_up_s, f"not within {timeout_s:g} s: {what}"
        time.sleep(poll_s)
    return found


class SimulatorProcess:
    """Simulated providers, with their bill."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "homa_workers.simulator", "--until-stdin-closes", *arguments]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self.url: str = json.loads(self._process.stdout.readline())["url"]

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=30) as answer:
            return json.load(answer)

    def control(self, **settings: Any) -> None:
        """Changes how it behaves from now on."""
        body = json.dumps(settings).encode()
        request = urllib.request.Request(f"{self.url}/control", body, {"content-type": "application/json"})
        urllib.request.urlopen(request, timeout=30).close()

    def stop(self) -> None:
        _close(self._process)


class Client:
    """An application's process that does its work and ends.

    Args:
        environment: its settings.
        log: where its stderr goes.
        command: module and arguments, as `python -m` takes them.
    """

    def __init__(self, environment: Mapping[str, str], log: Path, *command: str) -> None:
        self._log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [sys.executable, "-m", *command],
                stdin=subprocess.PIPE,
                stderr=stderr,
                cwd=_ROOT,
                env={**os.environ, **environment},
            )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        _close(self._process)

    def finish(self, timeout_s: float) -> None:
        """Waits until it has done its work."""
        until(lambda: not self.alive, f"a client has done its work, {self._log}", timeout_s)
        _close(self._process)
        assert self._process.returncode == 0, self._log.read_text(errors="replace")[-2000:]


class Worker:
    """One worker process.

    Args:
        environment: its settings.
        log: where its stderr goes.
        providers: accounts that it serves.
        concurrency: most calls at once.
        doctored: `CHAOS_…` variables; with any, the worker has that misfortune built in.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        log: Path,
        *,
        providers: tuple[str, ...] = ("openai",),
        concurrency: int = 20,
        doctored: Mapping[str, str] | None = None,
    ) -> None:
        self._log = log
        module = "tests.chaos.doctored" if doctored else "homa_workers"
        command = [sys.executable, "-m", module, *providers, f"--concurrency={concurrency}", "--until-stdin-closes"]
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stderr=stderr,
                cwd=_ROOT,
                env={**os.environ, **environment, **(doctored or {})},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ids(self) -> list[str]:
        """Ids of the workers in it, once it serves."""
        found: list[str] = until(self._served, f"a worker serves, {self._log}")
        return found

    def _served(self) -> list[str]:
        served = _SERVES.findall(self.log())
        assert served or self.alive, f"the worker ended: {self.log()[-2000:]}"
        return served

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def freeze(self) -> None:
        """SIGSTOP."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9."""
        self._process.kill()
        _close(self._process)

    def stop(self) -> None:
        """Drains it."""
        if self.alive:
            self.thaw()
        _close(self._process)


def _close(process: subprocess.Popen[bytes]) -> None:
    """Closes the pipes, which ends the process, and waits until it has."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
