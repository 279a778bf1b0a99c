"""A job that somebody waits for: submitted by a command, and cancelled when the person leaves before it has ended."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager

from homa.cli.context import Desk, say
from homa.cli.exit_status import Stopped
from homa.client.job_flows import JobFlows
from homa.runs.signals import Interruption
from homa.runs.worker_processes import WorkerLost
from homa.submit.submitter import Asked
from homa_shared.model.errors import HomaError


@contextmanager
def attended(at: Desk, asked: Asked, interruption: Interruption, schema: object = None) -> Iterator[JobFlows]:
    """Submits a job, and cancels it when what is done within is stopped.

    Args:
        interruption: its first signal ends what is done within, since one answer is not worth waiting for by somebody
            who leaves.

    Raises:
        Stopped: by a signal, or since the workers are lost; the job is cancelled by then.
    """
    flows: JobFlows | None = None
    try:
        # A signal in the midst of submitting waits for its end: a job without a name could not be cancelled.
        with interruption.deferred():
            flows = JobFlows(at.keys, at.driver.run(at.submitter.submit(asked)), schema)
        yield flows
    except (Stopped, WorkerLost) as error:
        if isinstance(error, WorkerLost):
            say(str(error))
        if flows is not None:
            with contextlib.suppress(HomaError):
                at.driver.run(flows.cancel())
            say(f"cancelled job {flows.id}")
        raise Stopped(error.status) from None
