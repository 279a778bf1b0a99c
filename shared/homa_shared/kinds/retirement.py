"""When models end, as their providers announce it, and what takes their place.

A table says what was announced on the day that it was read. A provider may have moved a date since, or still serve a
model to some accounts: what is announced makes a warning. Only a name that nobody's call can reach any more is refused
before it is submitted, and an alias that states `capabilities` for it knows better.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import lru_cache

#: What stands before a model's own name: a fine-tuned model's mark, a resource's path, a region and a maker.
_BEFORE = re.compile(
    r"^(?:ft:)?(?:models/|publishers/\w+/models/)?(?:(?:us-gov|us|eu|apac|jp|au|ca|global)\.)?(?:[a-z]+[./])?"
)
#: What may stand behind it: a dated snapshot, a version, the name of a fine-tuned model.
_BEHIND = r"(?:[-@](?:\d{4}-\d{2}-\d{2}|\d{8}|latest|default))?(?:-v\d+)?(?::.*)?"
#: A model that ends within so many days is worth a word.
SOON_DAYS = 60


@dataclass(frozen=True, slots=True)
class Retirement:
    """The end of some models."""

    #: Last day on which the models are served, ISO 8601; empty where they are deprecated without a date.
    ends: str
    #: The provider's own successor, by its name there; empty where it names none.
    successor: str = ""
    #: Whether the name goes on to be answered, by its successor, at the successor's price and by its rules.
    rerouted: bool = False
    #: Whether every call by the name is answered by 404 once it has ended, whoever makes it.
    unreachable: bool = False

    def over(self, today: date) -> bool:
        """Whether that day is past."""
        return bool(self.ends) and date.fromisoformat(self.ends) < today

    def days_left(self, today: date) -> int | None:
        """Days until the models end, below zero where they have; None where no day is announced."""
        return (date.fromisoformat(self.ends) - today).days if self.ends else None

    def near(self, today: date, days: int = SOON_DAYS) -> bool:
        """Whether the models have ended, end within so many days, or are deprecated without a date."""
        left = self.days_left(today)
        return left is None or left <= days

    def told(self, today: date) -> str:
        """What is to be said of it, in a few words: `ends 2026-12-11, use gpt-6-luna`."""
        when = ("retired since " if self.over(today) else "ends ") + self.ends if self.ends else "deprecated"
        if not self.successor:
            return when
        if self.rerouted and self.over(today):
            return f"answered by {self.successor} since {self.ends}"
        return f"{when}{', then answered by' if self.rerouted else ', use'} {self.successor}"


@dataclass(frozen=True, slots=True, eq=False)
class Retirements:
    """What a provider has announced of its models' ends.

    Args:
        rows: pattern of models' names, without date and prefix -> their end; the first that fits counts.
        checked: the day on which it was read, ISO 8601.
        source: where it is announced.
    """

    rows: Mapping[str, Retirement] = field(default_factory=dict)
    checked: str = ""
    source: str = ""

    def of(self, model: str) -> Retirement | None:
        """The announced end of a model; None where none is known."""
        return _found(self, model) if self.rows else None


#: Of a kind whose provider announces nothing, or that nobody looked up.
NONE_ANNOUNCED = Retirements()


def today() -> date:
    """This day, UTC."""
    return datetime.now(UTC).date()


@lru_cache(maxsize=1024)
def _found(table: Retirements, model: str) -> Retirement | None:
    name = _BEFORE.sub("", model.lower())
    return next((end for pattern, end in table.rows.items() if re.fullmatch(f"(?:{pattern}){_BEHIND}", name)), None)
