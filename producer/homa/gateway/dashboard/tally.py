"""What ended lately, by target: read from the ledger, each line once, however many people look."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from homa_shared.store.reads.money import LedgerLine

#: How far back it counts, and for how long sums of `STEP_MS` are kept for a curve, ms.
WINDOW_MS, CURVE_MS, STEP_MS = 60_000, 600_000, 20_000
_ANSWERED = ("succeeded", "answered")


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


class Tally:
    """Sums of the last minute and a curve of the last ten."""

    def __init__(self) -> None:
        self._lines: deque[LedgerLine] = deque()
        self._curve: deque[tuple[int, Sums]] = deque()
        #: Since when every line was read, ms.
        self.since_ms = 0

    def begin(self, at_ms: int) -> None:
        """Forgets what it knows: lines were left out since."""
        self._lines.clear()
        self._curve.clear()
        self.since_ms = at_ms

    def add(self, lines: list[LedgerLine], now_ms: int) -> None:
        """Counts further lines, oldest first."""
        for line in lines:
            step = line.at_ms // STEP_MS
            if not self._curve or self._curve[-1][0] < step:
                self._curve.append((step, Sums()))
            self._curve[-1][1].add(line)
        self._lines.extend(lines)
        while self._lines and self._lines[0].at_ms < now_ms - WINDOW_MS:
            self._lines.popleft()
        while self._curve and self._curve[0][0] < (now_ms - CURVE_MS) // STEP_MS:
            self._curve.popleft()

    def window_ms(self, now_ms: int) -> int:
        """How long the sums reach back: a minute, or since the reading began."""
        return max(1, min(WINDOW_MS, now_ms - self.since_ms))

    def by_target(self) -> dict[str, Sums]:
        """Sums of the window by `provider:model`."""
        found: dict[str, Sums] = {}
        for line in self._lines:
            # What the cache answered went to no provider.
            if not line.outcome.startswith("cached"):
                found.setdefault(line.target, Sums()).add(line)
        return found

    def total(self) -> Sums:
        """Sums of the window."""
        sums = Sums()
        for line in self._lines:
            sums.add(line)
        return sums

    def curve(self, now_ms: int) -> list[Sums]:
        """Sums of each step that is over, oldest first; empty while fewer than three are."""
        known = dict(self._curve)
        first = max((now_ms - CURVE_MS) // STEP_MS, self.since_ms // STEP_MS + 1)
        steps = [known.get(step, Sums()) for step in range(first, now_ms // STEP_MS)]
        return steps if len(steps) > 2 else []
