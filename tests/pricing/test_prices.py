"""Costs agree with genai-prices to the nano-dollar; bounds are never exceeded; the unpriced is never free."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from genai_prices import Usage as ListedUsage
from genai_prices import calc_price
from genai_prices.data import providers
from hypothesis import given, settings
from hypothesis import strategies as st

from homa_shared.calls.reply import Usage
from homa_shared.kinds.registry import builtin_kinds, profile_of
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import OVERHEAD_TOKENS, PriceBook
from homa_shared.pricing.price_list import card_of
from homa_shared.pricing.rate_card import Rates
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import ModelAlias, Price

PRICE_LIST_OF_KIND = {
    kind: price_list for kind in builtin_kinds() if (price_list := profile_of(kind).billing.price_list)
}
FLEET = Fleet(providers={kind: FleetProvider(kind=kind) for kind in builtin_kinds()})
BOOK = PriceBook(FLEET)
NANO = 1_000_000_000


def listed_models() -> list[tuple[str, str]]:
    """Every model on the lists that its own id leads to (some of Bedrock's are reached by patterns only)."""
    lists = {price_list: kind for kind, price_list in PRICE_LIST_OF_KIND.items()}
    return [
        (lists[provider.id], model.id)
        for provider in providers
        if provider.id in lists
        for model in provider.models
        if provider.find_model(model.id) is not None
    ]


LISTED = listed_models()


def fleet(**changes: object) -> Fleet:
    return FLEET.model_copy(update=changes)


usages = st.builds(
    lambda fresh, cached, written, output: Usage(fresh + cached + written, output, cached, written),
    st.integers(0, 400_000),
    st.integers(0, 300_000),
    st.integers(0, 300_000),
    st.integers(0, 100_000),
)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(LISTED), usages)
def test_a_cost_is_what_genai_prices_says(model: tuple[str, str], usage: Usage) -> None:
    kind, name = model
    cost = BOOK.cost(Target(kind, name), usage)
    listed = calc_price(
        ListedUsage(
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cache_read_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
        ),
        name,
        provider_id=PRICE_LIST_OF_KIND[kind],
    )
    if cost is None:
        price = listed.model_price
        assert price.input_mtok is None or price.output_mtok is None
    else:
        assert cost == int((listed.total_price * NANO).to_integral_value(ROUND_HALF_UP))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(LISTED), usages)
def test_no_cost_exceeds_its_bound(model: tuple[str, str], usage: Usage) -> None:
    target = Target(*model)
    bound = BOOK.bound(target, usage.input_tokens, usage.output_tokens)
    cost = BOOK.cost(target, usage)
    assert (bound is None) == (cost is None)
    assert cost is None or bound is None or cost <= bound


def test_the_property_covers_prices_with_and_without_tiers() -> None:
    cards = [BOOK._card(Target(*model)) for model in LISTED]
    assert sum(card is not None and len(card.rates) == 1 for card in cards) > 200
    assert sum(card is not None and len(card.rates) > 1 for card in cards) > 20


@pytest.mark.parametrize("name", ["ollama:llama3.2", "openai:no-such-model", "openai:whisper-1", "elsewhere:gpt-6-sol"])
def test_a_model_without_a_price_is_unpriced_not_free(name: str) -> None:
    target = Target.parse(name)
    assert BOOK.cost(target, Usage(1000, 100)) is None
    assert BOOK.bound(target, 1000, 100) is None


def test_a_model_that_only_reads_has_no_price_for_output() -> None:
    target = Target("openai", "text-embedding-3-small")
    assert BOOK.cost(target, Usage(1_000_000, 0)) == 20_000_000
    assert BOOK.cost(target, Usage(1_000_000, 1)) is None
    assert BOOK.bound(target, 100, 0) is not None
    assert BOOK.bound(target, 100, 1) is None


def test_parts_reported_beside_the_total_are_still_charged() -> None:
    target = Target("anthropic", "claude-sonnet-5-5")
    assert BOOK.cost(target, Usage(10, 0, cached_tokens=1_000_000)) == 100_000_000


def test_a_bound_counts_media_at_the_dearest_input_price() -> None:
    # This one takes twice as much for a token of sound as for one of text.
    target = Target("gemini", "gemini-3-flash-preview")
    plain, with_audio = BOOK.bound(target, 1000, 10), BOOK.bound(target, 1000, 10, extra_tokens=1000)
    assert plain is not None
    assert with_audio is not None
    assert with_audio - plain == 1000 * 1_000


def test_ones_own_price_stands_above_the_list() -> None:
    own = Price.model_validate({"input": "1", "output": "2.50", "cached": "0.1"})
    book = PriceBook(fleet(prices={"openai:gpt-6-luna": own}))
    target = Target("openai", "GPT-6-Luna")
    assert book.cost(target, Usage(1_000_000, 1_000_000, 500_000)) == NANO // 2 + NANO // 20 + 2 * NANO + NANO // 2
    assert book.bound(target, 0, 0) == OVERHEAD_TOKENS * 1000


def test_a_pattern_prices_a_whole_provider() -> None:
    book = PriceBook(fleet(prices={"ollama:*": Price.model_validate({"input": 0})}))
    assert book.cost(Target("ollama", "llama3.2"), Usage(1000, 1000)) == 0


def test_an_aliass_price_is_its_targets() -> None:
    alias = ModelAlias.model_validate({"target": "ollama:llama3.2", "price": {"input": "0.5", "cache_write": 1}})
    book = PriceBook(fleet(models={"local": alias}))
    assert book.cost(Target("ollama", "llama3.2"), Usage(1_000_000, 0, cache_write_tokens=500_000)) == NANO * 3 // 4


@pytest.mark.parametrize(
    "alias",
    [{"prod": {"target": "azure:d-17", "model": "gpt-6-luna"}}, {"gpt-6-luna": {"target": "azure:d-17"}}],
    ids=["the alias names the model", "the alias is called by the model's name"],
)
def test_an_azure_deployment_is_priced_as_its_aliass_model(alias: dict[str, dict[str, str]]) -> None:
    book = PriceBook(fleet(models={name: ModelAlias.model_validate(table) for name, table in alias.items()}))
    usage = Usage(1000, 100)
    assert book.cost(Target("azure", "d-17"), usage) == BOOK.cost(Target("azure", "gpt-6-luna"), usage) is not None
    assert BOOK.cost(Target("azure", "d-17"), usage) is None


@pytest.mark.parametrize(
    ("provider", "price_list"),
    [
        ({"kind": "openai", "endpoint": "https://api.groq.com"}, "groq"),
        ({"kind": "openai", "endpoint": "https://gateway.example.com", "price_list": "groq"}, "groq"),
        ({"kind": "openai", "endpoint": "https://gateway.example.com"}, "openai"),
    ],
)
def test_a_compatible_server_has_its_own_price_list(provider: dict[str, str], price_list: str) -> None:
    book = PriceBook(Fleet(providers={"own": FleetProvider.model_validate(provider)}))
    name = "llama-3.3-70b-versatile" if price_list == "groq" else "gpt-6-luna"
    listed = calc_price(ListedUsage(input_tokens=1_000_000), name, provider_id=price_list)
    assert book.cost(Target("own", name), Usage(1_000_000)) == listed.total_price * NANO
    other = "gpt-6-luna" if price_list == "groq" else "llama-3.3-70b-versatile"
    assert book.cost(Target("own", other), Usage(1_000_000)) is None


def test_a_price_changes_with_the_size_of_the_prompt() -> None:
    book = PriceBook(
        Fleet(providers={"own": FleetProvider(kind="openai", endpoint="https://generativelanguage.googleapis.com")})
    )
    target = Target("own", "gemini-3.1-pro-preview")
    below, above = book.cost(target, Usage(200_000)), book.cost(target, Usage(200_001))
    assert below is not None
    assert above is not None
    assert above > below * 3 // 2


def test_prices_change_with_the_date() -> None:
    model = next(
        model
        for provider in providers
        if provider.id == "openai"
        for model in provider.models
        if model.id == "gpt-5.6-sol"
    )
    assert isinstance(model.prices, list)
    now_s = [datetime(2026, 11, 1, tzinfo=UTC).timestamp()]
    book = PriceBook(FLEET, clock_s=lambda: now_s[0])
    target = Target("openai", "gpt-5.6-sol")
    first = book._card(target)
    assert first is book._card(target)
    now_s[0] += 86_400
    assert first is not book._card(target)


def test_a_price_finer_than_a_nano_dollar_a_million_is_exact() -> None:
    card = card_of({"input_mtok": ((-1, Decimal("0.0000000007")), (200, Decimal(2)))}, "a test")
    assert card.cost(Usage(100)) == 0
    assert card.cost(Usage(201)) == 201 * 2000
    assert card.rates == ((200, Rates(2 * NANO, 2 * NANO, 2 * NANO, None)), (-1, Rates(*[Fraction(7, 10)] * 3, None)))


def test_a_price_for_each_request_comes_to_its_tokens() -> None:
    card = card_of({"input_mtok": ((-1, Decimal(1)),), "requests_kcount": ((-1, Decimal(5)),)}, "a test")
    assert card.cost(Usage(1000)) == 1000 * 1000 + 5 * NANO // 1000
    assert card.bound(1000, 0, 0, {}) == card.cost(Usage(1000))


def test_importing_prices_does_not_import_the_price_list() -> None:
    code = "import sys, homa_shared.pricing.price_book, homa_shared.quota.plan; "
    code += "import homa_shared.calls.tokens, homa_shared.model.money; "
    code += "sys.exit(bool({'genai_prices', 'pydantic', 'splintr'} & sys.modules.keys()))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["gpt-5.4-mini", "gpt-4o", "text-embedding-3-small"])
def test_the_list_price_is_that_of_a_million_tokens(name: str) -> None:
    target = Target("openai", name)
    price = BOOK.list_price(target)
    assert price is not None
    assert price.input == BOOK.cost(target, Usage(1_000_000, 0))
    assert price.output is None or price.output == BOOK.cost(target, Usage(0, 1_000_000))


def test_the_list_price_of_tiers_is_the_lowest_one() -> None:
    target = Target("gemini", "gemini-3.1-pro-preview")
    price = BOOK.list_price(target)
    assert price is not None
    assert price.input * 10 // 1_000_000 == BOOK.cost(target, Usage(10, 0))


def test_the_unpriced_have_no_list_price() -> None:
    assert BOOK.list_price(Target("ollama", "llama3")) is None
    assert BOOK.listed_models("ollama") == BOOK.listed_models("nobody") == []


def test_the_models_of_a_price_list_are_all_priced_unless_not_by_tokens() -> None:
    names = BOOK.listed_models("anthropic")
    assert "claude-haiku-5-5" in names
    assert all(BOOK.list_price(Target("anthropic", name)) for name in names)
