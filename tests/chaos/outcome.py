"""What a campaign found: figures for the table, and the promises that broke."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from tests.chaos.tally import Tally


@dataclass(slots=True)
class Outcome:
    """Gathers while a campaign runs."""

    fault: str
    rounds: int = 1
    kills: int = 0
    tally: Tally | None = None
    #: Spent beyond a cap, nano-dollars; None where no cap is under test.
    overshoot: int | None = None
    #: What this fault's promise is measured by.
    facts: dict[str, object] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    seconds: float = 0.0
    _began: float = field(default_factory=time.monotonic)

    def expect(self, holds: bool, what: str) -> None:
        """Notes what must hold."""
        if not holds:
            self.broken.append(what)

    def close(self, tally: Tally | None = None) -> Outcome:
        """Ends the campaign; a tally must keep the promises."""
        self.seconds = time.monotonic() - self._began
        if tally is not None:
            self.tally = tally
            self.broken += tally.broken()
        return self
