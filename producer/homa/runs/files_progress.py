"""How a run that Python began is shown: to a function, as a bar in a terminal or a notebook, or not at all."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any, TypeAlias

from homa.client.file_results import FilesProgress
from homa.client.management.units import usd_of
from homa.runs.progress import RunProgress
from homa.runs.progress_display import BarDisplay, ProgressDisplay, drawn

#: A function that is given each look, True for a bar, False for none; None: a bar in a terminal and in a notebook.
ProgressOption: TypeAlias = Callable[[FilesProgress], object] | bool | None
_DRAW_EACH_S = 0.2

_log = logging.getLogger("homa")


class _Quiet(ProgressDisplay):
    """Shows nothing; messages are logged."""

    def _show(self, progress: RunProgress) -> None:
        """Nothing."""

    def say(self, message: str) -> None:
        _log.info("%s", message)

    def close(self) -> None:
        """Nothing is open."""


class _Told(_Quiet):
    """Tells a function."""

    def __init__(self, tell: Callable[[FilesProgress], object]) -> None:
        super().__init__()
        self._tell = tell

    def _show(self, progress: RunProgress) -> None:
        self._tell(
            FilesProgress(
                ended=progress.ended,
                failed=progress.failed,
                total=progress.total,
                about=progress.about,
                in_flight=progress.in_flight,
                cost_usd=usd_of(progress.cost),
                unresolved_usd=usd_of(progress.unresolved),
            )
        )


class _Terminal(BarDisplay):
    """A bar; messages are logged, since they are no part of what an application prints."""

    def say(self, message: str) -> None:
        _log.info("%s", message)


class _Notebook(_Quiet):
    """The bar in a notebook's output cell, as text that is replaced: it needs no widgets."""

    def __init__(self) -> None:
        super().__init__()
        self._handle: Any = None
        self._drawn_s = 0.0
        self._last: RunProgress | None = None

    def _show(self, progress: RunProgress) -> None:
        self._last = progress
        if time.monotonic() - self._drawn_s >= _DRAW_EACH_S:
            self._draw(progress)

    def _draw(self, progress: RunProgress) -> None:
        from rich.console import Console

        self._drawn_s = time.monotonic()
        console = Console(width=100, force_terminal=False, force_jupyter=False)
        with console.capture() as captured:
            console.print(drawn(progress, self.pace))
        shown = {"text/plain": captured.get().rstrip()}
        if self._handle is None:
            self._handle = import_module("IPython.display").display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)

    def close(self) -> None:
        if self._last is not None:
            self._draw(self._last)


def display(progress: ProgressOption) -> ProgressDisplay:
    """What shows a run."""
    if callable(progress):
        return _Told(progress)
    if progress is False:
        return _Quiet()
    if _in_notebook():
        return _Notebook()
    return _Terminal() if progress or sys.stderr.isatty() else _Quiet()


def _in_notebook() -> bool:
    """Whether a kernel shows what this process displays; nothing is imported to find out."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return type(shell).__name__ == "ZMQInteractiveShell"
