"""`homa run` that stays: submits, collects, and sums up."""

from __future__ import annotations

import contextlib
import time

import click
import orjson

from homa.cli import worker_logs
from homa.cli.context import say
from homa.cli.exit_status import Stopped, status_of, status_of_run
from homa.cli.run.checked import CheckedRun
from homa.cli.run.options import RunRequest
from homa.cli.run.output import leave_earlier, opened
from homa.cli.run.summary import again, how_to_go_on, in_short, in_words
from homa.client.worker_demand import workers_for
from homa.files.kept_fields import KeptFields
from homa.runs.checkpoint import CheckpointFile
from homa.runs.citing import cited_rows
from homa.runs.errors import SignalReceived
from homa.runs.feeder import WINDOW
from homa.runs.inputs import STDIN
from homa.runs.progress_display import progress_display
from homa.runs.run import BatchRun
from homa.runs.run_state import RunParts, RunState
from homa.runs.signals import Interruption
from homa.runs.tally import RunTally
from homa_shared.model.errors import HomaError, InvalidRequest
from homa_shared.model.ids import new_batch_id


def attached(checked: CheckedRun) -> None:
    request, here = checked.request, checked.session
    workers = workers_for(
        request.workers,
        here,
        checked.view,
        checked.targets,
        name=f"run-{new_batch_id()[1:]}",
        what="the run",
        say=say,
    )
    started_s = time.monotonic()
    with contextlib.ExitStack() as stack:
        interruption = stack.enter_context(Interruption().listening())
        writer = stack.enter_context(opened(request, checked.head, here))
        if not request.resume:
            leave_earlier(request.output, here)
        progress = progress_display(request.progress)
        stack.callback(progress.close)
        parts = RunParts(
            session=here,
            run_options=request.run_options,
            run_inputs=request.run_inputs,
            builder=checked.builder,
            writer=writer,
            output=request.output,
            checkpoint_file=CheckpointFile.of(request.output),
            workers=workers,
            progress=progress,
            interruption=interruption,
            name=request.batch_name,
            window=WINDOW,
            resumption=request.resumption,
            kept=KeptFields() if request.flat else None,
            cited=cited_rows(request.run_options, checked.builder),
        )
        tally = RunTally(request.failures_allowed, earlier=len(writer.done))
        run = BatchRun(parts, RunState(tally, estimate=None if STDIN in request.inputs else request.run_inputs.count()))
        stack.callback(_release, run)
        try:
            run.go(resume=request.resume)
        except SignalReceived:
            workers.stop_now()
            say("stopped at once")
            _say_how_to_go_on(run, request)
            raise
        except HomaError as error:
            say(str(error))
            # The same command would be refused in the same way, where nothing of it was begun.
            if not isinstance(error, InvalidRequest) or run.state.feeder is not None:
                _say_how_to_go_on(run, request)
            raise Stopped(status_of(error)) from error
        progress.close()
        _finish(run, request, time.monotonic() - started_s)


def _finish(run: BatchRun, request: RunRequest, seconds: float) -> None:
    state, writer = run.state, run.parts.writer
    complete = state.stop is None
    writer.close(finished=complete)
    if complete and not state.tally.repeatable:
        run.parts.checkpoint_file.remove()
    summary = state.summary(seconds, request.output)
    if state.stop is not None:
        say(state.stop.why)
    say(in_words(summary, state))
    if state.tally.first_failure and state.stop is None:
        say(f"the first that failed is {in_short(state.tally.first_failure)}")
    _say_remarks(run, request)
    status = status_of_run(state)
    if status:
        _say_how_to_go_on(run, request)
    if request.as_json:
        click.echo(orjson.dumps(summary))
    if status:
        raise Stopped(status)


def _say_how_to_go_on(run: BatchRun, request: RunRequest) -> None:
    for sentence in how_to_go_on(run.state, request):
        say(sentence)


def _say_remarks(run: BatchRun, request: RunRequest) -> None:
    """What somebody might not expect of the results."""
    tally, writer = run.state.tally, run.parts.writer
    if tally.cut:
        say(f"those that were cut, with a higher --max-tokens or --on-cut retry: {again()} --retry truncated")
    if tally.unverified:
        say(f"those with quotes that were not found: {again()} --retry invalid")
    if writer.left_out:
        say(f"no column for {', '.join(sorted(writer.left_out))}: not among those of the first rows")
    for remark in request.run_inputs.skipped.remarks:
        say(remark)
    if request.run_inputs.skipped.total:
        say(str(request.run_inputs.skipped))
    if tally.over_budget:
        say(f"the budget left no room for {tally.over_budget} jobs: raise --budget, and resume")


def _release(run: BatchRun) -> None:
    """Own workers leave; their logs stay where something went wrong."""
    parts = run.parts
    parts.workers.drain()
    if parts.workers.any and parts.workers.wait() and run.state.stop is None:
        worker_logs.leave(parts.workers, parts.session)
    if parts.kept is not None:
        parts.kept.close()
    if parts.cited is not None:
        parts.cited.close()
