"""One worker: the process that runs it now, its log, and how often it crashed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from homa.supervision import processes
from homa.supervision.crash_report import CrashReport
from homa_shared.backoff import Backoff

#: The command that a worker's arguments are appended to.
WORKER_COMMAND = processes.module_command("homa_workers")


@dataclass(frozen=True, slots=True)
class WorkerSpec:
    """How one worker is started."""

    #: For people: `worker openai`.
    name: str
    #: Of `homa worker`.
    arguments: Sequence[str] = ()
    #: None: its output goes where this process's goes.
    log: Path | None = None
    #: None: as this process's.
    env: Mapping[str, str] | None = None
    folder: Path | None = None
    command: Sequence[str] = WORKER_COMMAND


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """How often and how soon a worker that crashed is started again."""

    #: None: as often as it crashes.
    most: int | None
    backoff: Backoff
    #: After a worker has run for this long, its next crash is the first in a row again, s.
    steady_s: float = 60.0


@dataclass(slots=True)
class SupervisedWorker:
    """A worker that may be started more than once."""

    spec: WorkerSpec
    policy: RestartPolicy
    process: processes.Process | None = None
    restarts: int = 0
    #: Crashes in a row.
    _crashes: int = 0
    _started_s: float = field(default_factory=time.monotonic)
    #: Not started again before then.
    _due_s: float = 0.0

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def due(self) -> bool:
        """Whether the pause after its last crash is over."""
        return self.process is None and time.monotonic() >= self._due_s

    def start(self) -> None:
        """Starts it; raises OSError where this machine cannot."""
        spec = self.spec
        command = [*spec.command, *spec.arguments, "--until-stdin-closes"]
        self.process = processes.start(command, log=spec.log, env=spec.env, folder=spec.folder)
        self._started_s = time.monotonic()

    def crash(self) -> CrashReport | None:
        """What became of it where its process has ended; None where it has not."""
        if self.process is None or (status := self.process.poll()) is None:
            return None
        return CrashReport(self.spec.name, self.process.pid, status, self.restarts, self.spec.log)

    def unstarted(self, error: OSError) -> CrashReport:
        """That it could not be started: counted as a crash, since this machine may have what it takes in a moment."""
        self._started_s = time.monotonic()
        return CrashReport(self.spec.name, None, 0, self.restarts, self.spec.log, error)

    def restart_later(self) -> float:
        """Puts the next start off, longer after each crash in a row; returns the pause, s."""
        if self.process is not None:
            processes.drain(self.process)
        now_s = time.monotonic()
        self._crashes = 1 if now_s - self._started_s >= self.policy.steady_s else self._crashes + 1
        self.restarts += 1
        self.process = None
        pause_s = self.policy.backoff.pause_s(self._crashes)
        self._due_s = now_s + pause_s
        return pause_s

    @property
    def worn_out(self) -> bool:
        """Whether it was started again as often as it may be."""
        return self.policy.most is not None and self.restarts >= self.policy.most
