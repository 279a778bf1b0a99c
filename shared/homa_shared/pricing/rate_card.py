"""What a model costs for one day, in whole numbers: rates for what was used, ladders for what may be used at most."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from homa_shared.calls.reply import Usage

if TYPE_CHECKING:
    from homa_shared.settings.sections import Price

TOKENS_OF_PRICE = 1_000_000

#: (more input tokens than this, nano-dollars per million tokens): all prices that one token may have.
Ladder = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Rates:
    """Nano-dollars per million tokens."""

    input: int
    cached: int
    cache_write: int
    #: None for models that only read, such as embeddings.
    output: int | None

    def cost(self, usage: Usage) -> int | None:
        """Nano-dollars, rounded half up; None for output of a model that has no price for it."""
        if self.output is None and usage.output_tokens:
            return None
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        total = (
            fresh * self.input
            + usage.cached_tokens * self.cached
            + usage.cache_write_tokens * self.cache_write
            + usage.output_tokens * (self.output or 0)
        )
        return (total + TOKENS_OF_PRICE // 2) // TOKENS_OF_PRICE


@dataclass(frozen=True, slots=True)
class ListPrice:
    """Nano-dollars per million tokens that nothing is read from a cache for, at the lowest tier."""

    input: int
    #: None for models that only read, such as embeddings.
    output: int | None


@dataclass(frozen=True, slots=True)
class Card:
    """All that is needed to price a model for one day."""

    #: The day (since 1970, UTC) that the prices hold for.
    day: int
    list_price: ListPrice
    text: Ladder
    media: Ladder
    output: Ladder
    #: Nano-dollars for a request as such.
    request_nano_usd: int = 0
    #: None where only the library can tell.
    rates: Rates | None = None
    #: Name and price list, for the library.
    reference: tuple[str, str] | None = None


def own_card(price: Price, day: int) -> Card:
    """The card of a price in the settings."""
    plain = price.input_nano_usd_per_mtok
    cached = plain if price.cached_nano_usd_per_mtok is None else price.cached_nano_usd_per_mtok
    written = plain if price.cache_write_nano_usd_per_mtok is None else price.cache_write_nano_usd_per_mtok
    output = price.output_nano_usd_per_mtok
    ladder = ((-1, max(plain, cached, written)),)
    return Card(
        day, ListPrice(plain, output), ladder, ladder, ((-1, output),), rates=Rates(plain, cached, written, output)
    )


def dearest(ladder: Ladder, input_tokens: int) -> int:
    """The highest price of a ladder that a request of so many input tokens may have to pay."""
    return max((rate for above, rate in ladder if input_tokens > above), default=0)
