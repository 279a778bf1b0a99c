"""What held a job for a while: waits that are over, as its record and its history tell them."""

from __future__ import annotations

import re
from dataclasses import dataclass

_LINE = re.compile(r"(\d{1,15}) (\w+) (.*)")

#: Kind -> the words in front of its name. All others are limits of a scope: rpm, tpm, itpm, otpm, rpd, concurrency.
_WORDS = {
    "breaker": "the breaker of ",
    "frozen": "the freeze of ",
    "pause": "the paused queue ",
    "batch": "its paused batch ",
    "budget": "room in the budget ",
    "token": "an answer from outside, in the run ",
}


@dataclass(frozen=True, slots=True)
class Wait:
    """A wait that is over, for what held the job until then."""

    took_ms: int
    #: A limit (rpm, tpm, itpm, otpm, rpd, concurrency, frozen), breaker, budget, batch, pause, follow or token.
    kind: str
    #: The scope, a breaker's target or account, the budget's instance, batch, queue, run, or the digest of equal jobs.
    name: str

    @property
    def words(self) -> str:
        """What it waited for, for people: `rpm of openai/gpt-*`, `room in the budget acme`."""
        if self.kind == "follow":
            return "an equal job in flight"
        return _WORDS.get(self.kind, f"{self.kind} of ") + self.name


def waits_of(told: str) -> tuple[Wait, ...]:
    """Waits of a record's lines `ms kind name`; what is none of them is left out."""
    found = (_LINE.fullmatch(line) for line in told.split("\n"))
    return tuple(Wait(int(line[1]), line[2], line[3]) for line in found if line)
