"""What `homa run` does: everything is checked before anything is submitted, then one of three ways is taken."""

from __future__ import annotations

import contextlib
from typing import Any

from homa.cli.context import desk
from homa.cli.run.attached import attached
from homa.cli.run.checks import checked_head, checked_targets
from homa.cli.run.detached import detach
from homa.cli.run.dry_run import dry_run
from homa.cli.run.options import Request
from homa.runs.inputs import STDIN
from homa.runs.row_request import Asking


def run_batch(**options: Any) -> None:
    """Carries out `homa run`; ends with `Stopped` for every exit status but 0."""
    request = Request(options)
    request.check()
    with contextlib.closing(request.intake):
        if STDIN in request.intake.inputs:
            # Looked into before the run, and read again by it.
            request.intake.keep_stdin()
        _run(request)


def _run(request: Request) -> None:
    with desk(start=not request.dry_run) as at:
        view = at.view()
        head = checked_head(request, view)
        targets = checked_targets(request, view, head)
        asking = Asking(request.template, request.model, view.fleet, request.max_tokens is not None)
        if request.dry_run:
            dry_run(request, view, asking)
        elif request.detach:
            detach(request, at, view, asking, head, targets)
        else:
            attached(request, at, view, asking, head, targets)
