"""Worker processes are killed in the midst of handlers: each event is handled at least once, or a dead letter."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.commands_b.stand import Stand
from tests.events.fleet import letters, row

WORKERS, EVENTS, KILLS = 3, 120, 6
MODULE = """
import asyncio
import os
import pathlib
import homa
from homa.events import JobCancelled

@homa.on(JobCancelled, name="h", since="-", tries=3, concurrency=4)
async def handle(event):
    note("began", event)
    await asyncio.sleep(0.05)
    if event.tags.get("is") == "broken":
        raise ValueError("broken")
    if event.tags.get("is") == "deadly":
        os.kill(os.getpid(), 9)
    note("done", event)

@homa.on(JobCancelled, name="sync", since="-", concurrency=2)
def handle_too(event):
    note("sync", event)

def note(what, event):
    with open(pathlib.Path(__file__).with_name("notes"), "a") as notes:
        notes.write(f"{what} {event.job}\\n")
"""

HANGING = """
import pathlib
import threading
import homa
from homa.events import JobCancelled

@homa.on(JobCancelled, name="h", since="-", time_limit_s=0.3)
def handle(event):
    with open(pathlib.Path(__file__).with_name("notes"), "a") as notes:
        notes.write(f"began {event.job}\\n")
    threading.Event().wait()
"""


class Fleet:
    """Worker processes with the handlers, and what they wrote down."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        (stand.home / "deadly_handlers.py").write_text(MODULE)
        self.processes: list[subprocess.Popen[bytes]] = []

    def start(self) -> None:
        path = os.pathsep.join([str(self._stand.home), *sys.path])
        command = [sys.executable, "-m", "homa_workers", "openai", "--handlers", "deadly_handlers"]
        env = {**os.environ, "PYTHONPATH": path, "HOMA_LEASE_S": "3", "HOMA_LOG_LEVEL": "error"}
        log = open(Path(self._stand.home) / "worker.log", "ab")  # noqa: SIM115 - its process's
        self.processes.append(subprocess.Popen(command, env=env, cwd=self._stand.home, stderr=log))
        log.close()

    def replace_lost(self) -> None:
        self.processes = [process for process in self.processes if process.poll() is None]
        while len(self.processes) < WORKERS:
            self.start()

    def kill_one(self) -> None:
        random.choice(self.processes).kill()

    def notes(self, what: str) -> list[str]:
        path = self._stand.home / "notes"
        lines = path.read_text().splitlines() if path.exists() else []
        return [job for kind, _, job in (line.partition(" ") for line in lines) if kind == what]


@contextmanager
def fleet(stand: Stand) -> Iterator[Fleet]:
    made = Fleet(stand)
    try:
        yield made
    finally:
        for process in made.processes:
            process.send_signal(signal.SIGKILL)
            process.wait(30)


def cancelled(stand: Stand, **tags: str) -> str:
    job = stand.queued(tags=tags)
    stand.homa.cancel(job)
    return job


def through(stand: Stand) -> bool:
    return all(row(stand, h).behind == 0 and not row(stand, h).pending for h in ("h", "sync"))


async def test_kills_lose_no_event_and_a_deadly_one_takes_no_other_with_it(stand: Stand) -> None:
    good = {cancelled(stand) for _ in range(EVENTS)}
    broken, deadly = cancelled(stand, **{"is": "broken"}), cancelled(stand, **{"is": "deadly"})
    with fleet(stand) as workers:
        workers.replace_lost()
        for kill in range(KILLS):
            async with asyncio.timeout(60):
                while len(workers.notes("began")) < (kill + 1) * 12:
                    workers.replace_lost()
                    await asyncio.sleep(0.05)
            workers.kill_one()
        end = time.monotonic() + 120
        while not through(stand):
            assert time.monotonic() < end, (row(stand), row(stand, "sync"))
            workers.replace_lost()
            await asyncio.sleep(0.1)
        found = {getattr(letter.event, "job", ""): letter for letter in letters(stand)}
        done = set(workers.notes("done"))
        # Whoever was killed with a call that was through, but not acknowledged, had it called again.
        assert good - done <= found.keys()
        lost = "its worker was lost at each try"
        # The last try of the broken one may have been cut by a kill.
        assert found[broken].error in ("ValueError: broken", lost)
        assert found[deadly].error == lost
        assert workers.notes("began").count(deadly) <= 3
        # Events that were lost with the deadly one, or in kills, are tried one by one: hardly any dies with it.
        assert len(found) <= 2 + KILLS
        assert set(workers.notes("sync")) == good | {broken, deadly}


async def test_a_worker_whose_handlers_hang_ends_when_it_is_told(stand: Stand) -> None:
    with fleet(stand) as workers:
        (stand.home / "deadly_handlers.py").write_text(HANGING)
        cancelled(stand)
        workers.start()
        async with asyncio.timeout(60):
            while not workers.notes("began"):  # noqa: ASYNC110 - another process writes it
                await asyncio.sleep(0.05)
        [process] = workers.processes
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 30) == 0
    assert row(stand).pending == 1
