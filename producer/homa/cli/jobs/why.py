"""`homa jobs why`: what holds a job, and until when."""

from __future__ import annotations

import click
import orjson

from homa.cli.context import session
from homa.cli.doctor.orphaned_queues import lack_of
from homa.cli.jobs.tables import answer_text
from homa.cli.output import json_option, moment, print_json, print_table, span
from homa.client.not_found import job_not_found
from homa_shared.model.pools import worker_command
from homa_shared.model.record_fields import short
from homa_shared.model.records import Job
from homa_shared.settings.fleet import Fleet
from homa_shared.store import reads
from homa_shared.store.transitions.fleet import read_fleet

_ENDED = {"succeeded": "succeeded at", "failed": "failed at", "cancelled": "was cancelled at", "expired": "expired at"}


@click.command()
@click.argument("job")
@json_option
def why(job: str, as_json: bool) -> None:
    """Explain what holds a job, and until when.

    It may be a limit, a budget, a breaker, a pause, an equal job in flight, its deadline, or that no worker lives.
    """
    with session() as here:
        answer = here.store.run(reads.why(here.keys, job))
        view = here.store.run(reads.job(here.keys, job))
        if answer is None or view is None:
            raise job_not_found(job)
        live = here.store.run(reads.live_workers(here.keys, view.job.queue))
        answer = _with_lack(answer, view.job, here.store.run(read_fleet(here.keys)))
    if as_json:
        holds = [
            {"kind": hold.kind, "name": hold.name, "wait_ms": hold.wait_ms, "detail": hold.detail}
            for hold in answer.holds
        ]
        print_json({"job": job, "state": answer.state, "holds": holds, "live_workers": live})
        return
    click.echo(_verdict(view, answer, live))
    print_table(
        ("HELD BY", "NAME", "FOR", "DETAIL"),
        ((hold.kind, hold.name, span(hold.wait_ms), hold.detail) for hold in answer.holds),
        right={"FOR"},
        wraps={"NAME", "DETAIL"},
    )


def _with_lack(why: reads.Why, job: Job, fleet: Fleet | None) -> reads.Why:
    """The same with what stands before all else: that the fleet's settings know nobody who may take the job."""
    waits = not job.ended and why.state != "running" and job.raw.get(short("kind")) != "m"
    lack = lack_of(fleet, job.queue) if fleet is not None and waits else None
    if lack is None:
        return why
    way_out = f"put it back in homa.toml and `homa apply`, or `homa jobs cancel {job.id}`"
    detail = f"the fleet's settings have no {lack}, so that nobody takes it: {way_out}"
    return reads.Why(why.state, [reads.Hold("settings", job.queue, None, detail), *why.holds])


def _verdict(view: reads.JobView, why: reads.Why, live: int) -> str:
    """One sentence; the table below it has the details."""
    job = view.job
    if job.ended:
        answer = answer_text(orjson.loads(view.reply)) if view.reply else ""
        return f"{job.id} {_ENDED[job.state]} {moment(job.ended_ms)}" + (
            f": {answer}" if answer and job.state != "succeeded" else ""
        )
    standing = f"{job.id} is {why.state} for {job.target} (queue {job.queue}, lane {job.lane})"
    if why.holds and why.holds[0].kind == "settings":
        return f"{standing}; {why.holds[0].detail}"
    if not live and why.state != "running":
        return f"{standing}; no live worker serves the queue {job.queue}: start one with `{worker_command(job.queue)}`"
    if not why.holds:
        return f"{standing}; nothing holds it: it goes as soon as one of {live} live workers has a free slot"
    hold = why.holds[0]
    if hold.kind == "running":
        return f"{standing}; {hold.detail}"
    held = f"{standing}; held by {hold.kind}" + (f" {hold.name}" if hold.name else "")
    return f"{held}: {hold.detail}" if hold.detail else held
