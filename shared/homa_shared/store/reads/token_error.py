"""How far estimates of input tokens are off, by target: learned from what replies report.

Only OpenAI publishes its encodings. For all other models an estimate is o200k's count times a factor, the sum of actual
tokens over the sum of o200k's, as workers add them up. How far estimates are off all the same, `homa limits` shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, mapping, read, text

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
    #: Tokens by which estimates, scaled as was known then, were off, in whichever direction; None: from before this was
    #: noted.
    missed: int | None = None

    def __add__(self, other: Learned) -> Learned:
        """What two looks at the same target told."""
        return Learned(
            self.estimated + other.estimated,
            self.actual + other.actual,
            self.replies + other.replies,
            (self.missed or 0) + (other.missed or 0),
        )

    @property
    def error(self) -> float | None:
        """Mean error of an estimate as a part of the tokens that the provider counted; None where nothing is known."""
        if not self.actual or self.missed is None:
            return None
        return self.missed / self.actual

    @property
    def factor(self) -> float:
        """What estimates are scaled by; 1 while too little is known."""
        if self.replies < LEAST_REPLIES or not self.estimated:
            return 1.0
        return min(MOST_FACTOR, max(LEAST_FACTOR, self.actual / self.estimated))


def add_learned(keys: Keys, target: str, learned: Learned) -> Op[Learned]:
    """Adds what a worker saw; returns what the fleet knows now."""
    key = keys.learned(target)
    sums = (("estimated", learned.estimated), ("actual", learned.actual), ("replies", learned.replies))
    commands = tuple(("HINCRBY", key, field, value) for field, value in (*sums, ("missed", learned.missed or 0)))
    return Op(commands, lambda replies: Learned(*map(int, replies)))


@dataclass(frozen=True, slots=True)
class Estimates:
    """How good the estimates of one target's tokens are."""

    target: str
    #: The scope whose quota they are reserved from.
    scope: str
    learned: Learned


def estimates(keys: Keys) -> Op[list[Estimates]]:
    """What is known of every target that a reply has taught something of, by name."""

    def parse(answer: Any) -> list[Estimates]:
        rows = []
        for target, scope, estimated, actual, replies, missed in answer:
            known = Learned(int(estimated), int(actual), int(replies), int(missed) if missed else None)
            rows.append(Estimates(text(target), text(scope), known))
        return sorted(rows, key=lambda row: row.target)

    return call(keys, "estimates", (), parse)


def learned(keys: Keys, targets: Sequence[str]) -> Op[Mapping[str, Learned]]:
    """What is known of targets."""

    def parse(replies: list[Any]) -> Mapping[str, Learned]:
        found = zip(targets, map(mapping, replies), strict=True)
        return {target: Learned(**{name: int(value) for name, value in sums.items()}) for target, sums in found}

    return read(tuple(("HGETALL", keys.learned(target)) for target in targets), parse)
