"""`homa run --detach`: everything is submitted, nothing waited for."""

from __future__ import annotations

from collections.abc import Sequence

import click
import orjson

from homa.cli.context import say
from homa.cli.exit_status import SOME_FAILED, STUCK, Stopped, status_of_signal
from homa.cli.run.options import RunRequest
from homa.cli.run.output import leave_earlier, opened
from homa.cli.run.summary import again, in_short
from homa.client.batch_submission import BatchSubmission
from homa.client.session import Session
from homa.files import Row
from homa.runs.checkpoint import Checkpoint, CheckpointFile
from homa.runs.feeder import Feeder, Refused
from homa.runs.row_request import RequestBuilder
from homa.runs.signals import Interruption
from homa.runs.tally import RunTally
from homa.runs.worker_demand import AUTO, unserved
from homa.submit.fleet_view import FleetView
from homa_shared.model.errors import InvalidRequest


def detach(
    request: RunRequest,
    here: Session,
    view: FleetView,
    builder: RequestBuilder,
    head: Sequence[Row],
    targets: Sequence[str],
) -> None:
    if request.workers == AUTO and (missing := unserved(here, view, targets[:1])):
        raise InvalidRequest(
            f"--detach, but no live worker serves {missing[0]}: start `homa worker {missing[0]}`, "
            "or queue the jobs all the same with --workers none"
        )
    interruption, tally = Interruption(), RunTally()
    with interruption.listening(), opened(request, head) as writer:
        leave_earlier(request, here)
        submission = BatchSubmission(here.submitter, request.run_options.batch_arguments(request.batch_name, 0))
        CheckpointFile(request.output).write(Checkpoint(submission.id, request.run_options.digest))
        here.driver.run(submission.open())
        feeder = Feeder(here.driver, submission, request.run_inputs.rows(), builder, window=None)
        interruption.on_signal = feeder.stop

        def write(refused: Refused) -> None:
            writer.write(refused.line)
            tally.count_bad(str(refused.bad), over_budget=refused.over_budget)

        feeder.feed(write)
    if request.as_json:
        click.echo(orjson.dumps({"batch": submission.id, "total": feeder.submitted}))
    say(f"batch {submission.id}: {feeder.submitted} jobs queued, {tally.bad} inputs could not be sent")
    if tally.first_failure:
        say(f"the first is {in_short(tally.first_failure)}")
    say(f"collect the results with: {again(request)}")
    if not feeder.finished:
        raise Stopped(SOME_FAILED if interruption.signal is None else status_of_signal(interruption.signal))
    if tally.bad:
        raise Stopped(STUCK if tally.over_budget else SOME_FAILED)
