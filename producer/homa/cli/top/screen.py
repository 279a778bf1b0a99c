"""A view of the fleet as one screen of a terminal: never more lines than it has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from homa.cli.context import visible
from homa.cli.fleet_tables import FleetTable, summary, tables
from homa.cli.table_layout import table
from homa.cli.top.view import HELP, PAGES, View
from homa.client.management.alarms import Alarm
from homa.client.management.status import FleetStatus
from homa.client.management.wording import moment

_STYLES = {"alarm": "bold red", "notice": "yellow"}


class Screen:
    """Draws a view.

    Args:
        seen: the last look; None before the first.
        found: what wants attention in it.
        look_ms: how long the store took to answer.
        away: why the store cannot be asked at present; empty where it can.
    """

    def __init__(
        self, view: View, seen: FleetStatus | None, found: Sequence[Alarm], look_ms: int, *, away: str = ""
    ) -> None:
        self.view, self.seen, self.found, self.look_ms, self.away = view, seen, found, look_ms, away

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        height = options.height or console.height
        lines = [line for part in self._parts(console) for line in console.render_lines(part, _whole(console))]
        room = height - 1
        if len(lines) > room:
            lines[room - 1 :] = console.render_lines(_cut(len(lines) - room + 1), _whole(console))[:1]
        for line in [*lines, *([[]] * (room - len(lines)))]:
            yield from line
            yield Segment.line()
        yield from console.render_lines(self._foot(), _whole(console))[0]

    def _parts(self, console: Console) -> Iterable[RenderableType]:
        yield self._head()
        if self.away:
            yield Text(visible(f"the store does not answer: {self.away}"), style="bold red", overflow="fold")
        if self.view.help:
            yield _facts(HELP)
        elif self.seen is not None and self.view.page:
            yield from self._page(console, PAGES[self.view.page][1](self.seen))
        elif self.seen is not None:
            yield from self._overview(console, self.seen)

    def _head(self) -> RenderableType:
        at = f"{moment(self.seen.at)}, in {self.look_ms} ms" if self.seen else "looking…"
        pace = "held" if self.view.held else f"every {self.view.each_s:g} s"
        return Text(f"homa top · {at} · {pace}", style="bold", no_wrap=True, overflow="ellipsis")

    def _foot(self) -> RenderableType:
        pages = " ".join(f"{key} {name}" for key, (name, _) in PAGES.items())
        return Text(f"{pages} · ? help · q leave", style="reverse", no_wrap=True, overflow="ellipsis")

    def _overview(self, console: Console, seen: FleetStatus) -> Iterable[RenderableType]:
        yield _facts(summary(seen))
        for alarm in self.found:
            yield Text(visible(str(alarm)), style=_STYLES[alarm.level], overflow="fold")
        for each in tables(seen):
            if each.rows:
                yield Text(f"\n{each.title}", style="bold")
                yield _drawn(console, each, each.rows)

    def _page(self, console: Console, each: FleetTable) -> Iterable[RenderableType]:
        top = self.view.within(len(each.rows)).top
        above = f", {top} above" if top else ""
        yield Text(f"\n{each.title}: {len(each.rows)}{above}", style="bold")
        if each.rows:
            yield _drawn(console, each, each.rows[top:])


def _cut(count: int) -> Text:
    return Text(f"… {count} more lines: a number shows one table alone", style="dim", no_wrap=True, overflow="ellipsis")


def _whole(console: Console) -> ConsoleOptions:
    """As wide as the terminal, as long as it takes: what is too long is cut off at the end."""
    return console.options.update(width=console.width, height=None)


def _drawn(console: Console, each: FleetTable, rows: Sequence[Sequence[str]]) -> RenderableType:
    return table(console, each.headers, rows, right=each.right, wraps=each.wraps)


def _facts(facts: Iterable[tuple[str, str]]) -> RenderableType:
    made = Table(box=None, pad_edge=False, show_header=False)
    made.add_column(no_wrap=True, style="bold")
    made.add_column(overflow="fold")
    for name, value in facts:
        made.add_row(Text(name), Text(visible(value)))
    return made
