"""What a model costs for one day, on the same terms: rates for what was used, ladders for what may be used at most."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from homa_shared.calls.reply import Usage

if TYPE_CHECKING:
    from homa_shared.settings.sections import Price

TOKENS_OF_PRICE = 1_000_000
#: Units that a listed fee is for.
UNITS_OF_FEE = 1_000

#: Nano-dollars for a million tokens; a fraction only where the price is finer than a nano-dollar.
Rate = int | Fraction
#: (more input tokens than this, nano-dollars per million tokens): all prices that one token may have.
Ladder = tuple[tuple[int, int], ...]
#: Parts of what is written to a cache that stay there for longer than usual.
LONG_WRITES = ("cache_write_1h", "cache_write_12h")
NO_RATES: Mapping[str, Rate] = {}


@dataclass(frozen=True, slots=True)
class Rates:
    """Nano-dollars per million tokens."""

    input: Rate
    #: None, here and below: nobody says what it costs. Models that only read, such as embeddings, have no output.
    cached: Rate | None
    cache_write: Rate | None
    output: Rate | None
    #: Of parts that have a price of their own.
    parts: Mapping[str, Rate] = field(default_factory=lambda: NO_RATES)

    def total(self, usage: Usage) -> Rate | None:
        """A million times the nano-dollars of some tokens; None where some of them have no price."""
        cached, written = usage.cached_tokens, usage.cache_write_tokens
        total = (usage.input_tokens - cached - written) * self.input
        if usage.output_tokens:
            if self.output is None:
                return None
            total += usage.output_tokens * self.output
        if cached:
            if self.cached is None:
                return None
            total += cached * self.cached
        if written:
            if self.cache_write is None:
                return None
            total += written * self.cache_write
        for name, count in usage.parts:
            dearer = self._dearer(name)
            if dearer is None:
                return None
            total += count * dearer
        return total

    def _dearer(self, part: str) -> Rate | None:
        """What a part's tokens cost more than the others of its total.

        Text, sound and pictures have one price where a list gives them one. What is kept in a cache for longer never
        costs what the rest does.
        """
        rate, total = self.parts.get(part), self._of(part)
        if rate is None:
            return None if part.startswith("cache_write") else 0
        return None if total is None else rate - total

    def _of(self, part: str) -> Rate | None:
        """What the tokens that a part is among cost."""
        if part.startswith("cache_write"):
            return self.cache_write
        if part.startswith("cache"):
            return self.cached
        return self.output if part.startswith("output") else self.input


@dataclass(frozen=True, slots=True)
class ListPrice:
    """Nano-dollars per million tokens that nothing is read from a cache for, at the lowest tier."""

    input: int
    #: None for models that only read, such as embeddings.
    output: int | None
    #: Where it is from, for people.
    source: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """All that is needed to price a model for one day."""

    list_price: ListPrice
    text: Ladder
    media: Ladder
    output: Ladder
    #: (more input tokens than this, what all tokens cost then), the highest first; the last holds for any number.
    rates: tuple[tuple[int, Rates], ...]
    #: Nano-dollars for a thousand units of what is billed beside tokens.
    fees: Mapping[str, Rate] = field(default_factory=lambda: NO_RATES)
    #: Nano-dollars for a thousand requests as such.
    requests: Rate = 0
    #: When the price changes, seconds of a day (UTC): where it does, the card holds for the moment only.
    turns_s: tuple[int, ...] = ()
    #: Prices that a token of input has only where a request has a parameter, by its name.
    asked_for: Mapping[str, Ladder] = field(default_factory=dict)

    def bound(self, text_tokens: int, output_tokens: int, media_tokens: int, params: Mapping[str, Any]) -> int | None:
        """Nano-dollars that a call cannot exceed, fees left out; None where its output has no price."""
        if output_tokens and not self.output:
            return None
        total = text_tokens + media_tokens
        text, media = dearest(self.text, total), dearest(self.media, total)
        for name, ladder in self.asked_for.items():
            if name in params:
                # What a cache keeps for longer is the prompt, whatever it consists of.
                asked = dearest(ladder, total)
                text, media = max(text, asked), max(media, asked)
        per_mtok = text_tokens * text + media_tokens * media
        per_mtok += output_tokens * dearest(self.output, total)
        return -(-per_mtok // TOKENS_OF_PRICE) + int(-(-self.requests // UNITS_OF_FEE))

    def cost(self, usage: Usage) -> int | None:
        """Nano-dollars, rounded half up; None where something of it has no price."""
        rates = self.rates
        total = (rates[0][1] if len(rates) == 1 else self._rates(usage.input_tokens)).total(usage)
        if total is None:
            return None
        if usage.fees or self.requests:
            beside = self._beside(usage)
            if beside is None:
                return None
            total += beside * (TOKENS_OF_PRICE // UNITS_OF_FEE)
        return int((total + TOKENS_OF_PRICE // 2) // TOKENS_OF_PRICE)

    def _rates(self, input_tokens: int) -> Rates:
        return next(found for above, found in self.rates if input_tokens > above)

    def _beside(self, usage: Usage) -> Rate | None:
        total = self.requests
        for unit, count in usage.fees:
            price = self.fees.get(unit)
            if price is None:
                return None
            total += count * price
        return total


def own_card(price: Price, source: str) -> Card:
    """The card of a price in the settings."""
    plain = price.input_nano_usd_per_mtok
    cached = plain if price.cached_nano_usd_per_mtok is None else price.cached_nano_usd_per_mtok
    written = plain if price.cache_write_nano_usd_per_mtok is None else price.cache_write_nano_usd_per_mtok
    output = price.output_nano_usd_per_mtok
    kept = written if price.cache_write_long_nano_usd_per_mtok is None else price.cache_write_long_nano_usd_per_mtok
    ladder = ((-1, max(plain, cached, written, kept)),)
    rates = ((-1, Rates(plain, cached, written, output, dict.fromkeys(LONG_WRITES, kept))),)
    fees = dict(price.fees)
    return Card(ListPrice(plain, output, source), ladder, ladder, ((-1, output),), rates, fees)


def dearest(ladder: Ladder, input_tokens: int) -> int:
    """The highest price of a ladder that a request of so many input tokens may have to pay."""
    return max((rate for above, rate in ladder if input_tokens > above), default=0)
