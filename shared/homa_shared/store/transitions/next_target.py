"""The target that a job goes on to, as the scripts that reroute, divert and retry write it into its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from homa_shared.calls.request import Option
from homa_shared.model.record_fields import short
from homa_shared.model.tokens import NO_TOKENS, Tokens


@dataclass(frozen=True, slots=True)
class NextTarget:
    """A target, and what a call to it reserves."""

    target: str
    #: In which the job waits for it.
    queue: str
    #: Upper bound of one call's cost, nano-dollars; None: unpriced.
    bound: int | None = None
    tokens: Tokens = NO_TOKENS
    #: Targets of the chain behind it.
    fallbacks_left: int = 0
    #: Where the question stays the same, as that of an answer which is graded elsewhere; empty: it is another one.
    cache_key: str = ""

    @classmethod
    def of(cls, option: Option, queue: str, fallbacks_left: int) -> NextTarget:
        """The next target from what its submission reckoned for it."""
        return cls(option.target, queue, option.bound, option.tokens, fallbacks_left)

    def encode(self) -> bytes:
        """The record's fields that change, as JSON; null takes one away.

        The cache key is none of them, as a rule: at another target it is another question (scripts/requeue.lua).
        """
        fields: dict[str, Any] = {
            "target": self.target,
            "queue": self.queue,
            # As text: Lua would round what lies beyond 2^53.
            "bound": None if self.bound is None else str(self.bound),
            "total_tokens": self.tokens.total,
            "input_tokens": self.tokens.input,
            "output_tokens": self.tokens.output,
            "fallbacks_left": self.fallbacks_left,
        }
        if self.cache_key:
            fields["cache_key"] = self.cache_key
        return orjson.dumps({short(name): value for name, value in fields.items()})


def encode_next(to: NextTarget | None) -> bytes:
    """What changes in a record: nothing where a job goes on at its target."""
    return b"{}" if to is None else to.encode()
