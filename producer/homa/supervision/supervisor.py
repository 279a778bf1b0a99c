"""Keeps worker processes running.

1. `start` starts each.
2. `check`, called again and again, starts again what has crashed, after pauses that double.
3. `drain` lets all finish their calls and leave; `wait` waits for that.
4. `stop_now` cuts their calls short: those stay unresolved in the ledger, and their jobs go on elsewhere.

Should this process be killed, the workers drain by themselves; what their calls bring is in the store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from homa.supervision import processes
from homa.supervision.crash_report import CrashReport
from homa.supervision.errors import WorkerLost
from homa.supervision.supervised_worker import RestartPolicy, SupervisedWorker, WorkerSpec

#: Workers that finish somebody else's calls are not waited for longer than this, s.
PARTING_S = 5.0


def _ignore(report: CrashReport, pause_s: float) -> None:
    """For those who tell nobody."""


class WorkerSupervisor:
    """The worker processes of this process.

    Args:
        workers: how each is started; none means that there is nothing to keep running.
        policy: what happens after a crash.
        on_crash: told of each crash that a restart follows, and after which pause, s.
    """

    def __init__(
        self,
        workers: Sequence[WorkerSpec],
        policy: RestartPolicy,
        on_crash: Callable[[CrashReport, float], object] = _ignore,
    ) -> None:
        self._workers = [SupervisedWorker(spec, policy) for spec in workers]
        self._policy = policy
        self._on_crash = on_crash
        self._started = self._draining = False

    @property
    def any(self) -> bool:
        """Whether there is any worker to keep running."""
        return bool(self._workers)

    @property
    def alive(self) -> bool:
        """Whether a worker runs."""
        return any(worker.alive for worker in self._workers)

    @property
    def running(self) -> list[processes.Process]:
        """The processes of those that were started and have not crashed since."""
        return [worker.process for worker in self._workers if worker.process is not None]

    @property
    def logs(self) -> list[Path]:
        return [worker.spec.log for worker in self._workers if worker.spec.log is not None]

    def start(self) -> None:
        """Starts them, once.

        Raises:
            WorkerLost: one cannot be started, and trying again would not help.
        """
        for worker in () if self._started else self._workers:
            self._start(worker)
        self._started = True

    def add(self, workers: Sequence[WorkerSpec]) -> None:
        """Further workers, started at once where the others were."""
        added = [SupervisedWorker(spec, self._policy) for spec in workers]
        self._workers += added
        for worker in added if self._started else ():
            self._start(worker)

    def check(self) -> None:
        """Starts again what has crashed, when its pause is over.

        Raises:
            WorkerLost: it has crashed too often, or its settings are wrong; the message ends with the tail of its log.
        """
        for worker in () if self._draining else self._workers:
            if worker.due:
                self._start(worker)
            elif (report := worker.crash()) is not None:
                self._crashed(worker, report)

    def _start(self, worker: SupervisedWorker) -> None:
        try:
            worker.start()
        except OSError as error:
            self._crashed(worker, worker.unstarted(error))

    def _crashed(self, worker: SupervisedWorker, report: CrashReport) -> None:
        if report.misconfigured or worker.worn_out:
            raise WorkerLost(str(report), misconfigured=report.misconfigured)
        self._on_crash(report, worker.restart_later())

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """They work as long as what is done within lasts, and leave at once where that breaks off."""
        try:
            self.start()
            yield
        except BaseException:
            self.stop_now()
            raise
        self.drain()
        self.wait()

    def drain(self) -> None:
        """They take nothing more and leave when their calls are through."""
        self._draining = True
        for process in self.running:
            processes.drain(process)

    def stop_now(self) -> None:
        """They leave at once."""
        self.drain()
        processes.stop_now(self.running)

    def wait(self, timeout_s: float | None = PARTING_S) -> bool:
        """Until all have left, or so long; to be called after `drain`. Those that stay finish somebody else's calls."""
        return processes.wait(self.running, timeout_s)

    def forget_logs(self) -> None:
        """Removes the logs of work that went well."""
        for log in self.logs:
            log.unlink(missing_ok=True)
