"""What the simulator saw: for quota plots, and for tests that ask how hard a limit was pushed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

#: Seconds of per-second counts that are kept for each account and model.
_SECONDS_KEPT = 86_400


class Stats:
    """Counts since the start or the last reset."""

    def __init__(self, epoch: Callable[[], float]) -> None:
        self._epoch = epoch
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        self.received = 0
        self.max_in_flight = self.in_flight
        self.by_status: Counter[int] = Counter()
        self.faults: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.disconnects = 0
        #: account/model → second since the epoch → [received, admitted, tokens]
        self._seconds: dict[str, dict[int, list[int]]] = {}

    def arrive(self) -> None:
        self.received += 1
        self.in_flight += 1
        self.max_in_flight = max(self.max_in_flight, self.in_flight)

    def leave(self) -> None:
        self.in_flight -= 1

    def received_by(self, scope: str) -> None:
        self._second(scope)[0] += 1

    def admitted_by(self, scope: str, tokens: int) -> None:
        second = self._second(scope)
        second[1] += 1
        second[2] += tokens

    def _second(self, scope: str) -> list[int]:
        seconds = self._seconds.get(scope)
        if seconds is None:
            seconds = self._seconds[scope] = {}
        now = int(self._epoch())
        second = seconds.get(now)
        if second is None:
            second = seconds[now] = [0, 0, 0]
            if len(seconds) > _SECONDS_KEPT:
                del seconds[next(iter(seconds))]
        return second

    def as_json(self, peaks: dict[str, int]) -> dict[str, Any]:
        """All counts.

        Status 499 stands for a connection that was cut before the reply. `per_second` lists [second since the epoch,
        received, admitted, tokens] by account and model.
        """
        return {
            "received": self.received,
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "max_in_flight_by_scope": peaks,
            "by_status": {str(status): count for status, count in sorted(self.by_status.items())},
            "rate_limited": sum(self.refused.values()),
            "refused_by": dict(self.refused),
            "faults": dict(self.faults),
            "disconnects": self.disconnects,
            "per_second": {
                scope: [[second, *counts] for second, counts in seconds.items()]
                for scope, seconds in self._seconds.items()
            },
        }
