"""Dramatiq side by side: an actor that is tried again meets the job of its first try."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.gateway.conftest import Cell
from tests.patience import PATIENCE_S

#: Its first result is lost behind the submission, as by a time-out or a killed worker.
PROGRAM = """
import dramatiq
import ticket_chores as chores
from homa import Job

result, lost = Job.result, []

def losing(job, *args, **options):
    found = result(job, *args, **options)
    if not lost:
        lost.append(job.id)
        raise TimeoutError("the actor's time is over")
    assert job.id == lost[0]
    return found

Job.result = losing
worker = dramatiq.Worker(chores.summarise.broker, worker_timeout=100)
worker.start()
chores.summarise.send(17, "The pump stopped.")
chores.summarise.broker.join("default", timeout=60_000)
worker.stop()
print(chores.summaries[17])
"""


def test_a_retry_of_the_actor_pays_nothing_twice(cell: Cell, programs: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=programs,
        env={**os.environ, **cell.env, "CHORES_REDIS_URL": cell.env["HOMA_REDIS_URL"]},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S * 2,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert (cell.jobs(), cell.billed()) == (1, 1)
