"""The simulator's bill has tiers, speed, place, searches and long cache writes at prices of its own finding."""

from __future__ import annotations

import pytest

from homa_shared.calls.reply import Usage
from homa_shared.model.errors import ConfigError
from homa_workers.simulator.config import SimulatorConfig
from homa_workers.simulator.dialects.openai import told_oddly
from homa_workers.simulator.prices import PriceList
from homa_workers.simulator.wire import Service, tier_asked

TOKENS = Usage(1_000_000, 100_000)


@pytest.mark.parametrize(
    ("provider", "model", "service", "dollars"),
    [
        ("openai", "gpt-5-mini", Service(), 0.45),
        ("openai", "gpt-5-mini", Service(tier="flex"), 0.225),
        ("openai", "gpt-5-mini", Service(tier="fast"), 0.81),
        ("openai", "gpt-5-mini", Service(tier="scale"), None),
        ("openai", "gpt-5-mini", Service(searches=100), 1.45),
        ("anthropic", "claude-opus-5-5", Service(), 6.0),
        ("anthropic", "claude-opus-5-5", Service(fast=True, us=True), 13.2),
        ("anthropic", "claude-haiku-4-5", Service(fast=True), None),
        ("anthropic", "claude-3-haiku", Service(searches=1), None),
        ("google", "gemini-2.5-flash", Service(searches=7), 0.585),
        ("google", "gemini-2.5-flash", Service(tier="flex"), None),
    ],
)
def test_each_term_has_its_price_or_none(provider: str, model: str, service: Service, dollars: float | None) -> None:
    price = PriceList({}).price(provider, "account", model, service)
    assert (None if price is None else price(TOKENS) / 1e9) == (None if dollars is None else pytest.approx(dollars))


def test_what_is_kept_for_an_hour_costs_more() -> None:
    written = Usage(100_000, 0, cache_write_tokens=100_000)
    usual, long = (
        PriceList({}).price("anthropic", "account", "claude-haiku-4-5", Service(keeps_long=kept))
        for kept in (False, True)
    )
    assert usual is not None
    assert long is not None
    assert (usual(written), long(written)) == (125_000_000, 200_000_000)


def test_a_tier_may_have_a_price_of_ones_own() -> None:
    prices = PriceList({"m": {"input": "1"}, "m@gold": {"input": "3"}})
    usual, gold, silver = (prices.price("", "account", "m", Service(tier=tier)) for tier in ("", "gold", "silver"))
    assert usual is not None
    assert gold is not None
    assert (usual(TOKENS), gold(TOKENS), silver) == (10**9, 3 * 10**9, None)


@pytest.mark.parametrize(
    ("name", "tier"), [(None, ""), ("auto", ""), ("default", ""), ("standard_only", ""), ("flex", "flex")]
)
def test_the_standard_tier_has_many_names(name: str | None, tier: str) -> None:
    assert tier_asked(name) == tier


def test_a_usage_is_told_as_the_settings_say() -> None:
    details = {"completion_tokens_details": {"reasoning_tokens": 7}}
    body = {"choices": [{"index": 0}], "usage": {"prompt_tokens": 3, "completion_tokens": 9, **details}}
    assert told_oddly(body, "usual") is body
    assert told_oddly(body, "in_choice")["choices"][0]["usage"] == body["usage"]
    assert told_oddly(body, "beside")["usage"]["completion_tokens"] == 2
    assert told_oddly(body, "texts")["usage"]["prompt_tokens"] == "3"
    with pytest.raises(ConfigError, match="usage is 'odd'; expected one of usual, beside"):
        SimulatorConfig(usage="odd")
