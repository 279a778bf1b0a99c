"""`homa events`: past events, then live ones; handlers and dead letters are in files of their own."""

from __future__ import annotations

from collections.abc import Callable

import click

from homa.cli.context import say, session
from homa.cli.documents.events import EventDocument, EventsDocument
from homa.cli.events.dead import dead, drop, retry
from homa.cli.events.handlers import forget, handlers
from homa.cli.output import json_option, moment, print_json, print_json_line, print_table
from homa.client.session import Session
from homa_shared.store import reads
from homa_shared.store.reads.event_page import events_off

#: Events that are looked through at once.
_PAGE = 1000

Wanted = Callable[[reads.Event], bool]


@click.group("events", invoke_without_command=True)
@click.option("--follow", "-f", is_flag=True, help="Go on as things happen; with --json, JSON Lines.")
@click.option(
    "--limit", type=click.IntRange(0, 100_000), default=50, show_default=True, help="Newest ones first shown."
)
@click.option("--job", metavar="ID", help="Only of this job.")
@click.option("--batch", metavar="ID", help="Only of this batch.")
@click.option("--event", metavar="NAME", help="Only of this name, or of those that begin so: job.failed, batch.")
@json_option(EventsDocument, EventDocument)
@click.pass_context
def command(
    ctx: click.Context,
    follow: bool,
    limit: int,
    job: str | None,
    batch: str | None,
    event: str | None,
    as_json: bool,
) -> None:
    """Show past events, then, with --follow, live ones; event handlers and their dead letters.

    Jobs that ended, were rerouted or recovered, batches completed, budgets used up.
    """
    if ctx.invoked_subcommand is not None:
        return

    def wanted(found: reads.Event) -> bool:
        return (
            (job is None or found.job == job)
            and (batch is None or found.batch == batch)
            and (event is None or found.name == event or found.name.startswith(f"{event.rstrip('.')}."))
        )

    filtered = any((job, batch, event))
    with session() as here:
        rows, seen = _latest(here, limit, wanted if filtered else None)
        if follow:
            _tell_unwritten(here, event)
            _follow(here, rows, seen, wanted, as_json)
    if as_json:
        print_json(EventsDocument(events=[_document(row) for row in rows]))
        return
    print_table(
        ("TIME", "EVENT", "JOB OR BATCH", "TARGET", "DETAIL"),
        ((moment(row.at_ms), row.name, row.job or row.batch, row.target, row.detail) for row in rows),
        wraps={"TARGET", "DETAIL"},
        empty="no event is kept that fits",
    )


for _elsewhere in (handlers, forget, dead, retry, drop):
    command.add_command(_elsewhere)


def _latest(here: Session, limit: int, wanted: Wanted | None) -> tuple[list[reads.Event], str]:
    """The newest events that are wanted, and the id of the newest one looked at.

    A filter looks through all events that are kept, a page at a time.
    """
    if wanted is None or not limit:
        newest = here.store.run(reads.latest_events(here.keys, max(limit, 1)))
        return newest[-limit:] if limit else [], newest[-1].id if newest else "0-0"
    found: list[reads.Event] = []
    after = "-"
    while page := here.store.run(reads.events(here.keys, after, _PAGE)):
        found = [*found, *filter(wanted, page)][-limit:]
        after = page[-1].id
    return found, "0-0" if after == "-" else after


def _tell_unwritten(here: Session, event: str | None) -> None:
    """Whoever waits for what is never written waits for ever."""
    off = here.store.run(events_off(here.keys))
    named = [name for name in off if event is None or name == event or name.startswith(f"{event.rstrip('.')}.")]
    if named:
        say(f"not written, by events.off of the fleet's settings: {', '.join(named)}")


def _follow(here: Session, rows: list[reads.Event], after: str, wanted: Wanted, as_json: bool) -> None:
    """Prints events until somebody stops it."""
    for row in rows:
        _print(row, as_json)
    while True:
        for row in reads.followed(here.store.wait(*reads.follow_events(here.keys, after))):
            after = row.id
            if wanted(row):
                _print(row, as_json)


def _print(row: reads.Event, as_json: bool) -> None:
    if as_json:
        print_json_line(_document(row))
    else:
        words = (moment(row.at_ms), row.name, row.job or row.batch, row.target, row.detail)
        click.echo("  ".join(word for word in words if word))


def _document(row: reads.Event) -> EventDocument:
    return {
        "id": row.id,
        "at_ms": row.at_ms,
        "event": row.name,
        "job": row.job or None,
        "target": row.target or None,
        "batch": row.batch or None,
        "tenant": row.tenant,
        "detail": row.detail,
    }
