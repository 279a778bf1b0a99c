"""How many tokens answers of a target have: learned from what replies report.

What is reserved from a quota that counts what is really written goes by it, and the output cap that Homa sets where a
provider counts the cap itself. Budgets do not: they go by the cap.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homa_shared.model.constants import LEAST_ANSWERS
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, number, read, text


@dataclass(frozen=True, slots=True)
class Written:
    """What answers of one target told."""

    #: Output tokens of all of them, thinking included.
    tokens: int = 0
    answers: int = 0

    def __add__(self, other: Written) -> Written:
        """What two looks at the same target told."""
        return Written(self.tokens + other.tokens, self.answers + other.answers)

    @property
    def mean(self) -> int | None:
        """Tokens of one answer, rounded up; None while too little is known."""
        return -(-self.tokens // self.answers) if self.answers >= LEAST_ANSWERS else None


def add_written(keys: Keys, target: str, written: Written) -> Op[None]:
    """Adds what a worker saw."""
    key = keys.written(target)
    commands = (("HINCRBY", key, "tokens", written.tokens), ("HINCRBY", key, "answers", written.answers))
    return Op(commands, lambda _: None)


def known_targets(keys: Keys) -> Op[list[str]]:
    """Targets that the store has a plan of."""
    return read((("SMEMBERS", keys.targets()),), lambda replies: sorted(map(text, replies[0])))


def answer_tokens(keys: Keys, targets: Sequence[str]) -> Op[Mapping[str, int | None]]:
    """Tokens that one answer of each target has, as far as is known."""

    def parse(replies: list[Any]) -> Mapping[str, int | None]:
        return {target: Written(*map(number, found)).mean for target, found in zip(targets, replies, strict=True)}

    return read(tuple(("HMGET", keys.written(target), "tokens", "answers") for target in targets), parse)
