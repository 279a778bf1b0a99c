"""`homa batches`: list, show, results, cancel, pause and resume; `watch` is in a file of its own."""

from __future__ import annotations

from typing import BinaryIO

import click

from homa.cli.batches.format import batch_document, batch_facts, batch_of_file
from homa.cli.batches.results import write_results
from homa.cli.batches.standing_in import stand_in
from homa.cli.batches.watch import watch
from homa.cli.context import say, session
from homa.cli.documents.batches import BatchDocument, BatchesDocument, ShownBatchDocument
from homa.cli.exit_status import SOME_FAILED, Stopped
from homa.cli.output import age, dollars, json_option, number, print_facts, print_json, print_table
from homa.client.management import batches
from homa.client.management.batches import BatchFilter, BatchInfo
from homa.client.session import Session
from homa_shared.store import gateway_batches, reads
from homa_shared.store.audit_trail import audited
from homa_shared.store.gateway_work import what_holds_batch
from homa_shared.store.transitions import admin


@click.group("batches")
def command() -> None:
    """List, show, watch, pause, resume or cancel batches."""


command.add_command(watch)
command.add_command(stand_in)


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Most batches to list.")
@json_option(BatchesDocument)
def list_(limit: int, as_json: bool) -> None:
    """List batches, newest first."""
    with session() as here:
        found: list[BatchInfo] = list(here.driver.iterate(batches.listing(here.keys, BatchFilter(), limit=limit)))
        now_ms = here.store.run(reads.server_time(here.keys))
    if as_json:
        print_json(BatchesDocument(batches=[batch_document(view) for view in found]))
        return
    print_table(
        ("BATCH", "STATE", "LINES", "DONE", "FAILED", "COST", "AGE", "NAME"),
        (
            (
                view.id,
                view.state_words(why=False),
                number(view.total if view.total is not None else view.submitted),
                number(view.succeeded),
                number(view.ended - view.succeeded) if view.ended > view.succeeded else "",
                dollars(view.cost_usd),
                age(view.created_at, now_ms),
                view.name,
            )
            for view in found
        ),
        right={"LINES", "DONE", "FAILED", "COST", "AGE"},
        wraps={"STATE", "NAME"},
        empty="the store holds no batch",
    )


@command.command()
@click.argument("batch")
@json_option(ShownBatchDocument)
def show(batch: str, as_json: bool) -> None:
    """Show a batch: counts, cost, state."""
    with session() as here:
        held = here.store.run(what_holds_batch(here.keys, batch))
        view = _batch_or_file(here, batch)
    if as_json:
        print_json(ShownBatchDocument(**batch_document(view), waits_for=held or None))
        return
    print_facts([*batch_facts(view), ("waits for", held)])


@command.command()
@click.argument("batch")
@click.option("--output", "-o", type=click.File("wb"), default="-", show_default=True, help="File to write, or -.")
@click.option("--follow", is_flag=True, help="Keep writing lines as they end, until the batch is complete.")
@click.option("--after", type=click.IntRange(0), default=0, help="Skip this many of the first lines.")
def results(batch: str, output: BinaryIO, follow: bool, after: int) -> None:
    """Write the lines that have ended.

    As OpenAI batch output lines, in the order in which they ended.
    """
    with session() as here:
        _batch(here, batch)
        written = write_results(here, batch, output, after=after, follow=follow)
    say(f"{written} lines; continue later with --after {after + written}")


@command.command()
@click.argument("batch")
@json_option(BatchDocument)
def cancel(batch: str, as_json: bool) -> None:
    """Cancel a batch.

    No more of its lines are taken; running calls are stopped.
    """
    with session() as here:
        if _batch(here, batch).complete:
            say(f"cannot cancel {batch}: it is complete")
            raise Stopped(SOME_FAILED)
        here.store.run(audited(admin.cancel_batch(here.keys, batch), "batch.cancelled", batch))
        _tell(here, batch, as_json)


@command.command()
@click.argument("batch")
@click.option("--why", default="by hand", show_default=True, help="Kept in the batch's record.")
@json_option(BatchDocument)
def pause(batch: str, why: str, as_json: bool) -> None:
    """Pause a batch; calls in flight finish."""
    with session() as here:
        if _batch(here, batch).complete:
            say(f"cannot pause {batch}: it is complete")
            raise Stopped(SOME_FAILED)
        here.store.run(audited(admin.pause_batch(here.keys, batch, why), "batch.paused", batch, why=why))
        _tell(here, batch, as_json)


@command.command()
@click.argument("batch")
@json_option(BatchDocument)
def resume(batch: str, as_json: bool) -> None:
    """Let a paused batch go on."""
    with session() as here:
        _batch(here, batch)
        here.store.run(audited(admin.resume_batch(here.keys, batch), "batch.resumed", batch))
        _tell(here, batch, as_json)


def _batch_or_file(here: Session, batch: str) -> BatchInfo:
    """A batch; before its file has been checked it has no jobs, and is told as that."""
    if here.store.run(reads.batch(here.keys, batch)) is None:
        file = here.store.run(gateway_batches.find_batch(here.keys, batch))
        if file is not None:
            return batch_of_file(file)
    return _batch(here, batch)


def _batch(here: Session, batch: str) -> BatchInfo:
    return here.driver.run(batches.batch_info(here.keys, batch))


def _tell(here: Session, batch: str, as_json: bool) -> None:
    view = _batch(here, batch)
    if as_json:
        print_json(batch_document(view))
    else:
        click.echo(f"{batch}: {view.state_words()}, {number(view.ended)} of {number(view.submitted)} lines have ended")
