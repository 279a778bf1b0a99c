"""What ended lately, by target: read from the ledger, each line once, however many people look."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from homa_shared.store.reads.money import LedgerLine

#: How far back it counts, and for how long sums of `STEP_MS` are kept for a curve, ms.
WINDOW_MS, CURVE_MS, STEP_MS = 60_000, 600_000, 20_000
_ANSWERED = ("succeeded", "answered")
#: Where answers of the cache are counted.
_NOBODY = ""


@dataclass(slots=True)
class Sums:
    """Of attempts."""

    requests: int = 0
    answered: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    nano_usd: int = 0

    def add(self, line: LedgerLine) -> None:
        self.requests += 1
        self.answered += line.outcome in _ANSWERED or line.outcome.startswith("cached")
        self.input_tokens += line.input_tokens
        self.output_tokens += line.output_tokens
        self.nano_usd += line.nano_usd

    def merge(self, other: Sums) -> None:
        self.requests += other.requests
        self.answered += other.answered
        self.input_tokens += other.input_tokens
        self.output_tokens += other.output_tokens
        self.nano_usd += other.nano_usd


class Tally:
    """Sums of the last minute and a curve of the last ten."""

    def __init__(self) -> None:
        #: (second, target -> sums), oldest first: a minute of them, whatever the number of lines.
        self._seconds: deque[tuple[int, dict[str, Sums]]] = deque()
        self._curve: deque[tuple[int, Sums]] = deque()
        #: Since when every line was read, ms.
        self.since_ms = 0

    def begin(self, at_ms: int) -> None:
        """Forgets what it knows: lines were left out since."""
        self._seconds.clear()
        self._curve.clear()
        self.since_ms = at_ms

    def add(self, lines: list[LedgerLine], now_ms: int) -> None:
        """Counts further lines, oldest first."""
        for line in lines:
            second, step = line.at_ms // 1000, line.at_ms // STEP_MS
            if not self._seconds or self._seconds[-1][0] < second:
                self._seconds.append((second, {}))
            if not self._curve or self._curve[-1][0] < step:
                self._curve.append((step, Sums()))
            # What the cache answered went to no provider.
            target = _NOBODY if line.outcome.startswith("cached") else line.target
            self._seconds[-1][1].setdefault(target, Sums()).add(line)
            self._curve[-1][1].add(line)
        while self._seconds and self._seconds[0][0] < (now_ms - WINDOW_MS) // 1000:
            self._seconds.popleft()
        while self._curve and self._curve[0][0] < (now_ms - CURVE_MS) // STEP_MS:
            self._curve.popleft()

    def window_ms(self, now_ms: int) -> int:
        """How long the sums reach back: a minute, or since the reading began."""
        return max(1, min(WINDOW_MS, now_ms - self.since_ms))

    def by_target(self) -> dict[str, Sums]:
        """Sums of the window by `provider:model`."""
        found: dict[str, Sums] = {}
        for _, sums in self._seconds:
            for target, each in sums.items():
                found.setdefault(target, Sums()).merge(each)
        found.pop(_NOBODY, None)
        return found

    def total(self) -> Sums:
        """Sums of the window."""
        found = Sums()
        for _, sums in self._seconds:
            for each in sums.values():
                found.merge(each)
        return found

    def curve(self, now_ms: int) -> list[Sums]:
        """Sums of each step that is over, oldest first; empty while fewer than three are."""
        known = dict(self._curve)
        first = max((now_ms - CURVE_MS) // STEP_MS, self.since_ms // STEP_MS + 1)
        steps = [known.get(step, Sums()) for step in range(first, now_ms // STEP_MS)]
        return steps if len(steps) > 2 else []
