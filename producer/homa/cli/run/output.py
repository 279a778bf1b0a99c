"""The results file of a run, and the note beside it: opened, taken over, begun anew."""

from __future__ import annotations

from collections.abc import Sequence

from homa.cli.context import say
from homa.cli.run.options import RunRequest
from homa.client.session import Session
from homa.files import ResultsWriter, Row
from homa.runs.checkpoint import CheckpointFile
from homa.runs.destination import Destination
from homa.runs.resume_batch import abandon


def opened(request: RunRequest, head: Sequence[Row], here: Session) -> ResultsWriter:
    columns = list(dict.fromkeys(name for row in head for name in row.fields)) if request.flat else []
    return Destination(request.output, request.form, here.settings.home).open(
        resume=request.resume,
        force=request.force,
        columns=columns,
        schema=request.run_options.schema,
        cite=request.documents.cite,
        say=say,
    )


def leave_earlier(output: str, here: Session) -> None:
    """An output that is begun anew: what still waits for the old one must not be paid."""
    checkpoint_file = CheckpointFile.of(output)
    note = checkpoint_file.read()
    if note is not None and here.driver.run(abandon(here.keys, note)):
        say(f"cancelled what was left of batch {note.batch}, whose results {output} was to hold")
    checkpoint_file.remove()
