"""Signals during a run: the first lets calls in flight finish, the second ends the run at once.

SIGHUP, which a closed terminal sends more than once, counts as a first one only; under nohup it is ignored.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from homa.runs.errors import SignalReceived

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interruption:
    """Whether somebody wants the run to end.

    Args:
        at_once: whether the first signal ends the run as the second does.
    """

    def __init__(self, *, at_once: bool = False) -> None:
        #: The first signal's number.
        self.signal: int | None = None
        #: Called at the first signal.
        self.on_signal: Callable[[], object] = self._stop if at_once else lambda: None

    def receive(self, number: int, frame: FrameType | None = None) -> None:
        """Handles a signal.

        Raises:
            SignalReceived: it is the second one.
        """
        if self.signal is not None and number == signal.SIGHUP:
            return
        if self.signal is not None:
            raise SignalReceived(number)
        self.signal = number
        self.on_signal()

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within, the first signal is only noted, and acted on afterwards.

        Raises:
            SignalReceived: a second one came; or, afterwards, a first one that ends the run at once.
        """
        before, self.on_signal = self.on_signal, lambda: None
        try:
            yield
        finally:
            self.on_signal = before
        if self.signal is not None:
            self.on_signal()

    def _stop(self) -> None:
        assert self.signal is not None
        raise SignalReceived(self.signal)

    @contextmanager
    def listening(self) -> Iterator[Interruption]:
        """Handles the three signals within, and restores their handlers afterwards. Only the main thread can."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        heard = [n for n in _SIGNALS if n != signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self.receive) for number in heard}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
