"""`homa run --fill BATCH`: what a worker starts for a batch that a schedule has opened.

It ends with its worker: standard input is a pipe that closes when that is gone.
"""

from __future__ import annotations

import os
import sys
import threading

from homa.cli.context import say
from homa.cli.exit_status import STUCK, Stopped, status_of_signal
from homa.cli.run.checked import CheckedRun
from homa.client.batch_filling import BatchFilling, FilledByAnother
from homa.runs.feeder import Feeder, MissingRows, Refused
from homa_shared.model.errors import JobCancelled
from homa_shared.settings.model import load_settings

_SIGTERM = 15


def readable() -> tuple[str, ...] | None:
    """What batches of schedules may read; None: anything, since beside an embedded store all are one user.

    Elsewhere a schedule's maker names the inputs, and a worker may read what its maker may not.
    """
    settings = load_settings()
    return None if settings.redis_url is None and not settings.schedule_inputs else settings.schedule_inputs


def fill(run: CheckedRun, batch: str) -> None:
    """Sends the lines that the batch does not have, and seals it."""
    threading.Thread(target=_leave_with_worker, name="homa-worker-watch", daemon=True).start()
    here = run.session
    filling = BatchFilling(here.submitter, run.request.run_options.batch_options("", 0), batch)
    if not here.driver.run(filling.take_up()):
        say(f"batch {batch} takes no further line")
        return
    rows = MissingRows(run.request.run_inputs.rows(), filling.done)
    feeder = Feeder(here.driver, filling, rows, run.builder, window=None)

    def note(refused: Refused) -> None:
        if not refused.bad.skipped:
            filling.note_unsent(f"{refused.custom_id}: {refused.bad}")

    try:
        feeder.feed(note)
    except JobCancelled as error:
        say(str(error))
    except FilledByAnother as error:
        say(str(error))
        raise Stopped(STUCK) from None


def _leave_with_worker() -> None:
    sys.stdin.buffer.read()
    os._exit(status_of_signal(_SIGTERM))
