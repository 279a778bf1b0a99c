"""`homa batches`: list, show, watch, results, cancel, pause and resume."""

from __future__ import annotations

import time
from typing import Any, BinaryIO

import click
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from homa.commands.batch_results import write_results
from homa.commands.exits import SOME_FAILED, Stopped
from homa.commands.printing import (
    age,
    console,
    dollars,
    json_option,
    moment,
    number,
    print_facts,
    print_json,
    print_json_line,
    print_table,
    usd_or_null,
)
from homa.commands.selecting import batch_not_found
from homa.commands.session import Session, say, session
from homa_shared.money import usd
from homa_shared.store import reading, steering

#: Between two looks at a batch that is watched, s; between two lines of its progress where there is no terminal.
_LOOK_S, _LINE_S = 0.5, 30.0


@click.group("batches")
def command() -> None:
    """List, show, watch, pause, resume or cancel batches."""


@command.command("list")
@click.option("--limit", type=click.IntRange(1, 10_000), default=50, show_default=True, help="Most batches to list.")
@json_option
def list_(limit: int, as_json: bool) -> None:
    """List batches, newest first."""
    with session(revive=True) as here:
        ids = here.store.run(reading.batches(here.keys, limit))
        found = [view for view in (here.store.run(reading.batch(here.keys, name)) for name in ids) if view is not None]
        now_ms = here.store.run(reading.server_time(here.keys))
    if as_json:
        print_json({"batches": [batch_document(view) for view in found]})
        return
    print_table(
        ("BATCH", "STATE", "LINES", "DONE", "FAILED", "COST", "AGE", "NAME"),
        (
            (
                view.id,
                state_words(view, why=False),
                number(view.total if view.total is not None else view.submitted),
                number(view.succeeded),
                number(view.ended - view.succeeded) if view.ended > view.succeeded else "",
                dollars(view.nano_usd),
                age(view.created_ms, now_ms),
                view.name,
            )
            for view in found
        ),
        right={"LINES", "DONE", "FAILED", "COST", "AGE"},
        wraps={"STATE", "NAME"},
        empty="no batch is in the store",
    )


@command.command()
@click.argument("batch")
@json_option
def show(batch: str, as_json: bool) -> None:
    """Show a batch: counts, cost, state."""
    with session(revive=True) as here:
        view = _view(here, batch)
    if as_json:
        print_json(batch_document(view))
        return
    print_facts(
        (
            ("batch", view.id),
            ("name", view.name),
            ("tenant", view.tenant),
            ("state", state_words(view)),
            ("lines", number(view.total) if view.total is not None else f"{number(view.submitted)} so far"),
            ("succeeded", number(view.succeeded)),
            ("failed", number(view.failed)),
            ("cancelled", number(view.cancelled) if view.cancelled else ""),
            ("expired", number(view.expired) if view.expired else ""),
            ("live", number(view.live) if view.live else ""),
            ("calls", number(view.requests)),
            ("tokens", f"{number(view.input_tokens)} in, {number(view.output_tokens)} out"),
            ("cost", dollars(view.nano_usd) + (f" of {dollars(view.cap_nano_usd)}" if view.cap_nano_usd else "")),
            ("unresolved", dollars(view.unresolved_nano_usd) if view.unresolved_nano_usd else ""),
            ("cache saved", dollars(view.cache_saved_nano_usd) if view.cache_saved_nano_usd else ""),
            ("unpriced calls", number(view.unpriced) if view.unpriced else ""),
            ("created", moment(view.created_ms)),
            ("completed", moment(view.completed_ms)),
        )
    )


@command.command()
@click.argument("batch")
@click.option("--json", "as_json", is_flag=True, help="JSON Lines: the batch whenever its counts have changed.")
def watch(batch: str, as_json: bool) -> None:
    """Follow a batch until it is complete.

    The status is 1 when some of its jobs failed.
    """
    with session(revive=True) as here:
        view = _view(here, batch)
        if as_json:
            view = _watch_lines(here, view)
        elif console(stderr=True).is_terminal:
            view = _watch_bar(here, view)
        else:
            view = _watch_log(here, view)
    if not as_json:
        click.echo(_summary(view))
    if view.succeeded < view.ended:
        raise Stopped(SOME_FAILED)


@command.command()
@click.argument("batch")
@click.option("--output", "-o", type=click.File("wb"), default="-", show_default=True, help="File to write, or -.")
@click.option("--follow", is_flag=True, help="Go on with lines as they end, until the batch is complete.")
@click.option("--after", type=click.IntRange(0), default=0, help="Leave out so many of the first lines.")
def results(batch: str, output: BinaryIO, follow: bool, after: int) -> None:
    """Write the lines that have ended.

    As OpenAI batch output lines, in the order in which they ended.
    """
    with session(revive=True) as here:
        _view(here, batch)
        written = write_results(here, batch, output, after=after, follow=follow)
    say(f"{written} lines; go on later with --after {after + written}")


@command.command()
@click.argument("batch")
@json_option
def cancel(batch: str, as_json: bool) -> None:
    """Cancel a batch.

    Nothing of it is taken any more, running calls are stopped.
    """
    with session(revive=True) as here:
        if _view(here, batch).complete:
            say(f"cannot cancel {batch}: it is complete")
            raise Stopped(SOME_FAILED)
        here.store.run(steering.cancel_batch(here.keys, batch))
        _tell(here, batch, as_json)


@command.command()
@click.argument("batch")
@click.option("--why", default="by hand", show_default=True, help="Kept in the batch's record.")
@json_option
def pause(batch: str, why: str, as_json: bool) -> None:
    """Pause a batch; calls in flight finish."""
    with session(revive=True) as here:
        if _view(here, batch).complete:
            say(f"cannot pause {batch}: it is complete")
            raise Stopped(SOME_FAILED)
        here.store.run(steering.pause_batch(here.keys, batch, why))
        _tell(here, batch, as_json)


@command.command()
@click.argument("batch")
@json_option
def resume(batch: str, as_json: bool) -> None:
    """Let a paused batch go on."""
    with session(revive=True) as here:
        _view(here, batch)
        here.store.run(steering.resume_batch(here.keys, batch))
        _tell(here, batch, as_json)


def batch_document(view: reading.BatchView) -> dict[str, Any]:
    """A batch for programs."""
    ended_ms = view.completed_ms
    return {
        "batch": view.id,
        "state": view.state,
        "total": view.total,
        "submitted": view.submitted,
        "succeeded": view.succeeded,
        "failed": view.failed,
        "cancelled": view.cancelled,
        "expired": view.expired,
        "cost_usd": usd(view.nano_usd),
        "unresolved_usd": usd(view.unresolved_nano_usd),
        "cache_saved_usd": usd(view.cache_saved_nano_usd),
        "unpriced_jobs": view.unpriced,
        "seconds": None if ended_ms is None else round((ended_ms - view.created_ms) / 1000, 3),
        "paused": view.paused,
        "paused_why": view.paused_why or None,
        "cancelling": view.cancel and not view.complete,
        "name": view.name or None,
        "tenant": view.tenant,
        "cap_usd": usd_or_null(view.cap_nano_usd),
        "requests": view.requests,
        "input_tokens": view.input_tokens,
        "output_tokens": view.output_tokens,
        "cached_tokens": view.cached_tokens,
        "created_ms": view.created_ms,
        "completed_ms": view.completed_ms,
    }


def state_words(view: reading.BatchView, *, why: bool = True) -> str:
    """A batch's state for people: `sealed, paused (bad key)`."""
    words = view.state
    if view.cancel:
        words += ", cancelled" if view.complete else ", being cancelled"
    if view.paused:
        words += f", paused ({view.paused_why})" if why and view.paused_why else ", paused"
    return words


def _view(here: Session, batch: str) -> reading.BatchView:
    view = here.store.run(reading.batch(here.keys, batch))
    if view is None:
        raise batch_not_found(batch)
    return view


def _tell(here: Session, batch: str, as_json: bool) -> None:
    view = _view(here, batch)
    if as_json:
        print_json(batch_document(view))
    else:
        click.echo(f"{batch}: {state_words(view)}, {number(view.ended)} of {number(view.submitted)} lines have ended")


def _watch_lines(here: Session, view: reading.BatchView) -> reading.BatchView:
    told: dict[str, Any] | None = None
    while True:
        document = batch_document(view)
        if document != told:
            print_json_line(document)
            told = document
        if view.complete:
            return view
        time.sleep(_LOOK_S)
        view = _view(here, view.id)


def _watch_bar(here: Session, view: reading.BatchView) -> reading.BatchView:
    columns = (BarColumn(None), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task("", total=view.total)
        while True:
            bar.update(task, total=view.total, completed=view.ended, description=_bar_words(view))
            if view.complete:
                return view
            time.sleep(_LOOK_S)
            view = _view(here, view.id)


def _watch_log(here: Session, view: reading.BatchView) -> reading.BatchView:
    said_s = 0.0
    while not view.complete:
        if time.monotonic() - said_s >= _LINE_S:
            say(_summary(view))
            said_s = time.monotonic()
        time.sleep(_LOOK_S)
        view = _view(here, view.id)
    return view


def _bar_words(view: reading.BatchView) -> str:
    failed = view.ended - view.succeeded
    words = [f"{failed} failed"] if failed else []
    words += ["paused"] if view.paused else []
    return " ".join([*words, dollars(view.nano_usd)])


def _summary(view: reading.BatchView) -> str:
    total = view.total if view.total is not None else view.submitted
    parts = [f"{number(view.succeeded)} of {number(total)} succeeded"]
    for name in ("failed", "cancelled", "expired"):
        count = getattr(view, name)
        parts += [f"{number(count)} {name}"] if count else []
    parts.append(dollars(view.nano_usd))
    if view.unresolved_nano_usd:
        parts.append(f"{dollars(view.unresolved_nano_usd)} unresolved")
    return f"{view.id} {state_words(view)}: " + ", ".join(parts)
