"""Worker processes that are started again after a crash, drain, and are stopped."""

from __future__ import annotations

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from homa.supervision import processes
from homa.supervision.crash_report import CrashReport
from homa.supervision.errors import WorkerLost
from homa.supervision.supervised_worker import RestartPolicy, WorkerSpec
from homa.supervision.supervisor import WorkerSupervisor
from homa_shared.backoff import Backoff
from tests.fixtures.store import eventually

CRASHES = "raise SystemExit(1)"
#: Leaves when its standard input closes.
SERVES = "import sys; sys.stdin.read()"
#: Hears neither the end of its standard input nor SIGTERM.
STUBBORN = (
    "import pathlib, signal, sys, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
)
PAUSES = Backoff(first_s=0.01, longest_s=0.04, jitter=0)


@contextmanager
def supervised(source: str, policy: RestartPolicy, log: Path | None = None) -> Iterator[Watched]:
    watched = Watched(source, policy, log)
    try:
        yield watched
    finally:
        watched.workers.stop_now()


class Watched:
    """A supervisor of one worker, and what it said of crashes."""

    def __init__(self, source: str, policy: RestartPolicy, log: Path | None) -> None:
        self.crashes: list[tuple[CrashReport, float]] = []
        spec = WorkerSpec("the worker", log=log, command=(sys.executable, "-c", source))
        self.workers = WorkerSupervisor([spec], policy, lambda report, pause_s: self.crashes.append((report, pause_s)))

    def after_crashes(self, count: int) -> bool:
        self.workers.check()
        return len(self.crashes) >= count


def test_pauses_double_while_a_worker_crashes_in_a_row() -> None:
    with supervised(CRASHES, RestartPolicy(most=None, backoff=PAUSES)) as watched:
        watched.workers.start()
        eventually(lambda: watched.after_crashes(4))
    assert [pause_s for _, pause_s in watched.crashes] == [0.01, 0.02, 0.04, 0.04]
    assert watched.crashes[3][0].summary == "the worker ended with status 1 after 3 restarts"


def test_a_worker_that_ran_for_long_pauses_as_after_its_first_crash() -> None:
    with supervised(CRASHES, RestartPolicy(most=None, backoff=PAUSES, steady_s=0.0)) as watched:
        watched.workers.start()
        eventually(lambda: watched.after_crashes(3))
    assert {pause_s for _, pause_s in watched.crashes} == {0.01}


def test_one_that_crashes_too_often_is_lost_with_the_tail_of_its_log(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "worker.log"
    source = f"print('what went wrong', flush=True); {CRASHES}"
    with supervised(source, RestartPolicy(most=1, backoff=PAUSES), log) as watched:
        watched.workers.start()
        with pytest.raises(WorkerLost, match=r"after 1 restart; the end of .*worker\.log:\n  what went wrong") as lost:
            eventually(lambda: watched.after_crashes(2))
    assert not lost.value.misconfigured
    watched.workers.forget_logs()
    assert not log.exists()


def test_what_drains_leaves_and_is_not_started_again() -> None:
    with supervised(SERVES, RestartPolicy(most=None, backoff=PAUSES)) as watched:
        watched.workers.start()
        assert watched.workers.alive
        watched.workers.drain()
        assert watched.workers.wait(None)
        watched.workers.check()
        assert not watched.workers.alive
    assert watched.crashes == []


def test_what_does_not_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_STOP_NOW_S", 0.1)
    log = tmp_path / "worker.log"
    with supervised(STUBBORN, RestartPolicy(most=None, backoff=PAUSES), log) as watched:
        watched.workers.start()
        eventually(lambda: log.exists() and log.read_text() == "up\n")
        watched.workers.stop_now()
        assert not watched.workers.alive


def test_work_that_breaks_off_takes_its_workers_along() -> None:
    with supervised(SERVES, RestartPolicy(most=None, backoff=PAUSES)) as watched:
        with pytest.raises(KeyboardInterrupt), watched.workers.at_work():
            raise KeyboardInterrupt
        assert not watched.workers.alive


def test_nobody_to_supervise_is_no_trouble() -> None:
    workers = WorkerSupervisor([], RestartPolicy(most=0, backoff=PAUSES))
    with workers.at_work():
        workers.check()
    assert not workers.any
    assert workers.logs == []


class Failing:
    """Starts of processes that fail, one error after another; further ones go well."""

    def __init__(self, *errors: OSError) -> None:
        self._errors, self._start = list(errors), processes.start

    def __call__(self, *args: Any, **options: Any) -> processes.Process:
        if self._errors:
            raise self._errors.pop(0)
        return self._start(*args, **options)


def test_a_start_that_fails_counts_as_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable")
    monkeypatch.setattr(processes, "start", Failing(busy, busy))
    with supervised(SERVES, RestartPolicy(most=None, backoff=PAUSES)) as watched:
        watched.workers.start()
        eventually(lambda: watched.after_crashes(2))
        eventually(lambda: watched.after_crashes(2) and watched.workers.alive)
        assert [report.summary for report, _ in watched.crashes] == [
            "the worker cannot be started: [Errno 11] Resource temporarily unavailable",
            "the worker cannot be started: [Errno 11] Resource temporarily unavailable after 1 restart",
        ]


def test_one_that_can_never_be_started_is_lost(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        supervised(SERVES, RestartPolicy(most=None, backoff=PAUSES), tmp_path / "file" / "worker.log") as watched,
        pytest.raises(WorkerLost, match=r"the worker cannot be started: .*/file") as lost,
    ):
        watched.workers.start()
    assert lost.value.misconfigured
    assert watched.crashes == []
