"""What `homa run` does: everything is checked before anything is submitted, then one of three ways is taken."""

from __future__ import annotations

import contextlib
from typing import Any

from homa.cli.context import submitting_session
from homa.cli.run.attached import attached
from homa.cli.run.checked import CheckedRun
from homa.cli.run.detached import detach
from homa.cli.run.dry_run import dry_run
from homa.cli.run.filling import fill, readable
from homa.cli.run.options import RunRequest


def run_batch(**options: Any) -> None:
    """Carries out `homa run`; raises for every exit status but 0."""
    request = RunRequest(options)
    if request.fill is not None and (places := readable()) is not None:
        request.read_only(places)
    request.check()
    with contextlib.closing(request.run_inputs):
        # Looked into before the run, and read again by it.
        request.run_inputs.keep_pipes()
        _run(request)


def _run(request: RunRequest) -> None:
    with submitting_session(start=not request.dry_run) as here:
        run = CheckedRun.check(request, here)
        if request.fill is not None:
            fill(run, request.fill)
        elif request.dry_run:
            dry_run(run)
        elif request.detach:
            detach(run)
        else:
            attached(run)
