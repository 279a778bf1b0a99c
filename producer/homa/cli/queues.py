"""`homa queues`: what waits and runs; pause and resume."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from homa.cli.context import session
from homa.cli.documents.fleet import QueueChangedDocument, QueueDocument, QueuesDocument
from homa.cli.output import json_option, number, print_json, print_table
from homa.client.management.queues import QueueInfo, queues
from homa.client.session import Session
from homa_shared.model.errors import InvalidRequest
from homa_shared.settings.names import one_of
from homa_shared.store import reads
from homa_shared.store.transitions import admin

if TYPE_CHECKING:
    from homa_shared.store.keys import Keys
    from homa_shared.store.operation import Op


@click.group("queues", invoke_without_command=True)
@json_option(QueuesDocument)
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """Show what waits in each queue; pause and resume queues."""
    if ctx.invoked_subcommand is not None:
        return
    with session() as here:
        rows = here.driver.run(queues(here.keys))
    if as_json:
        print_json(QueuesDocument(queues=[_document(row) for row in rows]))
        return
    print_table(
        ("QUEUE", "LANE", "QUEUED", "RUNNING", "DUE", "WAITING", "PAUSED"),
        (
            (
                row.queue,
                row.lane,
                number(row.queued),
                number(row.running),
                number(row.due),
                number(row.waiting),
                "paused" if row.paused else "",
            )
            for row in rows
        ),
        right={"QUEUED", "RUNNING", "DUE", "WAITING"},
        empty="no queue has been used yet",
    )


@command.command()
@click.argument("queue")
@json_option(QueueChangedDocument)
def pause(queue: str, as_json: bool) -> None:
    """Take nothing more from a queue; calls in flight finish."""
    _change(queue, admin.pause_queue, "paused", as_json)


@command.command()
@click.argument("queue")
@json_option(QueueChangedDocument)
def resume(queue: str, as_json: bool) -> None:
    """Let a paused queue go on."""
    _change(queue, admin.resume_queue, "resumed", as_json)


def _change(queue: str, change: Callable[[Keys, str], Op[bool]], what: str, as_json: bool) -> None:
    with session() as here:
        _require_queue(here, queue)
        changed = here.store.run(change(here.keys, queue))
    _tell(queue, what, changed, as_json)


def _document(row: QueueInfo) -> QueueDocument:
    return {
        "queue": row.queue,
        "lane": row.lane,
        "queued": row.queued,
        "running": row.running,
        "due": row.due,
        "waiting": row.waiting,
        "paused": row.paused,
    }


def _require_queue(here: Session, queue: str) -> None:
    """A slip in a queue's name must not look as if something had been paused."""
    known = {row.queue for row in here.store.run(reads.queues(here.keys))}
    known |= set(here.settings.providers)
    fleet = here.store.run(admin.read_fleet(here.keys))
    known |= set(fleet.providers) if fleet else set()
    if queue not in known:
        raise InvalidRequest(f"there is no queue {queue!r}: {one_of(sorted(known))}")


def _tell(queue: str, what: str, changed: bool, as_json: bool) -> None:
    if as_json:
        print_json(QueueChangedDocument(queue=queue, paused=what == "paused", changed=changed))
    else:
        click.echo(
            f"{queue} is {what}" if changed else f"{queue} was {'paused' if what == 'paused' else 'not paused'} before"
        )
