"""How many tokens a text has for the model that reads it."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

from homa_shared.calls.tokens import BYTES_PER_TOKEN, count

#: What an estimate is raised by: encodings that are not public write the same text in up to so many times the tokens.
MARGIN = 1.25
#: Counts that a search may take, and how near to what is allowed is near enough.
_TRIES, _NEAR = 12, 0.97


class Measure:
    """Counts tokens: exactly where the model's encoding is public, else by an estimate that is rather too high.

    Args:
        model: the provider's name of it; empty where nobody knows.
    """

    def __init__(self, model: str = "") -> None:
        self._model = model
        #: Whether counts are exact.
        self.exact = count("a", model).exact

    def __call__(self, text: str) -> int:
        """Tokens of a text."""
        found = count(text, self._model)
        return found.tokens if found.exact else ceil(found.tokens * MARGIN)

    def longest(self, text: str, start: int, tokens: int) -> int:
        """Where the longest text from `start` on ends that has at most so many tokens; always behind `start`."""
        return start + self._most(len(text) - start, tokens, lambda size: text[start : start + size])

    def tail(self, text: str, end: int, tokens: int) -> int:
        """Where the longest text that ends at `end` begins that has at most so many tokens."""
        return end - self._most(end, tokens, lambda size: text[end - size : end]) if tokens else end

    def _most(self, left: int, tokens: int, part: Callable[[int], str]) -> int:
        """Characters of the largest part that has at most so many tokens; 1 at least.

        What is found depends on the text alone, and no more is counted than a few times that.
        """
        size, fits, beyond = tokens * BYTES_PER_TOKEN, 0, left + 1
        for tried in range(_TRIES):
            size = max(min(size, beyond - 1), fits + 1)
            found = self(part(size))
            if found > tokens:
                beyond = size
            else:
                fits = size
            if beyond - fits <= 1 or tokens * _NEAR <= found <= tokens:
                break
            size = int(size * tokens / max(found, 1) * (0.99 if found > tokens else 1))
            if tried >= _TRIES // 2:  # of texts whose parts differ much
                size = (fits + beyond) // 2
        return max(fits, 1)
