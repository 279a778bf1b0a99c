"""Keeps worker processes running: starts each, starts it again when it dies, stops all on a signal.

Workers run in sessions of their own, so that Ctrl-C reaches them only through the supervisor, once. Their standard
input is a pipe of the supervisor's: should it be killed, they see the end of it and drain.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from homa.cli.context import say
from homa.cli.exit_status import Stopped, status_of_signal

#: Pauses before a worker is started again, s; one that ran for so long starts from the first again.
FIRST_PAUSE_S, LONGEST_PAUSE_S, STEADY_S = 1.0, 30.0, 60.0
_POLL_S = 0.1
#: Exit status of wrong settings: starting it again would not help.
_USAGE = 2


@dataclass(slots=True)
class _Worker:
    name: str
    arguments: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started_s: float = 0.0
    pause_s: float = FIRST_PAUSE_S
    #: When it is started next.
    due_s: float = 0.0


class Supervisor:
    """Runs workers until SIGINT or SIGTERM.

    Args:
        workers: arguments of each worker, by a name for messages.
        command: what they are arguments of.
        env: the workers' environment; this process's own where nothing is given.
    """

    def __init__(
        self,
        workers: Mapping[str, Sequence[str]],
        *,
        command: Sequence[str] = (sys.executable, "-m", "homa_workers"),
        env: Mapping[str, str] | None = None,
    ) -> None:
        self._workers = [_Worker(name, arguments) for name, arguments in workers.items()]
        self._command, self._env = command, env
        self._signals: list[int] = []

    def run(self) -> None:
        """Raises Stopped with 128 + the signal's number when all workers have ended after a signal; with status 2 where
        a worker refuses its settings."""
        with self._listening():
            try:
                while not self._signals:
                    self._look_after()
                    time.sleep(_POLL_S)
                say("draining: calls in flight finish; Ctrl-C once more to stop at once")
            finally:
                self._stop()
        raise Stopped(status_of_signal(self._signals[0]))

    def _look_after(self) -> None:
        for worker in self._workers:
            if worker.process is None:
                if time.monotonic() >= worker.due_s:
                    self._start(worker)
            elif (status := worker.process.poll()) is not None:
                self._bury(worker, status)

    def _start(self, worker: _Worker) -> None:
        worker.process = subprocess.Popen(
            [*self._command, *worker.arguments, "--until-stdin-closes"],
            stdin=subprocess.PIPE,
            env=None if self._env is None else dict(self._env),
            start_new_session=True,
        )
        worker.started_s = time.monotonic()

    def _bury(self, worker: _Worker, status: int) -> None:
        _close(worker)
        if status == _USAGE:
            say(f"worker {worker.name} does not accept its settings: see above")
            raise Stopped(_USAGE)
        if time.monotonic() - worker.started_s >= STEADY_S:
            worker.pause_s = FIRST_PAUSE_S
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended with status {status}"
        say(f"worker {worker.name} {how}; it is started again in {worker.pause_s:g} s")
        worker.due_s = time.monotonic() + worker.pause_s
        worker.pause_s = min(LONGEST_PAUSE_S, worker.pause_s * 2)

    def _stop(self) -> None:
        """Drains all workers; each further signal is passed on, and makes them stop at once."""
        passed_on = 0
        running = [worker for worker in self._workers if worker.process is not None]
        while running:
            if passed_on < max(1, len(self._signals)):
                for worker in running:
                    assert worker.process is not None
                    worker.process.send_signal(signal.SIGTERM)
                passed_on += 1
            time.sleep(_POLL_S)
            running = [worker for worker in running if worker.process is not None and worker.process.poll() is None]
        for worker in self._workers:
            _close(worker)

    @contextmanager
    def _listening(self) -> Iterator[None]:
        def receive(number: int, _: FrameType | None) -> None:
            self._signals.append(number)

        before: dict[int, Any] = {number: signal.signal(number, receive) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _close(worker: _Worker) -> None:
    if worker.process is not None and worker.process.stdin is not None:
        worker.process.stdin.close()
    worker.process = None
