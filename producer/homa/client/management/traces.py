"""What happened to a job, moment by moment, as far as the store keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from homa.client.management.why import Why
from homa_shared.model.records import Attempt, Job
from homa_shared.store.reads import JobView


class Moment(NamedTuple):
    """One thing that happened to a job, or that is so now."""

    #: ms of the store's clock; None: it is not known when.
    at_ms: int | None
    what: str
    #: For people.
    detail: str = ""


def timeline(
    view: JobView, reply: dict[str, Any] | None, marks: Sequence[tuple[int, str]], why: Why | None
) -> list[Moment]:
    """The moments of a job, in their order.

    Known always: when it was submitted, each attempt with its wait, outcome and notes, steps, the end, and what holds
    it now. Of streams, for an hour: when calls were sent and their first text came. What an attempt waited for is
    known where the attempt before it says so, or where it held the job for a second or longer.

    Args:
        reply: its outcome, read.
        marks: of its stream.
        why: what holds it now; None for one that has ended.
    """
    moments: list[Moment] = []
    before: Attempt | None = None
    for attempt in view.attempts:
        moments += _attempt(attempt, before, view.job, reply)
        before = attempt
    moments += (
        Moment(step.at_ms, "step", f"{step.number}: {step.input_tokens} tokens in, {step.output_tokens} out")
        for step in view.steps
    )
    moments += (Moment(at_ms, what) for at_ms, what in marks)
    moments.sort(key=lambda moment: moment.at_ms or 0)
    # In front whatever the times say: a store's clock may have been set back since.
    moments.insert(0, Moment(view.job.submitted_ms, "submitted", f"{_destination(view)}, lane {view.job.lane}"))
    if view.job.ended:
        moments.append(Moment(view.job.ended_ms, str(view.job.state)))
    elif why is not None:
        moments += (Moment(None, "waits for", f"{hold.kind} {hold.name}: {hold.detail}") for hold in why.holds)
        moments += [] if why.holds else [Moment(None, str(view.job.state), why.verdict)]
    return moments


def _destination(view: JobView) -> str:
    """Where it was to go first; its record has the queue in which it is now."""
    return f"for {view.attempts[0].target}" if view.attempts else f"to {view.job.queue}"


def _attempt(attempt: Attempt, before: Attempt | None, job: Job, reply: dict[str, Any] | None) -> Iterator[Moment]:
    if not attempt.number:
        # No call: what stood in the way of its target, for which nobody took it.
        yield Moment(attempt.ended_ms or None, "passed over", f"{attempt.target}: {attempt.error or attempt.outcome}")
        return
    name = f"attempt {attempt.number}"
    if attempt.started_ms:
        since = before.ended_ms if before is not None else job.submitted_ms
        because = f" behind {before.outcome}" if before is not None else ""
        because += "".join(f", {wait.took_ms} ms for {wait.words}" for wait in attempt.waits)
        waited = max(0, attempt.started_ms - since)
        yield Moment(
            attempt.started_ms, f"{name} taken", f"at {attempt.target}, after {waited} ms in the queue{because}"
        )
    words = [attempt.outcome, attempt.error, *attempt.parameter_notes]
    if attempt.worker:
        words.append(f"worker {attempt.worker}")
    # The reply is that of one attempt.
    its = reply if reply is not None and attempt.outcome in ("succeeded", "answered") else {}
    if its.get("latency_ms") is not None:
        words.append(f"{its['latency_ms']} ms from claim to reply")
    if request := attempt.note.get("request_id") or its.get("request_id"):
        words.append(f"request {request}")
    yield Moment(attempt.ended_ms or None, f"{name} settled", "; ".join(filter(None, words)))
