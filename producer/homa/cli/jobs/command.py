"""`homa jobs`: list and show jobs; `why` and the commands that change them are in files of their own."""

from __future__ import annotations

import click

from homa.cli.context import say, session, visible
from homa.cli.documents.jobs import JobsDocument, ListedJobDocument, ShownJobDocument, TraceDocument
from homa.cli.job_filters import filter_options, job_filter
from homa.cli.jobs.actions import cancel, retry
from homa.cli.jobs.json import attempt_document, job_document, past_waits, step_document
from homa.cli.jobs.offloaded import whole_reply, whole_request
from homa.cli.jobs.purge import purge
from homa.cli.jobs.resolve import resolve
from homa.cli.jobs.tables import (
    error_excerpt,
    job_facts,
    job_row,
    output_cap,
    print_attempts,
    print_steps,
    prompt_text,
    waited,
)
from homa.cli.jobs.why import why
from homa.cli.output import json_option, print_facts, print_json, print_table
from homa.client.management.job_listing import listing
from homa.client.management.jobs import JobInfo
from homa.client.management.wording import answer_name, answer_text
from homa.client.not_found import job_not_found
from homa_shared.store import reads

#: Characters of prompt and answer that `show` prints; `--json` has all.
_EXCERPT = 2000


@click.group("jobs")
def command() -> None:
    """List, show, explain, cancel, retry, resolve or purge jobs."""


for _elsewhere in (why, cancel, retry, resolve, purge):
    command.add_command(_elsewhere)


@command.command("list")
@filter_options
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Most jobs to list.")
@json_option(JobsDocument)
def list_(limit: int, as_json: bool, **filters: str | None) -> None:
    """List jobs.

    Live ones first, then the ended, the newest first; a batch's in the order of its lines.
    """
    with session() as here:
        found: list[JobInfo] = list(here.driver.iterate(listing(here.keys, job_filter(filters), limit)))
        now_ms = here.store.run(reads.server_time(here.keys))
    if as_json:
        print_json(JobsDocument(jobs=[ListedJobDocument(**job_document(job), error=job.error) for job in found]))
        return
    print_table(
        ("JOB", "STATE", "TARGET", "TENANT", "AGE", "COST", "WAITS FOR", "ERROR"),
        ([*job_row(job, now_ms), error_excerpt(job.error)] for job in found),
        right={"AGE", "COST"},
        wraps={"TARGET", "TENANT", "WAITS FOR", "ERROR"},
        empty="no job matches",
    )
    if len(found) == limit:
        click.echo(f"homa: the first {limit}; --limit shows more", err=True)


@command.command()
@click.argument("job")
@click.option("--trace", is_flag=True, help="What happened to it, moment by moment; texts are redacted.")
@json_option(ShownJobDocument, TraceDocument)
def show(job: str, trace: bool, as_json: bool) -> None:
    """Show a job: record, attempts, request, reply."""
    if trace:
        from homa.cli.jobs.trace import show_trace

        show_trace(job, as_json)
        return
    with session() as here:
        view = here.store.run(reads.job(here.keys, job))
        if view is None:
            raise job_not_found(job)
        request, reply = whole_request(here, view), whole_reply(here, view)
    record = JobInfo.of(view.job)
    if view.sealed:
        say(f"warning: what job {job} asked or was answered is {view.sealed}")
    if as_json:
        attempts = [attempt_document(attempt) for attempt in view.attempts]
        steps = [step_document(step) for step in view.steps]
        print_json(
            ShownJobDocument(
                **job_document(record),
                waited=past_waits(view),
                attempts=attempts,
                steps=steps,
                request=request,
                reply=reply,
            )
        )
        return
    print_facts([*job_facts(record), ("waited", waited(view)), ("output cap", output_cap(request))])
    if view.attempts:
        click.echo()
        print_attempts(view.attempts)
        for note in dict.fromkeys(note for attempt in view.attempts for note in attempt.parameter_notes):
            click.echo(note)
    if view.steps:
        click.echo()
        print_steps(view.steps)
    for name, text in (("prompt", prompt_text(request)), (answer_name(reply), answer_text(reply))):
        if text:
            click.echo(f"\n{name}:\n{visible(text[:_EXCERPT])}{'…' if len(text) > _EXCERPT else ''}")
