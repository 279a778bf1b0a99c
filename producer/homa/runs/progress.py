"""How a run tells that it goes on: a bar on a terminal, a line every half minute elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from homa_shared.model.money import usd

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: Seconds between two log lines.
LOG_EACH_S = 30.0
#: The rate is that of the last so many seconds.
_RATE_OVER_S = 20.0
_REDRAW_EACH_S = 0.2


@dataclass(frozen=True, slots=True)
class RunProgress:
    """How far a run has come."""

    #: Inputs that have their line, those of earlier parts included.
    ended: int
    #: Of them: written by this process.
    fresh: int
    failed: int
    #: Inputs; None while nobody knows.
    total: int | None
    #: The total is an estimate.
    about: bool
    in_flight: int
    #: Nano-dollars, known ones.
    cost: int
    #: Nano-dollars that may have been charged beside them.
    unresolved: int
    #: Attempts without a known price.
    unpriced: int
    #: What the run is doing beside going on, such as `finishing calls in flight`.
    note: str = ""


class Pace:
    """Rate, time left and final cost, from how standings follow each other."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def see(self, standing: RunProgress) -> None:
        now_s = time.monotonic()
        self._seen.append((now_s, standing.fresh))
        while now_s - self._seen[0][0] > _RATE_OVER_S and len(self._seen) > 2:
            self._seen.popleft()

    @property
    def per_second(self) -> float:
        """Inputs that end in a second."""
        if len(self._seen) < 2:
            return 0.0
        (first_s, first), (last_s, last) = self._seen[0], self._seen[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0

    def left_s(self, standing: RunProgress) -> float | None:
        """Seconds until the end at this pace; None where it cannot be told."""
        if standing.total is None or self.per_second <= 0:
            return None
        return max(0, standing.total - standing.ended) / self.per_second


def in_words(standing: RunProgress, pace: Pace) -> list[str]:
    """Everything beside the count of inputs, in the order in which it matters."""
    words = [standing.note] if standing.note else []
    words += [f"{standing.failed} failed", f"{standing.in_flight} in flight", f"{pace.per_second:.1f}/s"]
    words.append(money(standing))
    left_s = pace.left_s(standing)
    if left_s is not None and not standing.note:
        words.append(f"{span(left_s)} left")
    return words


def money(standing: RunProgress) -> str:
    """Cost so far, and what it will come to."""
    if standing.unpriced and not standing.cost:
        return "unpriced"
    said = f"${short_usd(standing.cost)}"
    if standing.total and 0 < standing.fresh < standing.total and standing.ended < standing.total:
        said += f" of ~${short_usd(standing.cost * standing.total // standing.ended)}"
    return said + (" + unpriced" if standing.unpriced else "")


def short_usd(nano_usd: int) -> str:
    """Dollars with as many places as one can take in: 12.35, 0.0123, 0.000042."""
    places = 2 if nano_usd >= 10**10 or not nano_usd else 4 if nano_usd >= 10**6 else 6
    whole, _, fraction = usd(nano_usd).partition(".")
    return f"{whole}.{fraction[:places].ljust(places, '0')}"


def span(seconds: float) -> str:
    """A span of time: 42s, 3m 20s, 2h 05m."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02d}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02d}m"


class ProgressDisplay(ABC):
    """Shows standings."""

    def __init__(self) -> None:
        self.pace = Pace()

    def show(self, standing: RunProgress) -> None:
        """Takes in a standing; shows it when it is time to."""
        self.pace.see(standing)
        self._show(standing)

    @abstractmethod
    def _show(self, standing: RunProgress) -> None: ...

    @abstractmethod
    def say(self, message: str) -> None:
        """A message beside the progress."""

    @abstractmethod
    def close(self) -> None: ...


class SilentDisplay(ProgressDisplay):
    """Shows nothing; messages are told all the same."""

    def _show(self, standing: RunProgress) -> None:
        pass

    def say(self, message: str) -> None:
        click.echo(f"homa: {message}", err=True)

    def close(self) -> None:
        pass


class LogDisplay(SilentDisplay):
    """A line every half minute, for logs."""

    def __init__(self, each_s: float = LOG_EACH_S) -> None:
        super().__init__()
        self._each_s = each_s
        self._last_s = time.monotonic()

    def _show(self, standing: RunProgress) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s < self._each_s:
            return
        self._last_s = now_s
        self.say(", ".join([f"{_count(standing)} done", *in_words(standing, self.pace)]))


class BarDisplay(ProgressDisplay):
    """A bar and what stands beside it, redrawn in place."""

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        from rich.console import Console
        from rich.live import Live

        self._console = console or Console(stderr=True)
        self._live = Live(console=self._console, auto_refresh=False, transient=False)
        self._started = False
        self._drawn_s = 0.0

    def _show(self, standing: RunProgress) -> None:
        if not self._started:
            self._live.start()
            self._started = True
        elif time.monotonic() - self._drawn_s < _REDRAW_EACH_S:
            return
        self._drawn_s = time.monotonic()
        self._live.update(drawn(standing, self.pace), refresh=True)

    def say(self, message: str) -> None:
        self._console.print(f"homa: {message}", markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self._started:
            self._live.stop()


def drawn(standing: RunProgress, pace: Pace) -> RenderableType:
    """The bar: how far on the first line, how it goes on the second."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    bar = ProgressBar(total=standing.total, completed=standing.ended, pulse=standing.total is None)
    first = Table.grid(expand=True, padding=(0, 1))
    first.add_column(ratio=1)
    first.add_column(no_wrap=True, justify="right")
    share = f"{100 * standing.ended // standing.total:3d}%" if standing.total else ""
    first.add_row(bar, f"{_count(standing)}  {share}")
    words = Text(" · ".join(in_words(standing, pace)), no_wrap=True, overflow="ellipsis")
    if standing.failed:
        words.highlight_words([f"{standing.failed} failed"], "red")
    return Group(first, words)


def _count(standing: RunProgress) -> str:
    if standing.total is None:
        return f"{standing.ended}"
    return f"{standing.ended} of {'about ' if standing.about else ''}{standing.total}"


def progress(kind: str) -> ProgressDisplay:
    """The progress of `--progress auto|bar|log|none`."""
    if kind == "none":
        return SilentDisplay()
    if kind == "bar" or (kind == "auto" and sys.stderr.isatty()):
        return BarDisplay()
    return LogDisplay()
