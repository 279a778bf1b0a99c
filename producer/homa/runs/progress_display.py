"""How a run tells that it goes on: a bar on a terminal, a line every half minute elsewhere, or nothing."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import click

from homa.runs.progress import Pace, RunProgress, count, in_words, where_to_look

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

#: Seconds between two log lines.
LOG_EACH_S = 30.0
_REDRAW_EACH_S = 0.2


class ProgressDisplay(ABC):
    """Shows how far a run has come."""

    def __init__(self) -> None:
        self.pace = Pace()

    def show(self, progress: RunProgress) -> None:
        """Takes in a look at the run; shows it when it is time to."""
        self.pace.see(progress)
        self._show(progress)

    @abstractmethod
    def _show(self, progress: RunProgress) -> None: ...

    @abstractmethod
    def say(self, message: str) -> None:
        """A message beside the progress."""

    @abstractmethod
    def close(self) -> None: ...


class SilentDisplay(ProgressDisplay):
    """Shows nothing; messages are told all the same."""

    def _show(self, progress: RunProgress) -> None:
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

    def _show(self, progress: RunProgress) -> None:
        now_s = time.monotonic()
        if now_s - self._last_s < self._each_s:
            return
        self._last_s = now_s
        words = [f"{count(progress)} done", *in_words(progress, self.pace), where_to_look(progress, self.pace)]
        self.say(", ".join(filter(None, words)))


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
        #: A look that came too soon after another to be drawn; it is, where it turns out to be the last one.
        self._undrawn: RunProgress | None = None

    def _show(self, progress: RunProgress) -> None:
        if not self._started:
            self._live.start()
            self._started = True
        elif time.monotonic() - self._drawn_s < _REDRAW_EACH_S:
            self._undrawn = progress
            return
        self._draw(progress)

    def _draw(self, progress: RunProgress) -> None:
        self._drawn_s, self._undrawn = time.monotonic(), None
        self._live.update(drawn(progress, self.pace), refresh=True)

    def say(self, message: str) -> None:
        self._console.print(f"homa: {message}", markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        if self._undrawn is not None:
            self._draw(self._undrawn)
        if self._started:
            self._live.stop()


def drawn(progress: RunProgress, pace: Pace) -> RenderableType:
    """The bar: how far on the first line, how it goes on the second, and below where to look if nothing goes on."""
    from rich.console import Group
    from rich.text import Text

    words = Text(" · ".join(in_words(progress, pace)), no_wrap=True, overflow="ellipsis")
    if progress.failed:
        words.highlight_words([f"{progress.failed} failed"], "red")
    # Not cut: what is in it is typed again.
    held = where_to_look(progress, pace)
    return Group(pace.bar(progress), words, *([Text(held, overflow="fold")] if held else []))


def progress_display(kind: str) -> ProgressDisplay:
    """The display of `--progress auto|bar|log|none`."""
    if kind == "none":
        return SilentDisplay()
    if kind == "bar" or (kind == "auto" and sys.stderr.isatty()):
        return BarDisplay()
    return LogDisplay()
