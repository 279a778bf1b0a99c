"""`homa jobs show --trace`: what happened to a job, moment by moment, as far as the store keeps it."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from homa.cli.context import session, visible
from homa.cli.documents.jobs import MomentDocument, TraceDocument
from homa.cli.jobs.offloaded import whole_reply, whole_request
from homa.cli.jobs.tables import prompt_text
from homa.cli.output import print_json, print_table
from homa.client.management import why as reasons
from homa.client.management.traces import Moment, timeline
from homa.client.management.wording import answer_name, answer_text
from homa.client.not_found import job_not_found
from homa_shared.model.personal_data import excerpt
from homa_shared.store import reads

#: Characters of prompt and answer that are shown.
_EXCERPT = 2000


def show_trace(job: str, as_json: bool) -> None:
    """Prints a job's moments, and the beginnings of its request and reply without what presets of redaction find."""
    with session() as here:
        view = here.store.run(reads.job(here.keys, job))
        if view is None:
            raise job_not_found(job)
        request, reply = whole_request(here, view), whole_reply(here, view)
        marks = here.store.run(reads.stream_marks(here.keys, job))
        why = None if view.job.ended else here.driver.run(reasons.why(here.keys, job))
    moments = timeline(view, reply, marks, why)
    prompt, answer = excerpt(prompt_text(request), _EXCERPT), excerpt(answer_text(reply), _EXCERPT)
    if as_json:
        told = [MomentDocument(at_ms=at_ms, what=what, detail=detail) for at_ms, what, detail in moments]
        print_json(TraceDocument(job=job, state=view.job.state, moments=told, prompt=prompt, answer=answer))
        return
    print_table(
        ("AT", "SINCE", "WHAT", "DETAIL"), _rows(moments, view.job.submitted_ms), right={"SINCE"}, wraps={"DETAIL"}
    )
    for name, text in (("prompt", prompt), (answer_name(reply), answer)):
        if text:
            click.echo(f"\n{name}, redacted:\n{visible(text)}")
    click.echo("\nhoma: workers with HOMA_DEBUG=1 log each call of it; find its id in their logs", err=True)


def _rows(moments: list[Moment], began_ms: int) -> list[tuple[str, str, str, str]]:
    return [
        (_clock(at_ms), "" if at_ms is None else f"+{(at_ms - began_ms) / 1000:.3f} s", what, detail)
        for at_ms, what, detail in moments
    ]


def _clock(at_ms: int | None) -> str:
    if at_ms is None:
        return "now"
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
