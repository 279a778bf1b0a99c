"""Which of a conversation's turns are sent with the next one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from homa.submit.option_checks import Whole, check_model
from homa_shared.model.errors import InvalidRequest


@dataclass(frozen=True, slots=True)
class Window:
    """The turns that are sent with the next one: the last ones, as far as all that is said here holds.

    Failed turns are never sent, and a tool's result never without its call.

    Args:
        turns: most answered turns.
        tokens: most tokens of them, as estimated for the first target.
        summary_model: sums up the turns that no longer fit, as a job of its own; until it has, they are sent as they
            are. Without it they are left out.

    Raises:
        InvalidRequest: one of these is none of its kind, or there is nothing to sum up by.
    """

    turns: int | None = None
    tokens: int | None = None
    summary_model: str | None = None

    def __post_init__(self) -> None:
        for name in ("turns", "tokens"):
            value = getattr(self, name)
            if value is not None:
                Whole()(f"window.{name}", value)
        if self.summary_model is not None:
            check_model("window.summary_model", self.summary_model)
            if self.turns is None and self.tokens is None:
                raise InvalidRequest(
                    "window.summary_model sums up what turns or tokens leave out: expected one of them, too"
                )

    def encode(self) -> str:
        """As the store keeps it; empty where all turns are sent."""
        said = {name: value for name in self.__slots__ if (value := getattr(self, name)) is not None}
        return orjson.dumps(said).decode() if said else ""

    @classmethod
    def decode(cls, text: str) -> Window:
        """Reads what `encode` wrote; what a later release may have added is left out."""
        found: dict[str, Any] = orjson.loads(text) if text else {}
        return cls(**{name: found.get(name) for name in ("turns", "tokens", "summary_model")})

    @classmethod
    def parse(cls, words: str) -> Window:
        """A window as the command line says it: `turns=20,tokens=8000,summary=P:M`.

        Raises:
            InvalidRequest: it says something else.
        """
        said: dict[str, Any] = {}
        for word in words.split(","):
            name, equals, value = word.strip().partition("=")
            if name == "summary" and equals:
                said["summary_model"] = value
            elif name in ("turns", "tokens") and value.isdigit():
                said[name] = int(value)
            else:
                raise InvalidRequest(
                    f"window is {words!r:.80}: expected turns=N, tokens=N, summary=P:M, or several of them, "
                    "joined by commas"
                )
        return cls(**said)

    def begins(self, tokens: Sequence[int]) -> int:
        """Place of the first turn that is sent.

        Args:
            tokens: of each turn that might be, in their order.
        """
        most = len(tokens) if self.turns is None else self.turns
        room = self.tokens
        place = len(tokens)
        while place > 0 and len(tokens) - place < most:
            if room is not None:
                room -= tokens[place - 1]
                if room < 0:
                    break
            place -= 1
        return place

    def has_enough(self, tokens: Sequence[int]) -> bool:
        """Whether earlier turns than these would not be sent."""
        return self.begins(tokens) > 0
