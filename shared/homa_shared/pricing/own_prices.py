"""Prices of models that genai-prices does not have yet: used until it does, and never instead of it.

Each names the page that it is from, the day from which it holds, and the day on which the page was read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from types import MappingProxyType

#: Dollars, by genai-prices' names; a pair: up to as many tokens of prompt, and (from more on, then).
Dollars = str | tuple[str, int, str]

#: The day on which the pages were last read.
READ_ON = date(2026, 11, 29)


@dataclass(frozen=True, slots=True)
class OwnPrice:
    """The price of one model."""

    #: Id of the price list that lacks it.
    price_list: str
    model: str
    #: The day from which it holds.
    since: date
    dollars: Mapping[str, Dollars]
    #: Where it is written.
    source: str


def _gpt(model: str, since: date, price: Mapping[str, tuple[str, str]]) -> OwnPrice:
    """A model of GPT-6.2: all prices change at 272 000 tokens of prompt."""
    tokens = {name: (low, 272_000, high) for name, (low, high) in price.items()}
    searches = {"web_searches_kcount": "10", "storage_searches_kcount": "2.5"}
    source = "developers.openai.com/api/docs/pricing"
    return OwnPrice("openai", model, since, MappingProxyType({**tokens, **searches}), source)


def _gemini(model: str, since: date, given: str, written: str) -> OwnPrice:
    dollars = {"input_mtok": given, "output_mtok": written}
    return OwnPrice("google", model, since, MappingProxyType(dollars), "ai.google.dev/gemini-api/docs/pricing")


#: Twice the input and one and a half times the output above 272 000 tokens; writes to the cache cost 1.25 of the input,
#: reads a twentieth. Gemini's page told nothing of cached tokens: a reply with some is unpriced.
OWN_PRICES = (
    _gpt(
        "gpt-6.2-astra",
        date(2026, 11, 17),
        {
            "input_mtok": ("8", "16"),
            "output_mtok": ("40", "60"),
            "cache_read_mtok": ("0.4", "0.8"),
            "cache_write_mtok": ("10", "20"),
        },
    ),
    _gpt(
        "gpt-6.2-sol",
        date(2026, 11, 17),
        {
            "input_mtok": ("2", "4"),
            "output_mtok": ("10", "15"),
            "cache_read_mtok": ("0.1", "0.2"),
            "cache_write_mtok": ("2.5", "5"),
        },
    ),
    _gemini("gemini-4-hydrogen", date(2026, 11, 12), "1.5", "7.5"),
    _gemini("gemini-4-neon", date(2026, 11, 18), "3", "15"),
)


def own_price(name: str, price_list: str, day: date) -> OwnPrice | None:
    """The newest price that holds for a model on a day; None where there is none here.

    Args:
        price_list: id of a provider in genai-prices.
    """
    wanted = name.lower().removeprefix("models/")
    found = [
        price for price in OWN_PRICES if price.price_list == price_list and price.model == wanted and price.since <= day
    ]
    return max(found, key=lambda price: price.since, default=None)


def own_models(price_list: str) -> list[str]:
    """Names of the models of a list that have a price here."""
    return list(dict.fromkeys(price.model for price in OWN_PRICES if price.price_list == price_list))


def steps(dollars: Dollars) -> tuple[tuple[int, Decimal], ...]:
    """(More tokens of prompt than this, dollars)."""
    if isinstance(dollars, str):
        return ((-1, Decimal(dollars)),)
    below, start, above = dollars
    return ((-1, Decimal(below)), (start, Decimal(above)))
