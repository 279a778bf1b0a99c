"""`homa batches watch`: a batch followed until it is complete."""

from __future__ import annotations

import time

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from homa.cli.batches.format import batch_document
from homa.cli.context import say, session
from homa.cli.documents.batches import BatchDocument
from homa.cli.exit_status import SOME_FAILED, Stopped
from homa.cli.output import console, dollars, json_option, print_json_line
from homa.client.management.batches import BatchInfo, batch_info
from homa.client.session import Session

#: Between two looks at a batch that is watched, s; between two lines of its progress away from a terminal.
_LOOK_S, _LINE_S = 0.5, 30.0


@click.command()
@click.argument("batch")
@json_option(BatchDocument, said="JSON Lines: the batch whenever its counts have changed.")
def watch(batch: str, as_json: bool) -> None:
    """Follow a batch until it is complete.

    The status is 1 when some of its jobs failed.
    """
    with session() as here:
        view = here.driver.run(batch_info(here.keys, batch))
        if as_json:
            view = _watch_lines(here, view)
        elif console(stderr=True).is_terminal:
            view = _watch_bar(here, view)
        else:
            view = _watch_log(here, view)
    if not as_json:
        click.echo(view)
    if view.succeeded < view.ended:
        raise Stopped(SOME_FAILED)


def _watch_lines(here: Session, view: BatchInfo) -> BatchInfo:
    told: BatchDocument | None = None
    while True:
        document = batch_document(view)
        if document != told:
            print_json_line(document)
            told = document
        if view.complete:
            return view
        time.sleep(_LOOK_S)
        view = here.driver.run(batch_info(here.keys, view.id))


def _watch_bar(here: Session, view: BatchInfo) -> BatchInfo:
    columns = (BarColumn(None), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task("", total=view.total)
        while True:
            bar.update(task, total=view.total, completed=view.ended, description=_bar_words(view))
            if view.complete:
                return view
            time.sleep(_LOOK_S)
            view = here.driver.run(batch_info(here.keys, view.id))


def _watch_log(here: Session, view: BatchInfo) -> BatchInfo:
    said_s = 0.0
    while not view.complete:
        if time.monotonic() - said_s >= _LINE_S:
            say(str(view))
            said_s = time.monotonic()
        time.sleep(_LOOK_S)
        view = here.driver.run(batch_info(here.keys, view.id))
    return view


def _bar_words(view: BatchInfo) -> str:
    failed = view.ended - view.succeeded
    words = [f"{failed} failed"] if failed else []
    words += ["paused"] if view.paused else []
    return " ".join([*words, dollars(view.cost_usd)])
