"""Pauses between tries: they double with each failure up to a longest one, and are spread so that clients that failed
together do not come back together."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

#: 2^62 pauses are longer than anything; larger powers would not fit a float.
_MOST_DOUBLINGS = 62


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with equal jitter (M. Brooker, "Exponential Backoff And Jitter", AWS 2015).

    Args:
        first_s: pause after the first failure, s, before jitter.
        longest_s: no pause is longer, s.
        jitter: share of a pause that is drawn at random, in [0, 1]: 0.5 draws from its upper half, 0 draws nothing.
    """

    first_s: float
    longest_s: float
    jitter: float = 0.5

    def pause_s(self, failures: int, draw: Callable[[], float] = random.random) -> float:
        """The pause after so many failures in a row, s.

        Args:
            failures: from 1.
            draw: source of jitter, in [0, 1).
        """
        doublings = min(max(0, failures - 1), _MOST_DOUBLINGS)
        span_s = min(self.longest_s, self.first_s * 2.0**doublings)
        return span_s * (1 - self.jitter + self.jitter * draw())
