"""What a job handle does: wait for the result, follow the text, cancel, look."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from homa.client.deadlines import JobDeadline
from homa.client.not_found import check_id, job_not_found
from homa.client.outcomes import outcomes, read_ends
from homa.client.results import Failure, Reply
from homa.client.streams import ANNOUNCED_LOOKS, follow
from homa.client.unserved import nobody_serves, tell_if_job_is_unserved
from homa.drivers.effects import PATIENCE_S, AwaitEnd, Flow, ask, ask_patiently
from homa.submit.option_checks import check_timeout
from homa_shared.model.errors import JobEnded, ResultTimeout
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.transitions import admin

#: A message that the end of a job was announced by may be lost; the job is looked at this often, s.
LOOK_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class JobFlows:
    """Flows of one job, for the sync and the async handle."""

    keys: Keys
    id: str
    #: What `Reply.parsed` is made with.
    schema: Any = None

    def __post_init__(self) -> None:
        check_id("job", self.id)

    def result(self, timeout_s: float | None) -> Flow[Reply[Any]]:
        """The job's reply.

        Raises:
            InvalidRequest: the time is not a number.
            JobFailed, JobCancelled, JobExpired: it ended without one.
            JobNotFound: the store holds no such job.
            ResultTimeout: it has not ended in time.
            StoreUnavailable: the store has been away for half a minute, or for the rest of the time.
        """
        outcome = yield from self.outcome(timeout_s)
        if isinstance(outcome, Failure):
            raise (yield from self._error(outcome))
        return outcome

    def outcome(self, timeout_s: float | None, *, announced: bool = False) -> Flow[Reply[Any] | Failure]:
        """How the job ended, as a value; raises as `result` for what is no end.

        Args:
            announced: it was submitted under this process's name, so that its end comes without a look.
        """
        check_timeout(timeout_s)
        began_s = time.monotonic()
        give_up_s = None if timeout_s is None else began_s + timeout_s
        deadline, looks = JobDeadline(self.keys), 1
        if announced:
            first_s = ANNOUNCED_LOOKS.pause_s(looks)
            yield AwaitEnd(self.id, first_s if timeout_s is None else min(first_s, timeout_s), announced)
        while True:
            # Workers sit out an outage of the store with their replies; so does whoever waits for one.
            found = (yield from ask_patiently(read_ends(self.keys, [self.id]), _patience_s(give_up_s)))[0]
            if found.state is None:
                raise job_not_found(self.id)
            if found.ended:
                return (yield from outcomes(self.keys, [found], self.schema))[0]
            due_s = yield from deadline.left_s(found)
            if due_s <= 0:
                continue
            looks += 1
            again_s = ANNOUNCED_LOOKS.pause_s(looks) if announced else LOOK_AGAIN_S
            left_s = again_s if give_up_s is None else min(again_s, give_up_s - time.monotonic())
            if left_s <= 0:
                raise (yield from self._timeout(timeout_s or 0.0, found.state))
            if found.state is not State.RUNNING:
                yield from tell_if_job_is_unserved(self.keys, self.id, began_s)
            yield AwaitEnd(self.id, min(left_s, due_s), announced)

    def stream(self, after: str | None) -> Flow[None]:
        """Emits the pieces of the answer; raises as `result`."""
        try:
            yield from follow(self.keys, self.id, after)
        except JobEnded as error:
            error.attempts = yield from self._attempts()
            raise

    def state(self) -> Flow[State]:
        found = (yield from ask(read_ends(self.keys, [self.id])))[0]
        if found.state is None:
            raise job_not_found(self.id)
        return found.state

    def cancel(self) -> Flow[str]:
        """Cancels; the answer is cancelled, cancelling (it runs, and its worker was told), or the state it ended in."""
        answer: str = (yield from ask_patiently(admin.cancel(self.keys, [self.id])))[0]
        if answer == "unknown":
            raise job_not_found(self.id)
        return answer

    def view(self) -> Flow[reads.JobView]:
        """Record and history.

        Raises:
            JobNotFound: the store holds no such job.
        """
        view = yield from ask(reads.job(self.keys, self.id))
        if view is None:
            raise job_not_found(self.id)
        return view

    def _error(self, failure: Failure) -> Flow[JobEnded]:
        return failure.error((yield from self._attempts()))

    def _attempts(self) -> Flow[list[Any]]:
        view = yield from ask(reads.job(self.keys, self.id))
        return list(view.attempts) if view is not None else []

    def _timeout(self, timeout_s: float, state: State) -> Flow[ResultTimeout]:
        view = yield from ask(reads.job(self.keys, self.id))
        message = f"job {self.id} has not ended within {timeout_s:g} s: it is {state} and goes on"
        if view is not None:
            queue = view.job.queue
            if view.job.waits_for:
                message += f", waiting for {view.job.waits_for}"
            if not (yield from ask(reads.live_workers(self.keys, queue))):
                message += f"; {nobody_serves(queue)}"
        return ResultTimeout(message)


def _patience_s(give_up_s: float | None) -> float:
    return PATIENCE_S if give_up_s is None else max(0.0, min(PATIENCE_S, give_up_s - time.monotonic()))
