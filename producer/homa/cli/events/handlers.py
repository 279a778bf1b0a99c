"""`homa events handlers`, `forget`: functions that workers call for events."""

from __future__ import annotations

import click

from homa.cli.context import session
from homa.cli.documents.events import ForgottenHandlerDocument, HandlerDocument, HandlersDocument
from homa.cli.output import json_option, number, print_json, print_table, span
from homa.client.management.event_handlers import EventHandlerInfo, event_handlers
from homa.client.management.event_handlers import forget as forget_flow
from homa.client.management.units import ms_of_known_span, ms_of_span


@click.command("handlers")
@json_option(HandlersDocument)
def handlers(as_json: bool) -> None:
    """List event handlers: how far each is, whether a worker runs it, its dead letters."""
    with session() as here:
        rows = here.driver.run(event_handlers(here.keys))
    if as_json:
        print_json(HandlersDocument(handlers=[_document(row) for row in rows]))
        return
    print_table(
        ("HANDLER", "BEHIND", "PENDING", "PUT BACK", "DEAD", "MISSED", "DROPPED", "SEEN", "STATE"),
        (
            (
                row.name,
                "unknown" if row.behind is None else number(row.behind),
                *map(number, (row.pending, row.put_back, row.dead, row.missed, row.dropped)),
                "never" if row.seen_s is None else f"{span(ms_of_span(row.seen_s))} ago",
                "" if row.is_served else "no worker runs it",
            )
            for row in rows
        ),
        right={"BEHIND", "PENDING", "PUT BACK", "DEAD", "MISSED", "DROPPED", "SEEN"},
        wraps={"STATE"},
        empty="there is no event handler: `homa worker --handlers MODULE` runs those of a module",
    )


@click.command("forget")
@click.argument("handler")
@json_option(ForgottenHandlerDocument)
def forget(handler: str, as_json: bool) -> None:
    """Remove a handler that no worker runs any more: its place among the events, and its dead letters."""
    with session() as here:
        here.driver.run(forget_flow(here.keys, handler))
    if as_json:
        print_json(ForgottenHandlerDocument(handler=handler, forgotten=True))
    else:
        click.echo(f"{handler} is forgotten")


def _document(row: EventHandlerInfo) -> HandlerDocument:
    return {
        "handler": row.name,
        "seen_ms": ms_of_known_span(row.seen_s),
        "served": row.is_served,
        "behind": row.behind,
        "pending": row.pending,
        "put_back": row.put_back,
        "dead": row.dead,
        "missed": row.missed,
        "dropped": row.dropped,
    }
