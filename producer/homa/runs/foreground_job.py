"""A job that somebody waits for: submitted by a command, and cancelled when they interrupt before it has ended."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from homa.client.job_flows import JobFlows
from homa.client.session import Session
from homa.drivers.effects import Flow
from homa.runs.errors import JobGivenUp, SignalReceived
from homa.runs.signals import Interruption
from homa.supervision.errors import WorkerLost
from homa_shared.model.errors import HomaError


@contextmanager
def attended(
    session: Session,
    submission: Flow[str],
    interruption: Interruption,
    say: Callable[[str], object],
    schema: object = None,
) -> Iterator[JobFlows]:
    """Submits a job, and cancels it when what is done within is stopped.

    Args:
        submission: submits it.
        interruption: its first signal ends the work within: whoever interrupts a single job does not wait for it.
        say: tells the person why the job is given up, and that it is cancelled.

    Raises:
        JobGivenUp: for a signal, or since the workers are lost; the job is cancelled by then.
    """
    flows: JobFlows | None = None
    try:
        # A signal while the job is submitted is acted on afterwards: a job without an id could not be cancelled.
        with interruption.deferred():
            flows = JobFlows(session.keys, session.driver.run(submission), schema)
        yield flows
    except (SignalReceived, WorkerLost) as error:
        if isinstance(error, WorkerLost):
            say(str(error))
        if flows is not None:
            with contextlib.suppress(HomaError):
                session.driver.run(flows.cancel())
            say(f"cancelled job {flows.id}")
        raise JobGivenUp(error) from None
