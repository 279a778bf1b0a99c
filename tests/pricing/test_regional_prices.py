"""OpenAI's servers of a region cost a tenth more for newer models, in what a call cost and in what it may cost."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction

import pytest

from homa_shared.calls.reply import Usage
from homa_shared.kinds.openai_billing import endpoint_factor
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import Price

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
HOSTS = ["us", "eu", "au", "in", "jp"]
USAGE = Usage(1000, 200, 100)


def book(endpoint: str | None, **fleet: object) -> PriceBook:
    providers = {"openai": FleetProvider(kind="openai", endpoint=endpoint)}
    return PriceBook(Fleet(providers=providers, **fleet), clock_s=NOW.timestamp)


def amounts(model: str, endpoint: str | None, terms: tuple[str, ...] = ()) -> tuple[int | None, int | None]:
    """What a call cost, and what one may cost, nano-dollars."""
    target, prices = Target("openai", model), book(endpoint)
    usage = Usage(USAGE.input_tokens, USAGE.output_tokens, USAGE.cached_tokens, terms=terms)
    params = {"service_tier": terms[0]} if terms else {}
    bound = prices.bound(target, prompt_bytes=5000, max_output_tokens=100, params=params)
    return prices.cost(target, usage), bound


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("terms", [(), ("priority",)])
@pytest.mark.parametrize("model", ["gpt-5.4", "gpt-6-luna", "gpt-6.2-sol"])
def test_newer_models_cost_a_tenth_more_there(model: str, host: str, terms: tuple[str, ...]) -> None:
    usual, there = amounts(model, None, terms), amounts(model, f"https://{host}.api.openai.com", terms)
    for one, other in zip(usual, there, strict=True):
        assert one is not None
        assert other == pytest.approx(one * 1.1, abs=2)


@pytest.mark.parametrize("model", ["gpt-5-mini", "gpt-5", "gpt-4.1", "gpt-4o-mini", "text-embedding-3-small"])
def test_older_models_cost_the_same(model: str) -> None:
    assert amounts(model, "https://eu.api.openai.com") == amounts(model, None)


@pytest.mark.parametrize("endpoint", ["https://api.openai.com", "https://eu.api.openai.com.example.com", "http://gw"])
def test_other_servers_have_no_uplift(endpoint: str) -> None:
    assert amounts("gpt-6-luna", endpoint) == amounts("gpt-6-luna", None)


@pytest.mark.parametrize(
    ("model", "factor"),
    [
        ("gpt-5.3-codex", 1),
        ("gpt-5.4-mini", Fraction(11, 10)),
        ("gpt-5.10", Fraction(11, 10)),
        ("o3-mini", 1),
        ("o4-mini", 1),
        ("ft:gpt-4o-mini:me", 1),
        ("gpt-7", Fraction(11, 10)),
        ("never-heard-of", Fraction(11, 10)),
    ],
)
def test_the_first_model_of_the_uplift_is_gpt_5_4(model: str, factor: Fraction | int) -> None:
    assert endpoint_factor("https://eu.api.openai.com", model) == factor


def test_a_price_of_the_settings_stands_as_it_is() -> None:
    price = {"openai:*": Price(input=1, output=2)}
    there, usual = (book(endpoint, prices=price) for endpoint in ("https://eu.api.openai.com", None))
    target = Target("openai", "gpt-6-luna")
    assert there.cost(target, USAGE) == usual.cost(target, USAGE)


def grok(endpoint: str, model: str = "grok-4.6", **fleet: object) -> int | None:
    providers = {"grok": FleetProvider(kind="openai", endpoint=endpoint)}
    prices = PriceBook(Fleet(providers=providers, **fleet), clock_s=NOW.timestamp)
    return prices.cost(Target("grok", model), USAGE)


def test_grok_costs_a_tenth_more_at_the_server_of_a_region() -> None:
    usual, there = grok("https://api.x.ai"), grok("https://us.api.x.ai")
    # $2, $0.5 cached and $6 a million.
    assert usual == (900 * 2000 + 100 * 500 + 200 * 6000)
    assert there == usual * 11 // 10


def test_a_price_of_ones_own_is_the_price_at_that_server_too() -> None:
    price = {"grok:*": Price(input=1, output=1)}
    assert grok("https://us.api.x.ai", prices=price) == grok("https://api.x.ai", prices=price)


def test_a_look_alike_of_that_server_is_nobody_s() -> None:
    assert grok("https://us.api.x.ai.example.com") is None


@pytest.mark.parametrize("region", ["us", "eu", "apac", "jp"])
def test_claude_on_bedrock_costs_a_tenth_more_in_a_region_than_anywhere(region: str) -> None:
    providers = {"bedrock": FleetProvider(kind="bedrock", endpoint=None)}
    prices = PriceBook(Fleet(providers=providers), clock_s=NOW.timestamp)
    name = "anthropic.claude-sonnet-4-5-20250929-v1:0"
    anywhere = prices.cost(Target("bedrock", f"global.{name}"), USAGE)
    assert anywhere is not None
    assert prices.cost(Target("bedrock", f"{region}.{name}"), USAGE) == anywhere * 11 // 10
