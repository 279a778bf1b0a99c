"""What holds a job, and until when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from homa.client.management.units import ms_of_known_span, seconds_of_known
from homa.client.management.wording import answer_text, moment, span
from homa.client.not_found import check_id, job_not_found
from homa.drivers.effects import Flow, ask
from homa_shared.model.errors import UnknownModel
from homa_shared.model.pools import alias_of, worker_command
from homa_shared.model.record_fields import short
from homa_shared.model.records import Job, State
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.transitions.fleet import read_fleet

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet

_ENDED = {"succeeded": "succeeded at", "failed": "failed at", "cancelled": "was cancelled at", "expired": "expired at"}


@dataclass(frozen=True, slots=True)
class Hold:
    """One thing that stands between a job and its call."""

    #: settings, limit, breaker, budget, pause, cancel, leader, due, deadline, backlog or running.
    kind: str
    #: The scope, budget, batch, queue, leader or worker.
    name: str
    #: Until it may pass; None where nobody knows.
    wait_s: float | None
    detail: str
    #: Which limit there is to wait for: rpm, tpm, itpm, otpm, rpd, concurrency or frozen; empty where it is none.
    limit: str = ""


@dataclass(frozen=True, slots=True)
class Why:
    """What holds a job: the first hold is what stands in its way now; none means that it only needs a worker."""

    job_id: str
    state: State
    holds: tuple[Hold, ...]
    #: Workers that serve its queue.
    live_workers: int
    #: All of it in one sentence.
    verdict: str

    def __str__(self) -> str:
        return " ".join(self.verdict.split())


def why(keys: Keys, job_id: str) -> Flow[Why]:
    """What holds a job.

    Raises:
        JobNotFound: the store holds no such job.
    """
    check_id("job", job_id)
    answer = yield from ask(reads.why(keys, job_id))
    view = yield from ask(reads.job(keys, job_id))
    if answer is None or view is None:
        raise job_not_found(job_id)
    live = yield from ask(reads.live_workers(keys, view.job.queue))
    lack = _lack(answer.state, view.job, (yield from ask(read_fleet(keys))))
    holds = tuple(Hold(h.kind, h.name, seconds_of_known(h.wait_ms), h.detail, h.limit) for h in answer.holds)
    holds = holds if lack is None else (lack, *holds)
    return Why(job_id, answer.state, holds, live, _verdict(view, answer.state, holds, live))


def lack_of(fleet: Fleet, queue: str) -> str | None:
    """What a fleet lacks to serve a queue of jobs; None where it lacks nothing."""
    alias = alias_of(queue)
    if alias is None:
        return None if queue in fleet.providers else f"provider {queue!r}"
    try:
        return f"pool {alias!r}" if fleet.pool(alias) is None else None
    except UnknownModel as error:
        return f"pool {alias!r} ({error})"


def _lack(state: State, job: Job, fleet: Fleet | None) -> Hold | None:
    """What stands before all else: that the fleet's settings know nobody who may take the job."""
    waits = not job.ended and state != "running" and job.raw.get(short("kind")) != "m"
    lack = lack_of(fleet, job.queue) if fleet is not None and waits else None
    if lack is None:
        return None
    way_out = f"put it back in homa.toml and `homa apply`, or `homa jobs cancel {job.id}`"
    detail = f"the fleet's settings have no {lack}, so that nobody takes it: {way_out}"
    return Hold("settings", job.queue, None, detail)


def _verdict(view: reads.JobView, state: State, holds: tuple[Hold, ...], live: int) -> str:
    job = view.job
    if job.ended:
        answer = answer_text(orjson.loads(view.reply)) if view.reply else ""
        return f"{job.id} {_ENDED[job.state]} {moment(job.ended_ms)}" + (
            f": {answer}" if answer and job.state != "succeeded" else ""
        )
    standing = f"{job.id} is {state} for {job.target} (queue {job.queue}, lane {job.lane})"
    if holds and holds[0].kind == "settings":
        return f"{standing}; {holds[0].detail}"
    if not live and state != "running":
        return f"{standing}; no live worker serves the queue {job.queue}: start one with `{worker_command(job.queue)}`"
    if not holds:
        return f"{standing}; nothing holds it: it goes as soon as one of {live} live workers has a free slot"
    hold = holds[0]
    if hold.kind == "running":
        return f"{standing}; {hold.detail}"
    held = f"{standing}; held by {hold.kind}" + (f" {hold.name}" if hold.name else "")
    held += f" for {span(ms_of_known_span(hold.wait_s))} more" if hold.wait_s else ""
    return f"{held}: {hold.detail}" if hold.detail else held
