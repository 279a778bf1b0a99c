"""Worker processes for one run: started where nobody else serves its providers, ended with it however it ends.

A worker's standard input is a pipe that this process holds. When it closes, by intention or because this process was
killed, the worker takes nothing more, finishes its calls and leaves; what they bring is in the store.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from homa.runs.errors import WorkerLost
from homa_shared.model.errors import ConfigError, MissingExtra
from homa_shared.settings.model import Settings

#: A worker that dies is started again so often.
RESTARTS = 2
#: Exit status of a worker whose settings are wrong.
_MISCONFIGURED = 2
_TAIL_LINES, _TAIL_BYTES = 12, 8192
_STOP_NOW_S = 5.0
#: Own workers that finish somebody else's calls are not waited for longer than this, s.
_PARTING_S = 5.0


@dataclass(slots=True)
class _Hand:
    process: subprocess.Popen[bytes]
    log: Path
    restarts: int = 0


@dataclass(slots=True)
class Workforce:
    """The worker processes of a run.

    Args:
        settings: of this process; workers read the same ones.
        providers: that each of them serves; none means no process at all.
        count: of processes.
        name: of their logs.
    """

    settings: Settings
    providers: Sequence[str]
    count: int
    name: str
    _hands: list[_Hand] = field(default_factory=list)
    _draining: bool = False

    @property
    def any(self) -> bool:
        """Whether workers of this run's own belong to it."""
        return bool(self._hands)

    @property
    def alive(self) -> bool:
        """Whether one of them still runs."""
        return any(hand.process.poll() is None for hand in self._hands)

    @property
    def logs(self) -> list[Path]:
        return [hand.log for hand in self._hands]

    def start(self) -> None:
        """Starts them, once.

        Raises:
            MissingExtra: the workers' part is not installed.
            ConfigError: a provider is not configured here.
        """
        if not self.providers or self._hands:
            return
        check_startable(self.settings, self.providers)
        folder = self.settings.home / "logs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(1, self.count + 1):
            log = folder / f"{self.name}-worker-{number}.log"
            self._hands.append(_Hand(self._launch(log), log))

    def check(self) -> None:
        """Starts again what has died.

        Raises:
            WorkerLost: it has died too often, or its settings are wrong; the message ends with the tail of its log.
        """
        for hand in self._hands:
            status = hand.process.poll()
            if status is None or self._draining:
                continue
            if status == _MISCONFIGURED or hand.restarts >= RESTARTS:
                raise WorkerLost(_obituary(hand, status), misconfigured=status == _MISCONFIGURED)
            hand.restarts += 1
            _close(hand.process.stdin)
            hand.process = self._launch(hand.log)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """They work as long as what is done within lasts, and leave at once where that breaks off.

        Raises:
            MissingExtra, ConfigError: as `start` does.
        """
        self.start()
        try:
            yield
        except BaseException:
            self.stop_now()
            raise
        self.drain()
        self.wait()

    def drain(self) -> None:
        """They take nothing more and leave when their calls are through."""
        self._draining = True
        for hand in self._hands:
            _close(hand.process.stdin)

    def stop_now(self) -> None:
        """They leave at once. Calls cut short stay open in the ledger, and their jobs go on elsewhere."""
        self.drain()
        deadline_s = time.monotonic() + _STOP_NOW_S
        for _ in range(2):  # the first signal drains, the second stops
            for hand in self._hands:
                with contextlib.suppress(ProcessLookupError):
                    hand.process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        while self.alive and time.monotonic() < deadline_s:
            time.sleep(0.02)
        for hand in self._hands:
            hand.process.kill()

    def wait(self, timeout_s: float = _PARTING_S) -> bool:
        """Until all have left, or so long; to be called after `drain`. Those that stay finish somebody else's calls."""
        deadline_s = time.monotonic() + timeout_s
        while self.alive and time.monotonic() < deadline_s:
            time.sleep(0.02)
        return not self.alive

    def forget_logs(self) -> None:
        """Removes the logs of a run that went well."""
        for hand in self._hands:
            hand.log.unlink(missing_ok=True)

    def _launch(self, log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as stream:
            return subprocess.Popen(
                [sys.executable, "-m", "homa_workers", *self.providers, "--until-stdin-closes"],
                stdin=subprocess.PIPE,
                stdout=stream,
                stderr=stream,
                # Ctrl-C in the terminal is for this process, which then lets its workers finish.
                start_new_session=True,
                env={**os.environ, "PYTHONSAFEPATH": "1"},
            )


def check_startable(settings: Settings, providers: Sequence[str]) -> None:
    """Whether workers for these providers could be started here.

    Raises:
        MissingExtra: the workers' part is not installed.
        ConfigError: a provider is not configured here.
    """
    if find_spec("homa_workers") is None or find_spec("aiohttp") is None:
        raise MissingExtra("Running a worker here", "local")
    for provider in providers:
        if provider not in settings.providers:
            raise ConfigError(
                f"no live worker serves {provider}, and {provider} is not configured here: set its key "
                f"(HOMA_PROVIDERS__{provider.upper()}__API_KEY), start `homa worker {provider}` where it is, "
                "or queue the jobs with --workers none"
            )


def _close(pipe: IO[bytes] | None) -> None:
    if pipe is not None:
        with contextlib.suppress(OSError):
            pipe.close()


def _obituary(hand: _Hand, status: int) -> str:
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    again = f" after {hand.restarts} restarts" if hand.restarts else ""
    return f"the worker ended {how}{again}; the end of {hand.log}:\n{_tail(hand.log)}"


def _tail(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - _TAIL_BYTES))
        lines = stream.read().decode("utf-8", "replace").splitlines()
    return "\n".join(f"  {line}" for line in lines[-_TAIL_LINES:])
