"""`homa jobs`: list, show, explain, cancel, retry, resolve and purge jobs."""

from __future__ import annotations

from typing import Any

import click
import orjson

from homa.commands.held import whole_reply, whole_request
from homa.commands.jobs_changes import cancel, purge, resolve, retry
from homa.commands.printing import (
    age,
    dollars,
    json_option,
    moment,
    number,
    print_facts,
    print_json,
    print_table,
    span,
    usd_or_null,
)
from homa.commands.selecting import filter_options, job_not_found, selected
from homa.commands.session import session
from homa.commands.stranded import lack_of
from homa_shared.pools import worker_command
from homa_shared.records import Attempt, Job, Step
from homa_shared.reply import message_text
from homa_shared.settings.fleet import Fleet
from homa_shared.store import reading
from homa_shared.store.fleet import read_fleet

#: Characters of prompt and answer that `show` prints; `--json` has all.
_EXCERPT = 2000


@click.group("jobs")
def command() -> None:
    """List, show, explain, cancel, retry, resolve or purge jobs."""


for _changing in (cancel, retry, resolve, purge):
    command.add_command(_changing)


@command.command("list")
@filter_options
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Most jobs to list.")
@json_option
def list_(limit: int, as_json: bool, **filters: str | None) -> None:
    """List jobs.

    Live ones first, then the ended, newest first; a batch's in the order of its lines.
    """
    with session(revive=True) as here:
        found = selected(here, filters, limit)
        now_ms = here.store.run(reading.server_time(here.keys))
    if as_json:
        print_json({"jobs": [job_document(job) for job in found]})
        return
    print_table(
        ("JOB", "STATE", "TARGET", "TENANT", "AGE", "COST", "WAITS FOR"),
        (_row(job, now_ms) for job in found),
        right={"AGE", "COST"},
        wraps={"TARGET", "TENANT", "WAITS FOR"},
        empty="no job fits",
    )
    if len(found) == limit:
        click.echo(f"homa: the first {limit}; --limit shows more", err=True)


@command.command()
@click.argument("job")
@json_option
def show(job: str, as_json: bool) -> None:
    """Show a job: record, attempts, request, reply."""
    with session(revive=True) as here:
        view = here.store.run(reading.job(here.keys, job))
        if view is None:
            raise job_not_found(job)
        request, reply = whole_request(here, view), whole_reply(here, view)
    if as_json:
        attempts = [attempt_document(attempt) for attempt in view.attempts]
        steps = [step_document(step) for step in view.steps]
        told = {"attempts": attempts, "steps": steps, "request": request, "reply": reply}
        print_json(job_document(view.job) | told)
        return
    print_facts(_facts(view.job))
    if view.attempts:
        click.echo()
        print_attempts(view.attempts)
    if view.steps:
        click.echo()
        print_steps(view.steps)
    for name, text in (("prompt", _prompt(request)), ("answer", _answer(reply))):
        if text:
            click.echo(f"\n{name}:\n{text[:_EXCERPT]}{'…' if len(text) > _EXCERPT else ''}")


@command.command()
@click.argument("job")
@json_option
def why(job: str, as_json: bool) -> None:
    """Explain what holds a job, and until when.

    It may be a limit, a budget, a breaker, a pause, an equal job in flight, its deadline, or that no worker lives.
    """
    with session(revive=True) as here:
        answer = here.store.run(reading.why(here.keys, job))
        view = here.store.run(reading.job(here.keys, job))
        if answer is None or view is None:
            raise job_not_found(job)
        live = here.store.run(reading.live_workers(here.keys, view.job.queue))
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


def job_document(job: Job) -> dict[str, Any]:
    """A job for programs."""
    return {
        "job": job.id,
        "state": job.state,
        "queue": job.queue,
        "lane": job.lane,
        "target": job.target,
        "tenant": job.tenant,
        "batch": job.batch,
        "custom_id": job.custom_id,
        "tags": job.tags,
        "attempt": job.attempt,
        "worker": job.worker,
        "waits_for": job.waits_for,
        "submitted_ms": job.submitted_ms,
        "due_ms": job.due_ms,
        "deadline_ms": job.deadline_ms,
        "ended_ms": job.ended_ms,
        "cost_usd": usd_or_null(job.cost_nano_usd),
        "unresolved_usd": usd_or_null(job.unresolved_nano_usd),
        "cache_saved_usd": usd_or_null(job.cache_saved_nano_usd),
        "retry_of": job.retry_of,
        "retried_by": job.retried_by,
    }


def attempt_document(attempt: Attempt) -> dict[str, Any]:
    """An attempt for programs."""
    return {
        "attempt": attempt.number,
        "target": attempt.target,
        "outcome": attempt.outcome,
        "charge": attempt.charge,
        "cost_usd": None if attempt.unpriced else usd_or_null(attempt.nano_usd),
        "unresolved_usd": usd_or_null(attempt.unresolved_nano_usd),
        "cache_saved_usd": usd_or_null(attempt.cache_saved_nano_usd),
        "worker": attempt.worker,
        "started_ms": attempt.started_ms,
        "ended_ms": attempt.ended_ms,
        "error": attempt.error,
        "note": attempt.note,
    }


def print_attempts(attempts: list[Attempt]) -> None:
    """A job's history."""
    print_table(
        ("ATTEMPT", "TARGET", "OUTCOME", "TOOK", "COST", "CACHE SAVED", "UNRESOLVED", "ERROR"),
        (
            (
                str(a.number) if a.number else "–",
                a.target,
                a.outcome,
                span(a.ended_ms - a.started_ms) if a.started_ms else "",
                "unpriced" if a.unpriced else dollars(a.nano_usd) if a.nano_usd else "",
                dollars(a.cache_saved_nano_usd) if a.cache_saved_nano_usd else "",
                dollars(a.unresolved_nano_usd) if a.unresolved_nano_usd else "",
                a.error,
            )
            for a in attempts
        ),
        right={"TOOK", "COST", "CACHE SAVED", "UNRESOLVED"},
        wraps={"TARGET", "ERROR"},
    )


def step_document(step: Step) -> dict[str, Any]:
    """A paid reply that did not end its job, as `--json` shows it."""
    return {
        "step": step.number,
        "attempt": step.attempt,
        "target": step.target,
        "at_ms": step.at_ms,
        "input_tokens": step.input_tokens,
        "output_tokens": step.output_tokens,
        "cost_usd": None if step.unpriced else usd_or_null(step.nano_usd),
        "unresolved_usd": usd_or_null(step.unresolved_nano_usd),
        "cache_saved_usd": usd_or_null(step.cache_saved_nano_usd),
    }


def print_steps(steps: list[Step]) -> None:
    """The paid replies on the way to the answer."""
    print_table(
        ("STEP", "ATTEMPT", "TARGET", "TOKENS IN", "OUT", "COST", "CACHE SAVED", "UNRESOLVED"),
        (
            (
                str(s.number),
                str(s.attempt),
                s.target,
                str(s.input_tokens),
                str(s.output_tokens),
                "unpriced" if s.unpriced else dollars(s.nano_usd),
                dollars(s.cache_saved_nano_usd) if s.cache_saved_nano_usd else "",
                dollars(s.unresolved_nano_usd) if s.unresolved_nano_usd else "",
            )
            for s in steps
        ),
        right={"STEP", "ATTEMPT", "TOKENS IN", "OUT", "COST", "CACHE SAVED", "UNRESOLVED"},
    )


def _row(job: Job, now_ms: int) -> list[str]:
    waits_for = "its batch" if job.waits_for == f"batch:{job.batch}" else job.waits_for or ""
    cost = dollars(job.cost_nano_usd or None)
    return [job.id, job.state, job.target, job.tenant, age(job.submitted_ms, now_ms), cost, waits_for]


def _facts(job: Job) -> list[tuple[str, str]]:
    return [
        ("job", job.id),
        ("state", job.state),
        ("target", job.target),
        ("queue", f"{job.queue}, lane {job.lane}"),
        ("tenant", job.tenant),
        ("batch", job.batch or ""),
        ("custom id", job.custom_id or ""),
        ("tags", ", ".join(f"{key}={value}" for key, value in job.tags.items())),
        ("worker", job.worker or ""),
        ("waits for", job.waits_for or ""),
        ("submitted", moment(job.submitted_ms)),
        ("due", moment(job.due_ms)),
        ("deadline", moment(job.deadline_ms)),
        ("ended", moment(job.ended_ms)),
        ("cost", dollars(job.cost_nano_usd)),
        ("unresolved", dollars(job.unresolved_nano_usd) if job.unresolved_nano_usd else ""),
        ("cache saved", dollars(job.cache_saved_nano_usd) if job.cache_saved_nano_usd else ""),
        ("lost leases", number(job.expired_leases) if job.expired_leases else ""),
        ("retry of", job.retry_of or ""),
        ("retried by", job.retried_by or ""),
    ]


def _prompt(request: Any) -> str:
    messages = (request or {}).get("messages") or []
    # A text in their place is a reference to what could not be read.
    content = messages[-1].get("content") if isinstance(messages, list) and messages else ""
    return content if isinstance(content, str) else orjson.dumps(content).decode()


def _answer(reply: Any) -> str:
    if not reply:
        return ""
    if "error" in reply:
        return f"{reply['error'].get('kind', 'error')}: {reply['error'].get('message', '')}"
    return message_text(reply.get("body") or {})


def _with_lack(why: reading.Why, job: Job, fleet: Fleet | None) -> reading.Why:
    """The same with what stands before all else: that the fleet's settings know nobody who may take the job."""
    waits = not job.ended and why.state != "running" and job.raw.get("kd") != "m"
    lack = lack_of(fleet, job.queue) if fleet is not None and waits else None
    if lack is None:
        return why
    way_out = f"put it back in homa.toml and `homa apply`, or `homa jobs cancel {job.id}`"
    detail = f"the fleet's settings have no {lack}, so that nobody takes it: {way_out}"
    return reading.Why(why.state, [reading.Hold("settings", job.queue, None, detail), *why.holds])


def _verdict(view: reading.JobView, why: reading.Why, live: int) -> str:
    """One sentence; the table below it has the details."""
    job = view.job
    if job.ended:
        answer = _answer(orjson.loads(view.reply)) if view.reply else ""
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
    return standing


_ENDED = {"succeeded": "succeeded at", "failed": "failed at", "cancelled": "was cancelled at", "expired": "expired at"}
