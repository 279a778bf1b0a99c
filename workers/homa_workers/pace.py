"""What is done again and again falls together: turns of one period, and of its multiples, come at the same moments.

Each turn asks the store, and what tasks ask in one turn of the loop goes there in one write. Turns that each pause by
themselves drift apart, and an idle worker sends as many writes as it has turns. Processes differ by a phase of their
own, so that a fleet does not ask at one moment.
"""

from __future__ import annotations

import random
import time

#: This process's own, s.
_PHASE_S = random.random()
#: A turn so close, s, is the one that is just over, by a timer that rang early.
_JUST_OVER_S = 0.001


def until_turn(period_s: float) -> float:
    """How long until the next turn of a period, s: more than nothing, and at most the period and a millisecond."""
    pause_s = period_s - (time.monotonic() + _PHASE_S) % period_s
    return pause_s if pause_s > _JUST_OVER_S else pause_s + period_s
