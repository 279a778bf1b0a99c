"""Prices as genai-prices lists them.

The library's import takes longer than the whole light client's may, so that it is imported at the first price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, time
from decimal import Decimal
from fractions import Fraction
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from homa_shared.model.money import NANO_PER_USD
from homa_shared.pricing.rate_card import Card, Ladder, ListPrice, Rate, Rates

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, PriceCalculation, TieredPrices

    from homa_shared.kinds.billing import Part

#: Prices that a token of text in the prompt may have.
_TEXT_INPUT = frozenset({"input", "input_text", "cache_read"})
#: Prices of tokens that are not counted among another sort's.
_WHOLE = frozenset({"input", "output", "cache_read", "cache_write"})


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


@dataclass(frozen=True, slots=True)
class Listed:
    """A model in a price list."""

    model: ModelInfo
    #: Whether the list is the model's own, not one that another provider's stands in for: only there terms count.
    own: bool
    source: str

    def price(self, at_s: float, context: Mapping[str, str]) -> ModelPrice | None:
        """Its prices at a time; None where they are not by tokens, or the list has none for a part of the context.

        The library gives the standard price for a context that it does not know, which nobody has said to hold.

        Args:
            at_s: seconds since 1970.
            context: what genai-prices calls the terms of a call.
        """
        at = datetime.fromtimestamp(at_s, UTC)
        if not all(self._has(name, value, at) for name, value in context.items()):
            return None
        found = self.model.get_prices(at, context)
        # Priced by the hour or by the character: tokens do not tell what it costs.
        return found if getattr(found, "input_mtok", None) is not None else None

    def _has(self, name: str, value: str, at: datetime) -> bool:
        variants = self.model.price_variants or () if self.own else ()
        return any(
            variant.when == {name: value} and (variant.constraint is None or variant.constraint.active(at))
            for variant in variants
        )

    @property
    def turns_s(self) -> tuple[int, ...]:
        """When its prices change, seconds of a day (UTC), the day's beginning included; empty: never within a day."""
        from genai_prices.types import TimeOfDateConstraint

        prices = self.model.prices if isinstance(self.model.prices, list) else []
        limits = [price.constraint for price in prices if isinstance(price.constraint, TimeOfDateConstraint)]
        turns = {_second_of_day(at) for limit in limits for at in (limit.start_time, limit.end_time)}
        return tuple(sorted({0, *turns})) if turns else ()


def _second_of_day(at: time) -> int:
    moment = datetime.combine(datetime(2000, 1, 1, tzinfo=UTC), at, at.tzinfo or UTC).astimezone(UTC)
    return moment.hour * 3600 + moment.minute * 60 + moment.second


def listed(name: str, price_list: str) -> Listed | None:
    """A model in a price list; None where it is not.

    Args:
        price_list: id of a provider in genai-prices, or the address of its server.
    """
    found = _calculation(name, price_list)
    if found is None:
        return None
    return Listed(found.model, any(found.model is model for model in found.provider.models), _source())


def _calculation(name: str, price_list: str) -> PriceCalculation | None:
    from genai_prices import Usage as ListedUsage
    from genai_prices import calc_price

    try:
        if "://" in price_list:
            return calc_price(ListedUsage(), name, provider_api_url=price_list)
        return calc_price(ListedUsage(), name, provider_id=price_list)
    except LookupError:
        return None


@cache
def _source() -> str:
    from importlib.metadata import version

    return f"genai-prices {version('genai-prices')}"


#: (More tokens of prompt than this, dollars) by genai-prices' names of prices.
Steps = tuple[tuple[int, Decimal], ...]


def listed_steps(price: ModelPrice, *, own: bool) -> dict[str, Steps]:
    """What a model costs, in dollars.

    Args:
        own: whether its list is that of who serves it. Another list's fees are another provider's.
    """
    return {key: _steps(value) for key, value in vars(price).items() if value is not None and (own or _of_tokens(key))}


def _of_tokens(key: str) -> bool:
    return key.endswith("_mtok")


def card_of(
    prices: Mapping[str, Steps],
    source: str,
    *,
    factor: Fraction = Fraction(1),
    parts: Mapping[str, Part] = MappingProxyType({}),
    turns_s: tuple[int, ...] = (),
    cache_is_plain: bool = True,
) -> Card:
    """The card of a model.

    Args:
        prices: in dollars, by genai-prices' names.
        factor: what the prices of tokens are multiplied by.
        parts: further sorts of tokens, by the price of one of these.
        cache_is_plain: whether cached tokens cost what others do where nothing is said of them.
    """
    tokens = {key.removesuffix("_mtok"): _nano_steps(s, factor) for key, s in prices.items() if key.endswith("_mtok")}
    ladders = {key: tuple((above, _ceiling(rate)) for above, rate in s) for key, s in tokens.items()}
    for name, part in parts.items():
        if part.of in tokens and name not in tokens:
            tokens[name] = tuple((above, _exact(rate * part.factor)) for above, rate in tokens[part.of])
    starts = sorted({above for s in tokens.values() for above, _ in s}, reverse=True)
    output = ladders["output"][0][1] if "output" in ladders else None
    return Card(
        ListPrice(ladders["input"][0][1], output, source),
        text=_joined(ladders, lambda key: key in _TEXT_INPUT or key.startswith("cache_write")),
        media=_joined(ladders, lambda key: not key.startswith("output")),
        output=_joined(ladders, lambda key: key.startswith("output")),
        rates=tuple(
            (above, _rates({key: _at(s, above) for key, s in tokens.items()}, cache_is_plain)) for above in starts
        ),
        fees={key.removesuffix("_kcount"): _nano(s[0][1]) for key, s in prices.items() if key.endswith("_kcount")},
        requests=_nano(prices["requests_kcount"][0][1]) if "requests_kcount" in prices else 0,
        turns_s=turns_s,
        asked_for={
            part.asked_by: tuple((above, _ceiling(rate)) for above, rate in tokens[name])
            for name, part in parts.items()
            if name in tokens
        },
    )


def _rates(by_name: Mapping[str, Rate], cache_is_plain: bool) -> Rates:
    plain = by_name["input"] if cache_is_plain else None
    return Rates(
        by_name["input"],
        by_name.get("cache_read", plain),
        by_name.get("cache_write", plain),
        by_name.get("output"),
        {name: rate for name, rate in by_name.items() if name not in _WHOLE},
    )


def _steps(price: Decimal | TieredPrices) -> Steps:
    if isinstance(price, Decimal):
        return ((-1, price),)
    return ((-1, price.base), *((tier.start, tier.price) for tier in price.tiers))


def _nano_steps(steps: Steps, factor: Fraction) -> tuple[tuple[int, Rate], ...]:
    return tuple((above, _exact(_nano(dollars) * factor)) for above, dollars in steps)


def _at(steps: tuple[tuple[int, Rate], ...], above: int) -> Rate:
    return next(rate for start, rate in reversed(steps) if start <= above)


def _joined(ladders: Mapping[str, Ladder], wanted: Callable[[str], bool]) -> Ladder:
    return tuple(step for key, ladder in ladders.items() if wanted(key) for step in ladder)


def _nano(dollars: Decimal) -> Rate:
    return _exact(Fraction(dollars) * NANO_PER_USD)


def _exact(rate: Rate) -> Rate:
    """A whole number where it is one: sums of fractions take ten times as long."""
    return rate.numerator if isinstance(rate, Fraction) and rate.denominator == 1 else rate


def _ceiling(rate: Rate) -> int:
    return int(-(-rate // 1))
