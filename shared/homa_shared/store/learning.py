"""How far estimates of input tokens are off, by target: learned from what replies report.

Only OpenAI publishes its encodings. For all other models an estimate is o200k's count times a factor, the sum of actual
tokens over the sum of o200k's, as workers add them up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homa_shared.keys import Keys
from homa_shared.store.op import Op, mapping, read

#: Replies that it takes before a factor is gone by.
LEAST_REPLIES = 5
#: Bounds of a factor that can be: beyond them somebody counts something else (a cached prompt, an image).
LEAST_FACTOR, MOST_FACTOR = 0.3, 4.0


@dataclass(frozen=True, slots=True)
class Learned:
    """What replies of one target told."""

    #: Tokens by o200k, and as the provider counted them, in the same prompts.
    estimated: int = 0
    actual: int = 0
    replies: int = 0

    @property
    def factor(self) -> float:
        """What estimates are scaled by; 1 while too little is known."""
        if self.replies < LEAST_REPLIES or not self.estimated:
            return 1.0
        return min(MOST_FACTOR, max(LEAST_FACTOR, self.actual / self.estimated))


def add_learned(keys: Keys, target: str, learned: Learned) -> Op[None]:
    """Adds what a worker saw."""
    key = keys.learned(target)
    sums = (("estimated", learned.estimated), ("actual", learned.actual), ("replies", learned.replies))
    return Op(tuple(("HINCRBY", key, field, value) for field, value in sums), lambda _: None)


def learned(keys: Keys, targets: Sequence[str]) -> Op[Mapping[str, Learned]]:
    """What is known of targets."""

    def parse(replies: list[Any]) -> Mapping[str, Learned]:
        found = zip(targets, map(mapping, replies), strict=True)
        return {target: Learned(**{name: int(value) for name, value in sums.items()}) for target, sums in found}

    return read(tuple(("HGETALL", keys.learned(target)) for target in targets), parse)
