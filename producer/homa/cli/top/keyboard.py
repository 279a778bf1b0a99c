"""Keys as they are pressed, from a terminal that neither echoes them nor waits for the end of a line."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: What terminals send for keys that are not characters (ECMA-48; xterm's application mode has O for [).
_SEQUENCES = {
    "[A": "up",
    "OA": "up",
    "[B": "down",
    "OB": "down",
    "[5~": "page-up",
    "[6~": "page-down",
    "[H": "home",
    "OH": "home",
    "[1~": "home",
}
#: How long the rest of a sequence may take behind its escape, s; over a slow line it comes in pieces.
_SEQUENCE_S = 0.05


class Keyboard:
    """Reads keys of a terminal."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def key(self, timeout_s: float) -> str | None:
        """The next key, as `View.pressed` names it; None where none came in time. Raises EOFError where the terminal
        is gone."""
        if not self._ready(timeout_s):
            return None
        first = self._read()
        if first != "\x1b":
            return {"\t": "tab", "\r": "escape", "\n": "escape"}.get(first, first)
        sequence = ""
        while self._ready(_SEQUENCE_S) and len(sequence) < 4:
            sequence += self._read()
            if sequence in _SEQUENCES:
                return _SEQUENCES[sequence]
        return "escape" if not sequence else None

    def _ready(self, timeout_s: float) -> bool:
        return bool(select.select([self._descriptor], [], [], max(0.0, timeout_s))[0])

    def _read(self) -> str:
        found = os.read(self._descriptor, 1)
        if not found:
            raise EOFError("the terminal is gone")
        return found.decode("latin-1")


@contextmanager
def keyboard() -> Iterator[Keyboard]:
    """The keyboard of standard input, which is as it was afterwards, whatever happens."""
    import termios
    import tty

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        # Ctrl-C still interrupts.
        tty.setcbreak(descriptor)
        yield Keyboard(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
