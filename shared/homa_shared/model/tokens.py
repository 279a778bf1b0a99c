"""Counts of tokens, named: what a call reserves from a quota, and what it used of it."""

from __future__ import annotations

from typing import NamedTuple


class Tokens(NamedTuple):
    """Tokens that a call reserves from a quota; 0 where no limit counts them."""

    #: In the provider's own sense of a total: not always the sum of the other two.
    total: int = 0
    input: int = 0
    output: int = 0


class QuotaUse(NamedTuple):
    """What a call really took from a quota."""

    requests: int
    #: None: as much as was reserved for it.
    tokens: Tokens | None = None


class PrefixTokens(NamedTuple):
    """The beginning of a prompt that other jobs have, too."""

    #: Input tokens of it, estimated.
    tokens: int = 0
    digest: str = ""


NO_TOKENS = Tokens()
#: Of a call that was never sent.
NOTHING_USED = QuotaUse(0, NO_TOKENS)
NO_PREFIX = PrefixTokens()
