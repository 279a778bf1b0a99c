"""How a table tells that it goes on: one bar, in a terminal or a notebook. Messages go to the log."""

from __future__ import annotations

import logging
import sys
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

from homa_shared.model.money import usd

if TYPE_CHECKING:
    from rich.progress import Progress

    from homa.client.tables.answers import Answers

#: How often the bar is drawn, s.
_DRAW_EACH_S = 0.2

_log = logging.getLogger("homa")


class Shown:
    """Shows nothing; messages are logged, each once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def show(self) -> None:
        """Looks how far it has come."""

    def say(self, message: str, *, key: str = "") -> None:
        """A message; one of a key is told once."""
        if not key or key not in self._said:
            self._said.add(key)
            _log.warning("%s", message)

    def close(self) -> None:
        """Shows it for the last time."""


class Bar(Shown):
    """One bar, drawn in place.

    Args:
        answers: what is shown.
        total: rows; None while nobody knows.
    """

    def __init__(self, answers: Answers, total: int | None) -> None:
        super().__init__()
        self._answers, self._total, self._drawn_s = answers, total, 0.0
        self._progress = _bar()
        self._task = self._progress.add_task("", total=total)
        self._started = False

    def show(self) -> None:
        if time.monotonic() - self._drawn_s >= _DRAW_EACH_S:
            self._drawn_s = time.monotonic()
            self._update()
            self._draw()

    def close(self) -> None:
        self._total = len(self._answers) if self._total is None else self._total
        self._update()
        self._draw()
        if self._started:
            self._progress.stop()

    def _update(self) -> None:
        answers = self._answers
        words = [f"{answers.ended}" + ("" if self._total is None else f" of {self._total}")]
        words += [f"{answers.failed} failed"] if answers.failed else []
        words += [f"${usd(answers.answers_nano_usd)}"] if answers.answers_nano_usd else []
        described = " · ".join(words)
        self._progress.update(self._task, completed=answers.ended, total=self._total, description=described)

    def _draw(self) -> None:
        if not self._started:
            self._progress.start()
            self._started = True
        self._progress.refresh()


class NotebookBar(Bar):
    """The bar in a notebook's output cell, as text that is replaced: it needs no widgets."""

    def __init__(self, answers: Answers, total: int | None) -> None:
        super().__init__(answers, total)
        self._handle: Any = None

    def _draw(self) -> None:
        from rich.console import Console

        console = Console(width=100, force_terminal=False, force_jupyter=False)
        with console.capture() as captured:
            console.print(self._progress.get_renderable())
        shown = {"text/plain": captured.get().rstrip()}
        if self._handle is None:
            self._handle = import_module("IPython.display").display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)


def shown(progress: bool | None, answers: Answers, total: int | None) -> Shown:
    """What shows a run.

    Args:
        answers: how rows ended so far.
        total: rows; None while nobody knows.
        progress: None shows a bar in a terminal and in a notebook.
    """
    if progress is False:
        return Shown()
    if _in_notebook():
        return NotebookBar(answers, total)
    return Bar(answers, total) if progress or sys.stderr.isatty() else Shown()


def _in_notebook() -> bool:
    """Whether a kernel shows what this process displays; nothing is imported to find out."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"


def _bar() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    columns = (
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.description}", markup=False),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True, force_jupyter=False), auto_refresh=False)
