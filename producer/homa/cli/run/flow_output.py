"""Where the results of `homa run --flow` go, and whose results may lie there.

The same command goes on with its run, and writes all that it has again. What lies there and is not of this run is
written anew with --force alone: on this machine that is known by the run's being in the store, which it is from before
its first result on; in a bucket by what the run has put there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from homa.cli.run.output import leave_earlier
from homa.client.flows.results_file import is_there
from homa.client.flows.stored_output import StoredOutput
from homa.client.session import Session
from homa.files.remote.address import is_address
from homa.runs.checkpoint import CheckpointFile
from homa_shared.model.errors import InvalidRequest
from homa_shared.store import reads


@contextmanager
def placed(run: str, here: Session, options: Mapping[str, Any]) -> Iterator[StoredOutput | None]:
    """The place of a run's results, looked at before anything is paid for; one in a bucket is kept for the run.

    Raises:
        InvalidRequest: results of another run lie there, and --force is not given.
        PlaceUnavailable: the bucket cannot be reached.
    """
    output, form, force = options["output"], options["form"], options["force"]
    if not is_address(output):
        _check_own(run, here, output, form, force=force)
        yield None
        return
    stored = StoredOutput(output, form, here.settings.home, run)
    stored.begin(force=force)
    try:
        if force:
            leave_earlier(output, here)
        yield stored
    finally:
        stored.leave()


def _check_own(run: str, here: Session, output: str, form: str | None, *, force: bool) -> None:
    """Looks at results on this machine."""
    if force:
        leave_earlier(output, here)
        return
    why = ""
    if CheckpointFile.of(output).read() is not None:
        why = "belongs to a run that has not ended, or may be gone on with"
    elif is_there(output, form) and here.store.run(reads.batch(here.keys, run)) is None:
        why = "exists, and is not of this run"
    if why:
        raise InvalidRequest(f"--output {output} {why}: use --force to write it anew, or another --output")
