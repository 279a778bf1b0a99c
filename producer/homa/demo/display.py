"""How the demo is shown: a bar on a terminal, lines elsewhere, and the report."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from homa.demo.environment import MODEL
from homa.demo.findings import Findings
from homa.demo.walkthrough import Reporter, Snapshot
from homa_shared.model.money import usd

#: Between two lines where there is no terminal, s.
_LINE_S = 5.0


@contextmanager
def reporter(console: Console) -> Iterator[Reporter]:
    """A bar with counts on a terminal, else a line now and then."""
    if console.is_terminal:
        yield from _bar(console)
    else:
        yield from _lines(console)


def _bar(console: Console) -> Iterator[Reporter]:
    columns = (BarColumn(24), MofNCompleteColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting", total=None)

        def show(seen: Snapshot) -> None:
            bar.update(task, total=seen.total, completed=seen.progress.ended, description=_words(seen))

        yield Reporter(lambda message: console.print(Text(message)), show)


def _lines(console: Console) -> Iterator[Reporter]:
    told_s = 0.0

    def show(seen: Snapshot) -> None:
        nonlocal told_s
        if time.monotonic() - told_s >= _LINE_S or seen.progress.complete:
            told_s = time.monotonic()
            console.print(Text(f"{seen.progress.ended} of {seen.total}: {_words(seen)}"))

    yield Reporter(lambda message: console.print(Text(message)), show)


def _words(seen: Snapshot) -> str:
    progress = seen.progress
    parts = [f"{seen.running:>3} in flight"]
    parts += [f"{count} {name}" for name, count in _counts(seen) if count]
    return ", ".join([*parts, f"${usd(progress.cost_nano_usd // 100_000 * 100_000)}"])


def _counts(seen: Snapshot) -> tuple[tuple[str, int], ...]:
    failed = seen.progress.ended - seen.progress.succeeded
    return ("rerouted", seen.rerouted), ("recovered", seen.recovered), ("failed", failed)


def report(console: Console, found: Findings) -> None:
    """The report at the end."""
    console.print()
    for name, value in _facts(found):
        console.print(Text.assemble((f"{name:<11}", "bold"), value))
    console.print()
    console.print(_money(found))
    console.print()
    for check in found.checks:
        mark = Text("held  ", style="green") if check.held else Text("BROKEN", style="bold red")
        # In a column of its own, what goes on in the next line stands below itself.
        line = Table.grid(padding=(0, 1))
        line.add_row(mark, Text.assemble((check.name, "bold"), f": {check.detail}"))
        console.print(line)


def _facts(found: Findings) -> Iterator[tuple[str, str]]:
    yield (
        "documents",
        f"{found.documents}: {found.succeeded} succeeded, {found.failed} failed, in {found.seconds:.1f} s",
    )
    yield "results", f"{found.results.total()}, for {len(found.results)} documents"
    faults = ", ".join(f"{count} {name}" for name, count in sorted(found.faults.items()) if name != "ok")
    yield "faults", f"{faults or 'none'} injected into {found.calls} calls"
    yield "retries", f"{found.retried} at the same model, {found.rerouted} rerouted to the next one"
    yield "recovered", f"{found.recovered} jobs of the killed worker"
    for quota in found.quotas:
        if quota.scope == MODEL.replace(":", "/"):  # of the fallback's quota only a little is wanted
            share = 100 * quota.used_rpm / quota.rpm
            used = f"{quota.used_rpm:.0f} of {quota.rpm} calls a minute while busy ({share:.0f} %)"
            yield "quota", f"{quota.scope}: {used}"
    yield "429s", str(found.rate_limited)


def _money(found: Findings) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("PROVIDER", no_wrap=True)
    for header in ("CALLS", "KNOWN", "UNRESOLVED", "BILL"):
        table.add_column(header, justify="right")
    for b in found.balances:
        table.add_row(b.provider, str(b.calls), *(f"${usd(nano)}" for nano in (b.known, b.unresolved, b.bill)))
    return table
