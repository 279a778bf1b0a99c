"""`homa run --fill BATCH`: what a worker starts for a batch that a schedule has opened."""

from __future__ import annotations

from homa.cli.context import say
from homa.cli.end_with_worker import end_with_worker
from homa.cli.exit_status import STUCK, Stopped
from homa.cli.run.checked import CheckedRun
from homa.cli.run.options import RunRequest
from homa.client.batch_filling import BatchFilling, FilledByAnother
from homa.runs.feeder import Feeder, MissingRows, Refused
from homa_shared.model.errors import JobCancelled
from homa_shared.settings.model import load_settings


def begin_filling(request: RunRequest) -> None:
    """What comes before anything is read.

    Raises:
        InvalidRequest: what is named may not be read. Who makes a schedule names what a worker reads, and may not be
            allowed all that the worker is; beside an embedded store both are one user.
    """
    end_with_worker()
    settings = load_settings()
    if settings.schedule_inputs or settings.redis_url is not None:
        request.read_only(settings.schedule_inputs)


def fill(run: CheckedRun, batch: str) -> None:
    """Sends the lines that the batch does not have, and seals it."""
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
