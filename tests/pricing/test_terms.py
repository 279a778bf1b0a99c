"""Prices on other terms than the standard ones, of parts of tokens, of fees; and those that genai-prices lacks."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time
from decimal import Decimal

import pytest
from genai_prices import Usage as ListedUsage
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ConditionalPrice, ModelInfo, ModelPrice, StartDateConstraint, TimeOfDateConstraint

from homa_shared.calls.reply import Usage
from homa_shared.kinds.billing import Billing
from homa_shared.kinds.registry import builtin_kinds
from homa_shared.model.targets import Target
from homa_shared.pricing import price_book
from homa_shared.pricing.own_prices import OWN_PRICES, READ_ON, own_price
from homa_shared.pricing.price_book import OVERHEAD_TOKENS, PriceBook
from homa_shared.pricing.price_list import Listed
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import Price

FLEET = Fleet(providers={kind: FleetProvider(kind=kind) for kind in builtin_kinds()})
NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
BOOK = PriceBook(FLEET, clock_s=NOW.timestamp)
KINDS = {"openai": "openai", "anthropic": "anthropic", "google": "gemini"}
CONTEXTS = {"flex": ("service_tier", "flex"), "priority": ("service_tier", "priority"), "fast": ("speed", "fast")}
TOKENS = {"input_tokens": 300_000, "cache_read_tokens": 100_000, "cache_write_tokens": 50_000, "output_tokens": 1000}


def variants() -> list[tuple[str, str, str]]:
    """Provider, model and tier of every price of a tier that is on the lists today, and reached by the model's name."""
    return [
        (provider.id, model.id, tier)
        for provider in get_snapshot().providers
        if provider.id in KINDS
        for model in provider.models
        if provider.find_model(model.id) is model
        for tier, (name, value) in CONTEXTS.items()
        if any(
            v.when == {name: value} and (v.constraint is None or v.constraint.active(NOW))
            for v in model.price_variants or ()
        )
    ]


@pytest.mark.parametrize(("provider", "model", "tier"), variants())
def test_each_listed_tier_costs_what_the_list_says(provider: str, model: str, tier: str) -> None:
    usage = Usage(300_000, 1000, 100_000, 50_000, terms=(tier,))
    listed = calc_price(
        ListedUsage(**TOKENS),
        model,
        provider_id=provider,
        genai_request_timestamp=NOW,
        price_context=dict([CONTEXTS[tier]]),
    )
    cost = BOOK.cost(Target(KINDS[provider], model), usage)
    assert cost is not None
    assert cost == pytest.approx(listed.total_price * 10**9, abs=1)


def test_all_tiers_of_the_lists_are_covered() -> None:
    assert len(variants()) > 40


@pytest.mark.parametrize(
    ("target", "terms"),
    [
        ("openai:gpt-4-turbo", ("priority",)),
        ("openai:gpt-5-mini", ("ultrafast",)),
        ("openai:gpt-5-mini", ("flex?",)),
        ("openai:gpt-5-mini", ("several",)),
        ("azure:gpt-5-mini", ("priority",)),
        ("bedrock:amazon.nova-pro-v1:0", ("flex",)),
        ("anthropic:claude-haiku-4-5", ("fast",)),
        ("mistral:mistral-large-latest", ("priority",)),
    ],
)
def test_terms_without_a_price_are_unpriced(target: str, terms: tuple[str, ...]) -> None:
    found = Target.parse(target)
    assert BOOK.cost(found, Usage(1000, 10)) is not None
    assert BOOK.cost(found, Usage(1000, 10, terms=terms)) is None


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        (Usage(1_000_000, 0), "2"),
        (Usage(272_000, 0), "0.544"),
        (Usage(272_001, 1000), "1.103004"),
        (Usage(100_000, 1000, cached_tokens=100_000), "0.02"),
        (Usage(100_000, 0, cache_write_tokens=100_000), "0.25"),
        (Usage(100_000, 0, cache_write_tokens=100_000, parts=(("cache_write_12h", 100_000),)), "0.5"),
        (Usage(100_000, 1000, terms=("priority",)), "0.42"),
        (Usage(100_000, 1000, terms=("ultrafast",)), "0.63"),
        (Usage(100_000, 1000, fees=(("storage_searches", 2), ("web_searches", 3))), "0.245"),
    ],
)
def test_a_model_that_the_list_lacks(usage: Usage, dollars: str) -> None:
    expected = Decimal(dollars) * (2 if usage.input_tokens == 1_000_000 else 1)
    assert BOOK.cost(Target("openai", "gpt-6.2-sol"), usage) == int(expected * 10**9)


def test_what_a_page_does_not_tell_is_unpriced() -> None:
    neon = Target("gemini", "gemini-4-neon")
    assert BOOK.cost(neon, Usage(1000, 100)) == 4_500_000
    assert BOOK.cost(neon, Usage(1000, 100, cached_tokens=1)) is None
    assert BOOK.cost(Target("gemini", "gemini-4-carbon"), Usage(1000, 100)) is None


def test_it_holds_from_its_day_on() -> None:
    assert own_price("gpt-6.2-sol", "openai", date(2026, 11, 16)) is None
    assert own_price("GPT-6.2-sol", "openai", date(2026, 11, 17)) is not None
    assert own_price("gpt-6.2-sol", "azure", date(2026, 11, 30)) is None
    assert all(price.since <= READ_ON and price.source for price in OWN_PRICES)


def mini() -> ModelInfo:
    provider = next(found for found in get_snapshot().providers if found.id == "openai")
    found = provider.find_model("gpt-5-mini")
    assert found is not None
    return found


def test_it_gives_way_to_a_list_that_has_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = replace(mini(), id="gpt-6.2-sol", prices=ModelPrice(input_mtok=Decimal(7), output_mtok=Decimal(70)))
    monkeypatch.setattr(price_book, "listed", lambda name, price_list: Listed(newer, True, "genai-prices 9"))
    book = PriceBook(FLEET, clock_s=NOW.timestamp)
    price = book.list_price(Target("openai", "gpt-6.2-sol"))
    assert price is not None
    assert (price.input, price.source == "genai-prices 9") == (7 * 10**9, True)


def test_prices_that_change_by_the_hour_or_the_day_are_those_of_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    prices = [
        ConditionalPrice(None, prices=ModelPrice(input_mtok=Decimal(1), output_mtok=Decimal(1))),
        ConditionalPrice(
            TimeOfDateConstraint(time(0), time(8)), prices=ModelPrice(input_mtok=Decimal("0.5"), output_mtok=Decimal(1))
        ),
        ConditionalPrice(
            StartDateConstraint(date(2026, 12, 1)), prices=ModelPrice(input_mtok=Decimal(3), output_mtok=Decimal(1))
        ),
    ]
    changing = replace(mini(), prices=prices, price_variants=None)
    monkeypatch.setattr(price_book, "listed", lambda name, price_list: Listed(changing, True, "genai-prices 9"))
    at = [datetime(2026, 11, 30, 7, 59, tzinfo=UTC)]
    book, target, usage = (
        PriceBook(FLEET, clock_s=lambda: at[0].timestamp()),
        Target("openai", "gpt-5-mini"),
        Usage(1000),
    )
    assert book.cost(target, usage) == 500_000
    at[0] = datetime(2026, 11, 30, 8, tzinfo=UTC)
    assert book.cost(target, usage) == 1_000_000
    at[0] = datetime(2026, 12, 1, 7, tzinfo=UTC)
    assert book.cost(target, usage) == 3_000_000


def test_a_bound_is_that_of_the_dearest_hour_of_its_day(monkeypatch: pytest.MonkeyPatch) -> None:
    evening = TimeOfDateConstraint(time(16, 30), time(0, 30))
    dear, cheap = (ModelPrice(input_mtok=Decimal(dollars), output_mtok=Decimal(1)) for dollars in (2, 1))
    changing = replace(mini(), prices=[ConditionalPrice(prices=dear), ConditionalPrice(evening, prices=cheap)])
    changing = replace(changing, price_variants=None)
    monkeypatch.setattr(price_book, "listed", lambda name, price_list: Listed(changing, True, "genai-prices 9"))
    target = Target("openai", "gpt-5-mini")
    by_day, by_night = (
        PriceBook(FLEET, clock_s=datetime(2026, 11, 30, hour, tzinfo=UTC).timestamp) for hour in (12, 20)
    )
    assert (by_day.cost(target, Usage(1000)), by_night.cost(target, Usage(1000))) == (2_000_000, 1_000_000)
    assert by_day.bound(target, 1000, 0) == by_night.bound(target, 1000, 0)


def test_a_saving_counts_what_is_kept_for_longer() -> None:
    haiku = Target("anthropic", "claude-haiku-4-5")
    written = Usage(100_000, 0, cache_write_tokens=100_000)
    kept = replace(written, parts=(("cache_write_1h", 60_000),))
    assert BOOK.saved(haiku, written) == -25_000_000
    assert BOOK.saved(haiku, kept) == -(60_000 * 1000 + 40_000 * 250)
    assert BOOK.saved(haiku, replace(kept, terms=("us",))) == -(60_000 * 1000 + 40_000 * 250) * 11 // 10


def test_a_long_write_at_a_price_of_ones_own_costs_what_others_do_unless_that_says_more() -> None:
    prices = {
        "openai:a": Price.model_validate({"input": 1, "cache_write": 2}),
        "openai:b": Price.model_validate(
            {"input": 1, "cache_write": 2, "cache_write_long": 3, "fees": {"web_searches": 4}}
        ),
    }
    book = PriceBook(FLEET.model_copy(update={"prices": prices}))
    usage = Usage(1000, 0, cache_write_tokens=1000, parts=(("cache_write_1h", 1000),))
    assert [book.cost(Target("openai", name), usage) for name in "ab"] == [2_000_000, 3_000_000]
    searched = replace(usage, fees=(("web_searches", 1),))
    assert [book.cost(Target("openai", name), searched) for name in "ab"] == [None, 7_000_000]


@pytest.mark.parametrize(
    ("target", "params", "factor"),
    [
        ("openai:gpt-5-mini", {}, 1),
        ("openai:gpt-5-mini", {"service_tier": "flex"}, 1),
        ("openai:gpt-5-mini", {"service_tier": "fast"}, 1.8),
        ("openai:gpt-5-mini", {"service_tier": "scale"}, None),
        ("openai:gpt-4-turbo", {"service_tier": "auto"}, 1),
        ("openai:gpt-6.2-sol", {"service_tier": "ultrafast"}, 3),
        ("anthropic:claude-opus-5-5", {"speed": "fast"}, 2),
        ("anthropic:claude-opus-5-5", {"speed": "fast", "inference_geo": "us"}, 2.2),
        ("anthropic:claude-opus-5-5", {"speed": "standard", "inference_geo": "global"}, 1),
        ("anthropic:claude-haiku-4-5", {"speed": "fast"}, None),
        ("anthropic:claude-haiku-4-5", {"service_tier": "auto"}, 1),
        ("anthropic:claude-haiku-4-5", {"inference_geo": "eu"}, None),
        ("gemini:gemini-4-argon", {"service_tier": "priority"}, 1.8),
        ("gemini:gemini-2.5-pro", {"service_tier": "flex"}, None),
        ("bedrock:amazon.nova-pro-v1:0", {"service_tier": "priority"}, None),
        ("bedrock:amazon.nova-pro-v1:0", {"serviceTier": {"type": "flex"}}, None),
    ],
)
def test_a_bound_is_that_of_the_dearest_terms(target: str, params: dict[str, object], factor: float | None) -> None:
    found = Target.parse(target)
    usual, bound = BOOK.bound(found, 1000, 100), BOOK.bound(found, 1000, 100, params=params)
    assert usual is not None
    assert bound == (None if factor is None else pytest.approx(usual * factor, rel=1e-9))


def test_a_bound_counts_writes_for_twelve_hours_where_they_are_asked_for() -> None:
    sol = Target("openai", "gpt-5.6-sol")
    usual, long = BOOK.bound(sol, 1000, 0), BOOK.bound(sol, 1000, 0, params={"prompt_cache_options": {"ttl": "12h"}})
    worst = Usage(1000 + OVERHEAD_TOKENS, 0, cache_write_tokens=1000 + OVERHEAD_TOKENS)
    kept = replace(worst, parts=(("cache_write_12h", 1000 + OVERHEAD_TOKENS),))
    assert (usual, long) == (BOOK.cost(sol, worst), BOOK.cost(sol, kept))


def test_media_are_kept_for_as_long_as_text_is() -> None:
    luna = Target("openai", "gpt-6-luna")
    worst = Usage(OVERHEAD_TOKENS + 60_000, 0, cache_write_tokens=OVERHEAD_TOKENS + 60_000)
    kept = replace(worst, parts=(("cache_write_12h", OVERHEAD_TOKENS + 60_000),))
    bound = BOOK.bound(luna, 0, 0, 60_000, {"prompt_cache_options": {"ttl": "12h"}})
    assert bound is not None
    assert bound >= (BOOK.cost(luna, kept) or 0) > (BOOK.cost(luna, worst) or 0)


def test_names_that_a_reply_tells_cannot_mean_anything_in_the_ledger() -> None:
    billing = Billing(fees={"search": "web_searches", "fetch": ""})
    assert billing.terms_of("Gold|~+tier" * 9) == (("gold___tier" * 9)[:40],)
    assert billing.fees_of([("search", 2), ("fetch", 5), ("a|b", 1), ("search", 1)]) == (
        ("a_b", 1),
        ("web_searches", 3),
    )
    assert billing.terms_of(None, "default", "standard", "") == ()


def test_usages_add_up_and_are_kept_by_names_that_all_releases_know() -> None:
    flex = Usage(100, 10, 5, 4, 3, parts=(("cache_write_1h", 4),), fees=(("web_searches", 2),), terms=("flex",))
    both = flex + replace(flex, fees=(("storage_searches", 1), ("web_searches", 1)))
    assert both.parts == (("cache_write_1h", 8),)
    assert both.fees == (("storage_searches", 1), ("web_searches", 3))
    assert both.terms == (Usage() + flex).terms == (flex + Usage()).terms == ("flex",)
    assert (flex + Usage(1, 1)).terms == ("several",)
    assert Usage.of_counts({**flex.counts(), "of_a_later_release": 7}) == Usage(100, 10, 5, 4, 3)
    assert not replace(flex, fees=(("web_searches", -1),)).is_sane
