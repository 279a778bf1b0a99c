"""Token buckets, the daily window, and the clock that both read."""

from __future__ import annotations

import math
from collections.abc import Callable

#: Seconds since any fixed moment, never going back; injected, so that tests turn it by hand.
Clock = Callable[[], float]

#: Refills are sums of floats; a bucket short by less than this is full enough.
_TOLERANCE = 1e-6


class TokenBucket:
    """Refills evenly up to its capacity and may be in debt.

    A request larger than the capacity is admitted by a full bucket, into debt; what a reply really used is settled
    afterwards, into debt too.
    """

    __slots__ = ("_at_s", "_level", "capacity", "rate_per_s")

    def __init__(self, rate_per_s: float, capacity: float, now_s: float) -> None:
        self.rate_per_s = rate_per_s
        self.capacity = capacity
        self._level = capacity
        self._at_s = now_s

    def level(self, now_s: float) -> float:
        if now_s > self._at_s:
            self._level = min(self.capacity, self._level + (now_s - self._at_s) * self.rate_per_s)
            self._at_s = now_s
        return self._level

    def wait_s(self, amount: float, now_s: float) -> float:
        """Seconds until `amount` may be taken; 0 when it may be now."""
        missing = min(amount, self.capacity) - self.level(now_s)
        return missing / self.rate_per_s if missing > _TOLERANCE else 0.0

    def full_in_s(self, now_s: float) -> float:
        return (self.capacity - self.level(now_s)) / self.rate_per_s

    def take(self, amount: float, now_s: float) -> None:
        """Take, into debt if need be; a negative amount gives back, up to the capacity."""
        self._level = min(self.capacity, self.level(now_s) - amount)

    def punish(self, amount: float, now_s: float) -> None:
        """Take what a refused request uses up, but never into debt: a hammering client is held at empty."""
        level = self.level(now_s)
        self._level = max(min(level, 0.0), level - amount)


class CalendarWindow(TokenBucket):
    """Full again at each turn of a window, second or minute; what is left then is lost. A debt goes on."""

    __slots__ = ("window_s",)

    def __init__(self, rate_per_s: float, window_s: float, now_s: float) -> None:
        super().__init__(rate_per_s, max(1.0, rate_per_s * window_s), now_s)
        self.window_s = window_s

    def level(self, now_s: float) -> float:
        turns = now_s // self.window_s - self._at_s // self.window_s
        if turns > 0:
            self._level = min(self.capacity, self._level + turns * self.capacity)
            self._at_s = now_s
        return self._level

    def wait_s(self, amount: float, now_s: float) -> float:
        """Seconds until `amount` may be taken: the next turn of the window, or 0."""
        missing = min(amount, self.capacity) - self.level(now_s)
        return self.full_in_s(now_s) if missing > _TOLERANCE else 0.0

    def full_in_s(self, now_s: float) -> float:
        return 0.0 if self.level(now_s) >= self.capacity else self.window_s - now_s % self.window_s


class DayWindow:
    """Counts what was taken since midnight UTC, by a clock of seconds since the epoch."""

    __slots__ = ("_day", "_used", "limit")

    DAY_S = 86_400

    def __init__(self, limit: int, epoch_s: float) -> None:
        self.limit = limit
        self._used = 0
        self._day = epoch_s // self.DAY_S

    def wait_s(self, epoch_s: float) -> float:
        """Seconds until one more may be taken; 0 when it may be now."""
        self._turn(epoch_s)
        return 0.0 if self._used < self.limit else math.ceil((self._day + 1) * self.DAY_S - epoch_s)

    def take(self, amount: int, epoch_s: float) -> None:
        self._turn(epoch_s)
        self._used = max(0, self._used + amount)

    def _turn(self, epoch_s: float) -> None:
        if epoch_s // self.DAY_S != self._day:
            self._day, self._used = epoch_s // self.DAY_S, 0
