"""Deadlines of what somebody waits for: a wait ends on time, too, where no worker lives to end the job.

Workers end jobs whose deadline passed. Whoever waits does the same by a script of its own, which is safe beside them:
what has ended stays as it is, and what runs is left to its worker.
"""

from __future__ import annotations

import math
import time

from homa.client.outcomes import EndRecord
from homa.drivers.effects import Flow, ask
from homa_shared.model.errors import StoreUnavailable
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.transitions.admin import expire_overdue

#: Between two tries to end what is overdue, s.
_EACH_S = 1.0
#: Slices of overdue jobs that are ended at one look.
_SLICES = 20


class JobDeadline:
    """The deadline of one job that is waited for."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        #: By this process's clock; None while nobody has asked the store for its own.
        self._due_s: float | None = None

    def left_s(self, found: EndRecord) -> Flow[float]:
        """Seconds until the job is overdue; 0: it was, and has been ended where it waited, so look at it again."""
        if found.deadline_ms is None or found.state is State.RUNNING:
            return math.inf
        try:
            if self._due_s is None:
                now_ms = yield from ask(reads.server_time(self._keys))
                self._due_s = time.monotonic() + (found.deadline_ms - now_ms) / 1000
            left_s = self._due_s - time.monotonic()
            if left_s > 0:
                return left_s
            self._due_s = time.monotonic() + _EACH_S
            yield from _expire(self._keys)
        except StoreUnavailable:
            return _EACH_S
        return 0.0


class BatchDeadlines:
    """Those of a batch's jobs: looked after now and then, for as long as nothing of it ends."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        self._next_s = time.monotonic() + _EACH_S

    def check(self) -> Flow[None]:
        """Ends jobs that are overdue, at most once a second."""
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + _EACH_S
        try:
            yield from _expire(self._keys)
        except StoreUnavailable:
            return


def _expire(keys: Keys) -> Flow[None]:
    for _ in range(_SLICES):
        if not (yield from ask(expire_overdue(keys))):
            return
