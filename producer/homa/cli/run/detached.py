"""`homa run --detach`: everything is submitted, nothing waited for."""

from __future__ import annotations

import click
import orjson

from homa.cli.context import say
from homa.cli.documents.work import DetachedRunDocument
from homa.cli.exit_status import Stopped, status_of_tally
from homa.cli.run.checked import CheckedRun
from homa.cli.run.output import leave_earlier, opened
from homa.cli.run.summary import again, in_short
from homa.client.batch_submission import BatchSubmission
from homa.client.worker_demand import AUTO, unserved
from homa.runs.checkpoint import Checkpoint, CheckpointFile
from homa.runs.errors import SignalReceived
from homa.runs.feeder import Feeder, Refused
from homa.runs.resume_batch import ORDER
from homa.runs.signals import Interruption
from homa.runs.tally import RunTally
from homa_shared.model.errors import InvalidRequest


def detach(run: CheckedRun) -> None:
    request, here = run.request, run.session
    if request.workers == AUTO and (missing := unserved(here, run.view, run.targets[:1])):
        raise InvalidRequest(
            f"--detach, but no live worker serves {missing[0]}: start `homa worker {missing[0]}`, "
            "or queue the jobs all the same with --workers none"
        )
    interruption, tally = Interruption(), RunTally()
    with interruption.listening(), opened(request, run.head, here) as writer:
        leave_earlier(request.output, here)
        order = str(request.run_options.order)
        options = request.run_options.batch_options(request.batch_name, 0)
        submission = BatchSubmission(here.submitter, options, facts={ORDER: order})
        CheckpointFile.of(request.output).write(Checkpoint(submission.id, request.run_options.digest))
        here.driver.run(submission.open())
        feeder = Feeder(here.driver, submission, request.run_inputs.rows(), run.builder, order=order, window=None)
        interruption.on_signal = feeder.stop

        def write(refused: Refused) -> None:
            writer.write(refused.line, refused.fields)
            tally.count_bad(str(refused.bad), over_budget=refused.over_budget, skipped=refused.bad.skipped)

        feeder.feed(write)
    if request.as_json:
        click.echo(orjson.dumps(DetachedRunDocument(batch=submission.id, total=feeder.submitted)))
    say(f"batch {submission.id}: {feeder.submitted} jobs queued, {tally.bad} inputs could not be sent")
    if tally.first_failure:
        say(f"the first is {in_short(tally.first_failure)}")
    say(f"collect the results with: {again()}")
    if not feeder.finished and interruption.signal is not None:
        raise SignalReceived(interruption.signal)
    if status := status_of_tally(tally):
        raise Stopped(status)
