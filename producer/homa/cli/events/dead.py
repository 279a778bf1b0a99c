"""`homa events dead`, `retry`, `drop`: events that a handler failed to handle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import click

from homa.cli.context import session
from homa.cli.documents.events import (
    DeadEventDocument,
    DeadEventsDocument,
    DroppedEventsDocument,
    RetriedEventsDocument,
)
from homa.cli.output import json_option, moment, number, print_json, print_table
from homa.client.management.event_handlers import DeadEvent, change_dead, dead_events
from homa.client.management.units import ms_of
from homa_shared.model.events import JobEvent


@click.command("dead")
@click.option("--handler", metavar="NAME", help="Only of this handler.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="Most dead letters to list.")
@json_option(DeadEventsDocument)
def dead(handler: str | None, limit: int, as_json: bool) -> None:
    """List dead letters: events that a handler failed to handle as often as it is tried."""
    with session() as here:
        found: list[DeadEvent] = list(here.driver.iterate(dead_events(here.keys, handler, limit)))
    if as_json:
        print_json(DeadEventsDocument(dead=[_document(one) for one in found]))
        return
    print_table(
        ("DIED", "ID", "HANDLER", "EVENT", "JOB", "TRIES", "ERROR"),
        (
            (
                moment(ms_of(one.died_at)),
                one.id,
                one.handler,
                type(one.event).__name__,
                _job(one) or "",
                number(one.tries),
                one.error,
            )
            for one in found
        ),
        right={"TRIES"},
        wraps={"HANDLER", "ERROR"},
        empty="there is no dead letter",
    )


def _which(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option("--all", "everything", is_flag=True, help="All that fit.")(function)
    function = click.option("--handler", metavar="NAME", help="Only of this handler.")(function)
    return click.argument("ids", metavar="[ID]...", nargs=-1)(function)


@click.command("retry")
@_which
@json_option(RetriedEventsDocument)
def retry(ids: tuple[str, ...], handler: str | None, everything: bool, as_json: bool) -> None:
    """Give dead letters back to their handlers, with all their tries anew."""
    _change("retry", ids, handler, everything, as_json)


@click.command("drop")
@_which
@json_option(DroppedEventsDocument)
def drop(ids: tuple[str, ...], handler: str | None, everything: bool, as_json: bool) -> None:
    """Remove dead letters for good."""
    _change("drop", ids, handler, everything, as_json)


def _change(
    order: Literal["retry", "drop"], ids: tuple[str, ...], handler: str | None, everything: bool, as_json: bool
) -> None:
    with session() as here:
        count = here.driver.run(change_dead(here.keys, order, ids, handler, everything=everything))
    if as_json:
        print_json(RetriedEventsDocument(retried=count) if order == "retry" else DroppedEventsDocument(dropped=count))
    else:
        click.echo(f"{number(count)} {'retried' if order == 'retry' else 'dropped'}")


def _job(one: DeadEvent) -> str | None:
    return one.event.job if isinstance(one.event, JobEvent) else None


def _document(one: DeadEvent) -> DeadEventDocument:
    return {
        "id": one.id,
        "handler": one.handler,
        "event": type(one.event).__name__,
        "job": _job(one),
        "error": one.error,
        "tries": one.tries,
        "died_at_ms": ms_of(one.died_at),
    }
