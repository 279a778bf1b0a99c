"""Jobs, attempts and steps for people: rows, facts and tables on a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from homa.cli.output import age, dollars, moment, number, print_table, span
from homa.client.management.jobs import JobInfo
from homa_shared.kinds.output_caps import cap_of
from homa_shared.model.records import Attempt, Step
from homa_shared.store.reads import JobView

#: Characters of an error that a line of the list has; `homa jobs show` has all of it.
_EXCERPT = 120


def job_row(job: JobInfo, now_ms: int) -> list[str]:
    """A job as a line of a list."""
    waits_for = "its batch" if job.waits_for == f"batch:{job.batch}" else job.waits_for or ""
    cost = dollars(job.cost_usd or None)
    return [job.id, job.state, job.target, job.tenant, age(job.submitted_at, now_ms), cost, waits_for]


def job_facts(job: JobInfo) -> list[tuple[str, str]]:
    """A job's record, a name and a value a line; empty values are left out where they are printed."""
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
        ("submitted", moment(job.submitted_at)),
        ("due", moment(job.due_at)),
        ("deadline", moment(job.deadline_at)),
        ("ended", moment(job.ended_at)),
        ("cost", dollars(job.cost_usd)),
        ("unresolved", dollars(job.unresolved_usd) if job.unresolved_usd else ""),
        ("cache saved", dollars(job.cache_saved_usd) if job.cache_saved_usd else ""),
        ("lost leases", number(job.expired_leases) if job.expired_leases else ""),
        ("turn", job.turn or ""),
        ("retry of", job.retry_of or ""),
        ("retried by", job.retried_by or ""),
    ]


def waited(view: JobView) -> str:
    """What held a job for a while: `3.2 s for rpm of openai/gpt-*`."""
    return "; ".join(
        f"{span(wait.took_ms)} for {wait.words}" + (f", before attempt {attempt}" if attempt and attempt > 1 else "")
        for attempt, wait in view.waits()
    )


def error_excerpt(error: str | None) -> str:
    """An error as a cell of a table: on one line, its beginning."""
    line = " ".join((error or "").split())
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}…"


def output_cap(request: Mapping[str, Any] | None) -> str:
    """Most output tokens of one call, at each target of the chain where they differ."""
    if request is None:
        return ""
    caps = request.get("caps") or [cap_of(request.get("params") or {})]
    return f"{', '.join(f'{cap:,}' for cap in caps)} tokens" if any(caps) else ""


def print_attempts(attempts: list[Attempt]) -> None:
    """A job's history."""
    print_table(
        ("ATTEMPT", "TARGET", "OUTCOME", "TOOK", "COST", "TIER, FEES", "CACHE SAVED", "UNRESOLVED", "ERROR"),
        (
            (
                str(a.number) if a.number else "–",
                a.target,
                a.outcome,
                span(a.ended_ms - a.started_ms) if a.started_ms else "",
                "unpriced" if a.unpriced else dollars(a.nano_usd) if a.nano_usd else "",
                _beside(a),
                dollars(a.cache_saved_nano_usd) if a.cache_saved_nano_usd else "",
                dollars(a.unresolved_nano_usd) if a.unresolved_nano_usd else "",
                a.error,
            )
            for a in attempts
        ),
        right={"TOOK", "COST", "CACHE SAVED", "UNRESOLVED"},
        wraps={"TARGET", "ERROR"},
    )


def print_steps(steps: list[Step]) -> None:
    """The paid replies on the way to the answer."""
    print_table(
        ("STEP", "ATTEMPT", "TARGET", "TOKENS IN", "OUT", "COST", "TIER, FEES", "CACHE SAVED", "UNRESOLVED"),
        (
            (
                str(s.number),
                str(s.attempt),
                s.target,
                str(s.input_tokens),
                str(s.output_tokens),
                "unpriced" if s.unpriced else dollars(s.nano_usd),
                _beside(s),
                dollars(s.cache_saved_nano_usd) if s.cache_saved_nano_usd else "",
                dollars(s.unresolved_nano_usd) if s.unresolved_nano_usd else "",
            )
            for s in steps
        ),
        right={"STEP", "ATTEMPT", "TOKENS IN", "OUT", "COST", "CACHE SAVED", "UNRESOLVED"},
    )


def _beside(paid: Attempt | Step) -> str:
    """What it was served by, where that was not the standard tier, and what was billed beside tokens."""
    return ", ".join([*filter(None, [paid.terms]), *(f"{number(count)} {unit}" for unit, count in paid.fees.items())])


def prompt_text(request: Any) -> str:
    """The last message of a request, for people."""
    messages = (request or {}).get("messages") or []
    # A text in their place is a reference to what could not be read.
    content = messages[-1].get("content") if isinstance(messages, list) and messages else ""
    return content if isinstance(content, str) else orjson.dumps(content).decode()
