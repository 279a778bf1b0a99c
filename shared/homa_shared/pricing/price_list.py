"""Prices as genai-prices lists them.

The library's import takes longer than the whole light client's may, so that it is imported at the first price.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING

from homa_shared.calls.reply import Usage
from homa_shared.model.money import NANO_PER_USD
from homa_shared.pricing.rate_card import Card, Ladder, ListPrice, Rates

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, PriceCalculation

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


def recognised(endpoint: str) -> bool:
    """Whether the price list knows a server by its address."""
    from genai_prices.data_snapshot import get_snapshot

    try:
        get_snapshot().find_provider(None, None, endpoint)
    except LookupError:
        return False
    return True


def models_of(price_list: str) -> list[str]:
    """Names of the models in a price list; none where there is no such list.

    Entries that their own name does not lead to are left out: such a name is a prefix of models' names.

    Args:
        price_list: id of a provider in genai-prices, or the address of its server.
    """
    from genai_prices.data_snapshot import get_snapshot

    provider_id, address = (None, price_list) if "://" in price_list else (price_list, None)
    try:
        found = get_snapshot().find_provider(None, provider_id, address)
    except LookupError:
        return []
    return [model.id for model in found.models if found.find_model(model.id) is not None]


def listed_price(name: str, price_list: str) -> PriceCalculation | None:
    """A model in a price list; None where it is not, or is not priced by tokens.

    Args:
        price_list: id of a provider in genai-prices, or the address of its server.
    """
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


def listed_card(found: PriceCalculation, day: int, reference: tuple[str, str]) -> Card:
    """The card of a model in a price list.

    Args:
        day: since 1970, UTC.
        reference: name and price list that led to it.
    """
    price = found.model_price
    ladders = {key: _ladder(value) for key, value in vars(price).items() if key.endswith("_mtok") and value is not None}
    return Card(
        day,
        ListPrice(ladders["input_mtok"][0][1], ladders["output_mtok"][0][1] if "output_mtok" in ladders else None),
        text=_joined(ladders, lambda key: key in _TEXT_INPUT),
        media=_joined(ladders, lambda key: not key.startswith("output")),
        output=_joined(ladders, lambda key: key.startswith("output")),
        request_nano_usd=_nano_ceiling(getattr(price, "requests_kcount", None) or Decimal(0), 1000),
        rates=None if _by_the_hour(found) else _rates(price),
        reference=reference,
    )


def _rates(price: ModelPrice) -> Rates | None:
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
    return Rates(plain, nano.get("cache_read", plain), nano.get("cache_write", plain), nano.get("output"))


def _by_the_hour(found: PriceCalculation) -> bool:
    from genai_prices.types import TimeOfDateConstraint

    prices = found.model.prices
    return isinstance(prices, list) and any(isinstance(price.constraint, TimeOfDateConstraint) for price in prices)


def library_cost(card: Card, usage: Usage) -> int | None:
    """Nano-dollars by the library itself, for prices with tiers or times of day; rounded half up."""
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


def _ladder(price: object) -> Ladder:
    if isinstance(price, Decimal):
        return ((-1, _nano_ceiling(price)),)
    tiers = ((tier.start, _nano_ceiling(tier.price)) for tier in price.tiers)  # type: ignore[attr-defined]
    return ((-1, _nano_ceiling(price.base)), *tiers)  # type: ignore[attr-defined]


def _joined(ladders: dict[str, Ladder], wanted: Callable[[str], bool]) -> Ladder:
    return tuple(step for key, ladder in ladders.items() if wanted(key) for step in ladder)


def _nano_ceiling(dollars: Decimal, units: int = 1) -> int:
    return int(-(-dollars * NANO_PER_USD // units))
