"""What a reply costs at the provider: the real list price, in whole nano-dollars.

Prices come from genai-prices, asked once a model: four probes give the exact price of a token of each sort. Models
whose price changes with the size of the request are asked for each request instead. This is on purpose a calculation of
the simulator's own, so that a bill can prove the ledger wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import genai_prices
from genai_prices.types import TieredPrices

from homa_shared.calls.reply import Usage
from homa_workers.simulator.wire import STANDARD, Service

_NANO = Decimal(1_000_000_000)
#: Tokens that one listed price is for.
_LISTED = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class FlatPrice:
    """Dollars per token, each sort its own."""

    input: Decimal
    output: Decimal
    cached: Decimal
    cache_write: Decimal

    def __call__(self, usage: Usage) -> int:
        plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        dollars = plain * self.input + usage.output_tokens * self.output
        if usage.cached_tokens or usage.cache_write_tokens:
            dollars += usage.cached_tokens * self.cached + usage.cache_write_tokens * self.cache_write
        return nano_usd(dollars)


#: Nano-dollars of a usage.
Price = Callable[[Usage], int]


def nano_usd(dollars: Decimal) -> int:
    """Whole nano-dollars, halves upwards."""
    return int((dollars * _NANO).to_integral_value(ROUND_HALF_UP))


class PriceList:
    """Prices by account and model, looked up once each.

    Args:
        overrides: dollars per million tokens by `account/model` or model; a part left out costs as much as `input`
            (`cached`, `cache_write`) or nothing (`output`, as embeddings have none).
    """

    def __init__(self, overrides: Mapping[str, Mapping[str, str]]) -> None:
        self._overrides = overrides
        self._known: dict[tuple[str, str, str, Service], Price | None] = {}

    def price(self, provider_id: str, account: str, model: str, service: Service = STANDARD) -> Price | None:
        """The price of a model, or None where there is none.

        Args:
            provider_id: genai-prices' name of the provider; empty: only overrides count.
            account: whose bill it is.
            model: as the request names it.
            service: what it is served on, and does beside writing.
        """
        key = (provider_id, account, model, service)
        if key not in self._known:
            self._known[key] = self._find(*key)
        return self._known[key]

    def _find(self, provider_id: str, account: str, model: str, service: Service) -> Price | None:
        tier = f"@{service.tier}" if service.tier else ""
        override = self._overrides.get(f"{account}/{model}{tier}") or self._overrides.get(f"{model}{tier}")
        if override is not None:
            return _overridden(override)
        if not provider_id:
            return None
        return _listed(provider_id, model) if service == STANDARD else _served(provider_id, model, service)


def _overridden(price: Mapping[str, str]) -> FlatPrice:
    by_token = {part: Decimal(dollars) / _LISTED for part, dollars in price.items()}
    plain = by_token.get("input", Decimal(0))
    return FlatPrice(
        plain, by_token.get("output", Decimal(0)), by_token.get("cached", plain), by_token.get("cache_write", plain)
    )


def _served(provider_id: str, model: str, service: Service) -> Price | None:
    """A price on terms of its own, or with searches; None where the list does not know one of the terms."""
    context = {"service_tier": {"fast": "priority"}.get(service.tier, service.tier)} if service.tier else {}
    context |= {"speed": "fast"} if service.fast else {}
    try:
        found = genai_prices.calc_price(genai_prices.Usage(input_tokens=1), model, provider_id=provider_id)
    except LookupError:
        return None
    known = [variant.when for variant in found.model.price_variants or ()]
    if not all({name: value} in known for name, value in context.items()):
        return None
    # Up to Gemini 2.5 it is the grounded prompt that is billed.
    searches = min(service.searches, 1) if model.startswith(("gemini-1", "gemini-2")) else service.searches
    if searches and found.model_price.web_searches_kcount is None:
        return None

    def cost(usage: Usage) -> int:
        hour = {"cache_write_1h_tokens": usage.cache_write_tokens} if service.keeps_long else {}
        listed = genai_prices.Usage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            **hour,
        )
        tokens = genai_prices.calc_price(listed, model, provider_id=provider_id, price_context=context).total_price
        found_out = genai_prices.Usage(web_searches=searches) if searches else None
        beside = genai_prices.calc_price(found_out, model, provider_id=provider_id).total_price if found_out else 0
        return nano_usd(tokens * (Decimal("1.1") if service.us else 1) + beside)

    return cost


def _listed(provider_id: str, model: str) -> Price | None:
    def dollars(**tokens: int) -> Decimal:
        usage = genai_prices.Usage(**tokens)
        return genai_prices.calc_price(usage, model, provider_id=provider_id).total_price

    def tiered(usage: Usage) -> int:
        return nano_usd(
            dollars(
                input_tokens=usage.input_tokens,
                output_tokens=usage.output_tokens,
                cache_read_tokens=usage.cached_tokens,
                cache_write_tokens=usage.cache_write_tokens,
            )
        )

    try:
        listed = genai_prices.calc_price(genai_prices.Usage(input_tokens=1), model, provider_id=provider_id).model_price
    except LookupError:
        return None
    if any(isinstance(part, TieredPrices) for part in _parts(listed)):
        return tiered
    return FlatPrice(
        dollars(input_tokens=1),
        dollars(output_tokens=1),
        dollars(input_tokens=1, cache_read_tokens=1),
        dollars(input_tokens=1, cache_write_tokens=1),
    )


def _parts(price: Any) -> list[Any]:
    return list(vars(price).values())
