"""What a call costs, and what it may cost at most, in nano-dollars.

Prices are genai-prices', unless `[prices."provider:model"]` or an alias sets one. The library takes some 55 µs a call,
and its import longer than the whole light client may; so it is imported at the first price, and a model's prices are
turned into whole numbers once, after which a cost is a few multiplications. Prices with tiers, or with times of day,
are left to the library. Prices may change with the date: what was derived holds for one day (UTC).

A model without a price is unpriced: its cost is None, never zero.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from homa_shared.money import NANO_PER_USD
from homa_shared.reply import Usage
from homa_shared.targets import Target, most_specific

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, PriceCalculation

    from homa_shared.settings.fleet import Fleet
    from homa_shared.settings.sections import ModelAlias, Price

#: Provider's kind → genai-prices' id. Ollama runs on one's own machine: it has no price list.
PRICE_LIST_OF_KIND = {
    "openai": "openai",
    "azure": "azure",
    "anthropic": "anthropic",
    "gemini": "google",
    "bedrock": "aws",
    "cohere": "cohere",
}
#: Tokens that providers add of their own (chat template, instructions for tools: Anthropic up to 530).
OVERHEAD_TOKENS = 600
_TOKENS_OF_PRICE = 1_000_000
_SECONDS_OF_DAY = 86_400
_TEXT_INPUT = frozenset(
    {
        "input_mtok",
        "input_text_mtok",
        "cache_read_mtok",
        "cache_write_mtok",
        "cache_write_5m_mtok",
        "cache_write_1h_mtok",
    }
)

#: (more input tokens than this, nano-dollars per million tokens): all prices that one token may have.
_Ladder = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class _Rates:
    """Nano-dollars per million tokens."""

    input: int
    cached: int
    cache_write: int
    #: None for models that only read, such as embeddings.
    output: int | None

    def cost(self, usage: Usage) -> int | None:
        if self.output is None and usage.output_tokens:
            return None
        fresh = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        total = (
            fresh * self.input
            + usage.cached_tokens * self.cached
            + usage.cache_write_tokens * self.cache_write
            + usage.output_tokens * (self.output or 0)
        )
        return (total + _TOKENS_OF_PRICE // 2) // _TOKENS_OF_PRICE


@dataclass(frozen=True, slots=True)
class _Card:
    """All that is needed to price a model for one day."""

    #: The day (since 1970, UTC) that the prices hold for.
    day: int
    text: _Ladder
    media: _Ladder
    output: _Ladder
    #: Nano-dollars for a request as such.
    request_nano_usd: int = 0
    #: None where only the library can tell.
    rates: _Rates | None = None
    #: Name and price list, for the library.
    reference: tuple[str, str] | None = None


class PriceBook:
    """Prices of a fleet's targets.

    Args:
        fleet: its prices and aliases stand above genai-prices.
        clock_s: seconds since 1970; decides which day's prices hold.
    """

    def __init__(self, fleet: Fleet, *, clock_s: Callable[[], float] = time.time) -> None:
        self._fleet = fleet
        self._clock_s = clock_s
        self._cards: dict[Target, _Card | None] = {}
        self._windows: dict[Target, int | None] = {}
        self._day = -1

    def cost(self, target: Target, usage: Usage) -> int | None:
        """Nano-dollars of a reply, rounded half up; None when the target is unpriced."""
        card = self._card(target)
        if card is None:
            return None
        parts = usage.cached_tokens + usage.cache_write_tokens
        if parts > usage.input_tokens:
            # A provider that reports parts beside the total: every token is still charged once.
            usage = replace(usage, input_tokens=parts)
        return card.rates.cost(usage) if card.rates is not None else _library_cost(card, usage)

    def saved(self, target: Target, usage: Usage) -> int:
        """Nano-dollars that the provider's prompt cache saved; below zero where more was paid for writing to it.

        That is what the reply would have cost with every input token at the plain price, less what it cost.
        """
        if not (usage.cached_tokens or usage.cache_write_tokens):
            return 0
        total = max(usage.input_tokens, usage.cached_tokens + usage.cache_write_tokens)
        plain = self.cost(target, replace(usage, input_tokens=total, cached_tokens=0, cache_write_tokens=0))
        paid = self.cost(target, usage)
        return 0 if plain is None or paid is None else plain - paid

    def bound(self, target: Target, prompt_bytes: int, max_output_tokens: int, extra_tokens: int = 0) -> int | None:
        """Nano-dollars that a call cannot exceed; None when the target is unpriced.

        A token has at least one byte, so that a text has at most as many tokens as bytes. All of them are taken at the
        dearest input price, writing to the provider's cache included, and the output to its last token.

        Args:
            prompt_bytes: UTF-8 bytes of the messages and tools as JSON, media left out.
            max_output_tokens: the cap that is sent with the call; 0 for embeddings.
            extra_tokens: most tokens that the provider counts for media (images, audio, documents).
        """
        card = self._card(target)
        if card is None or (max_output_tokens and not card.output):
            return None
        text = prompt_bytes + OVERHEAD_TOKENS
        total = text + extra_tokens
        per_mtok = text * _dearest(card.text, total) + extra_tokens * _dearest(card.media, total)
        per_mtok += max_output_tokens * _dearest(card.output, total)
        return -(-per_mtok // _TOKENS_OF_PRICE) + card.request_nano_usd

    def context_window(self, target: Target) -> int | None:
        """Tokens of prompt and reply together, as the settings or genai-prices say; None where neither does."""
        if target not in self._windows:
            own = next((alias.context_window for _, alias in self._aliases(target) if alias.context_window), None)
            listed = (_listed(name, price_list) for price_list, name in self._references(target))
            known = (found.model.context_window for found in listed if found is not None)
            self._windows[target] = own or next((window for window in known if window), None)
        return self._windows[target]

    def _card(self, target: Target) -> _Card | None:
        day = int(self._clock_s() // _SECONDS_OF_DAY)
        if day != self._day:
            self._cards, self._day = {}, day
        if target not in self._cards:
            self._cards[target] = self._look_up(target, day)
        return self._cards[target]

    def _look_up(self, target: Target, day: int) -> _Card | None:
        own = self._own_price(target)
        if own is not None:
            return _own_card(own, day)
        for price_list, name in self._references(target):
            found = _listed(name, price_list)
            if found is not None:
                return _listed_card(found, day, (name, price_list))
        return None

    def _own_price(self, target: Target) -> Price | None:
        pattern = most_specific(str(target), self._fleet.prices)
        if pattern is not None:
            return self._fleet.prices[pattern]
        return next((alias.price for _, alias in self._aliases(target) if alias.price is not None), None)

    def _references(self, target: Target) -> Iterator[tuple[str, str]]:
        """Price list and model name to try, the most telling first."""
        provider = self._fleet.providers.get(target.provider)
        if provider is None:
            return
        # A server that is not recognised is taken as a gateway before the kind's own.
        by_address = provider.endpoint if provider.endpoint and _recognised(provider.endpoint) else None
        price_list = provider.price_list or by_address or PRICE_LIST_OF_KIND.get(provider.kind)
        names = [alias.model for _, alias in self._aliases(target)] + [target.model]
        if provider.kind == "azure":
            # A deployment may have any name; its alias is often called by the model's.
            names += [name for name, _ in self._aliases(target)]
        yield from ((price_list, name) for name in names if price_list and name)

    def _aliases(self, target: Target) -> Iterator[tuple[str, ModelAlias]]:
        wanted = str(target).lower()
        for name, alias in self._fleet.models.items():
            if any(serving.lower() == wanted for serving in alias.targets):
                yield name, alias


def _own_card(price: Price, day: int) -> _Card:
    plain = price.input_nano_usd_per_mtok
    cached = plain if price.cached_nano_usd_per_mtok is None else price.cached_nano_usd_per_mtok
    written = plain if price.cache_write_nano_usd_per_mtok is None else price.cache_write_nano_usd_per_mtok
    output = price.output_nano_usd_per_mtok
    ladder = ((-1, max(plain, cached, written)),)
    return _Card(day, ladder, ladder, ((-1, output),), rates=_Rates(plain, cached, written, output))


def _recognised(endpoint: str) -> bool:
    from genai_prices.data_snapshot import get_snapshot

    try:
        get_snapshot().find_provider(None, None, endpoint)
    except LookupError:
        return False
    return True


def _listed(name: str, price_list: str) -> PriceCalculation | None:
    from genai_prices import Usage as ListedUsage
    from genai_prices import calc_price

    try:
        if "://" in price_list:
            found = calc_price(ListedUsage(), name, provider_api_url=price_list)
        else:
            found = calc_price(ListedUsage(), name, provider_id=price_list)
    except LookupError:
        return None
    # Priced by the hour or by the character: tokens do not tell what it costs.
    return found if getattr(found.model_price, "input_mtok", None) is not None else None


def _listed_card(found: PriceCalculation, day: int, reference: tuple[str, str]) -> _Card:
    price = found.model_price
    ladders = {key: _ladder(value) for key, value in vars(price).items() if key.endswith("_mtok") and value is not None}
    return _Card(
        day,
        text=_joined(ladders, lambda key: key in _TEXT_INPUT),
        media=_joined(ladders, lambda key: not key.startswith("output")),
        output=_joined(ladders, lambda key: key.startswith("output")),
        request_nano_usd=_nano_ceiling(getattr(price, "requests_kcount", None) or Decimal(0), 1000),
        rates=None if _by_the_hour(found) else _rates(price),
        reference=reference,
    )


def _rates(price: ModelPrice) -> _Rates | None:
    """Whole-number rates, None where the price has tiers, a part for each request, or fractions of a nano-dollar."""
    if getattr(price, "requests_kcount", None) is not None:
        return None
    values = {name: getattr(price, f"{name}_mtok") for name in ("input", "cache_read", "cache_write", "output")}
    nano: dict[str, int] = {}
    for name, value in values.items():
        if value is None:
            continue
        if not isinstance(value, Decimal) or value * NANO_PER_USD % 1:
            return None
        nano[name] = int(value * NANO_PER_USD)
    plain = nano["input"]
    return _Rates(plain, nano.get("cache_read", plain), nano.get("cache_write", plain), nano.get("output"))


def _by_the_hour(found: PriceCalculation) -> bool:
    from genai_prices.types import TimeOfDateConstraint

    prices = found.model.prices
    return isinstance(prices, list) and any(isinstance(price.constraint, TimeOfDateConstraint) for price in prices)


def _library_cost(card: _Card, usage: Usage) -> int | None:
    from genai_prices import Usage as ListedUsage
    from genai_prices import calc_price

    assert card.reference is not None
    if usage.output_tokens and not card.output:
        return None
    name, price_list = card.reference
    listed = ListedUsage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens,
        cache_write_tokens=usage.cache_write_tokens,
    )
    if "://" in price_list:
        found = calc_price(listed, name, provider_api_url=price_list)
    else:
        found = calc_price(listed, name, provider_id=price_list)
    return int((found.total_price * NANO_PER_USD).to_integral_value(ROUND_HALF_UP))


def _ladder(price: object) -> _Ladder:
    if isinstance(price, Decimal):
        return ((-1, _nano_ceiling(price)),)
    tiers = ((tier.start, _nano_ceiling(tier.price)) for tier in price.tiers)  # type: ignore[attr-defined]
    return ((-1, _nano_ceiling(price.base)), *tiers)  # type: ignore[attr-defined]


def _joined(ladders: dict[str, _Ladder], wanted: Callable[[str], bool]) -> _Ladder:
    return tuple(step for key, ladder in ladders.items() if wanted(key) for step in ladder)


def _dearest(ladder: _Ladder, input_tokens: int) -> int:
    return max((rate for above, rate in ladder if input_tokens > above), default=0)


def _nano_ceiling(dollars: Decimal, units: int = 1) -> int:
    return int(-(-dollars * NANO_PER_USD // units))
