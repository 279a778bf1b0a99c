"""What a prompt cache saved: the plain price of all input less what was paid, in whole nano-dollars."""

from __future__ import annotations

import pytest

from homa_shared.calls.reply import Usage
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import Price

OWN = Target("openai", "mine")
SONNET = Target("anthropic", "claude-sonnet-5-5")
HAIKU = Target("anthropic", "claude-haiku-5-5")


@pytest.fixture
def book() -> PriceBook:
    providers = {"openai": FleetProvider(kind="openai"), "anthropic": FleetProvider(kind="anthropic")}
    price = Price.model_validate({"input": 4, "output": 8, "cached": 1, "cache_write": 5})
    return PriceBook(Fleet(providers=providers, prices={str(OWN): price}))


def test_reading_saves_and_writing_costs(book: PriceBook) -> None:
    assert book.saved(OWN, Usage(1000, 10, cached_tokens=1000)) == 1000 * 3000
    assert book.saved(OWN, Usage(1000, 10, cache_write_tokens=800)) == -800 * 1000
    assert book.saved(OWN, Usage(1000, 10, cached_tokens=500, cache_write_tokens=100)) == 500 * 3000 - 100 * 1000


@pytest.mark.parametrize("target", [SONNET, HAIKU])
def test_listed_prices_tell_it_too_with_tiers_or_without(book: PriceBook, target: Target) -> None:
    usage = Usage(3000, 50, cached_tokens=2000, cache_write_tokens=500)
    paid = book.cost(target, usage)
    plain = book.cost(target, Usage(3000, 50))
    assert paid is not None
    assert plain is not None
    assert book.saved(target, usage) == plain - paid > 0


def test_parts_beside_the_total_are_counted_into_it(book: PriceBook) -> None:
    assert book.saved(OWN, Usage(10, 0, cached_tokens=1000)) == 1000 * 3000


def test_without_cached_tokens_or_without_a_price_nothing_is_saved(book: PriceBook) -> None:
    assert book.saved(OWN, Usage(1000, 10)) == 0
    assert book.saved(Target("openai", "unheard-of-model"), Usage(1000, 10, cached_tokens=500)) == 0


@pytest.mark.parametrize("target", [OWN, SONNET, HAIKU])
def test_the_bound_of_a_call_holds_where_all_of_it_is_written(book: PriceBook, target: Target) -> None:
    bound = book.bound(target, 1000, 50)
    worst = book.cost(target, Usage(1000, 50, cache_write_tokens=1000))
    assert bound is not None
    assert worst is not None
    assert worst <= bound
