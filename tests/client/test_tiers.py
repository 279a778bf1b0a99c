"""`tier`: what the provider serves a job by, who has it, and that its price is not taken for the usual one."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from homa import InvalidRequest
from homa.client.embeddings import ask_for_embeddings
from homa.submit.affordability import check_affordable
from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.options import check_options
from homa.submit.template import Template
from homa_shared.calls.reply import Usage
from homa_shared.model.targets import Target
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import ModelAlias, Price

MINI, HAIKU, EMBED = "openai:gpt-6-luna", "anthropic:claude-haiku-5-5", "openai:text-embedding-3-small"
KINDS = ("anthropic", "azure", "bedrock", "cohere", "gemini", "ollama", "openai")
FLEET = Fleet(
    providers={kind: FleetProvider(kind=kind) for kind in (*KINDS, "of-another-package")},
    models={"cheap": ModelAlias(target=MINI, defaults={"service_tier": "flex"})},
)
HELLO = Prepared.of([{"role": "user", "content": "Hi"}])


def template(model: str = MINI, **options: Any) -> Template:
    return Template(FleetView(FLEET), check_options({"model": model, **options}))


@pytest.mark.parametrize(
    ("tier", "sent"),
    [("standard", "default"), ("flex", "flex"), ("priority", "priority"), ("auto", "auto"), (None, None)],
)
def test_it_is_sent_under_the_providers_word(tier: str | None, sent: str | None) -> None:
    assert template(tier=tier).params.get("service_tier") == sent


def test_it_stands_above_an_aliass_default() -> None:
    assert template("cheap").params["service_tier"] == "flex"
    assert template("cheap", tier="auto").params["service_tier"] == "auto"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tier": "default"}, "tier is 'default': expected one of standard, flex, priority, auto"),
        ({"tier": "flex", "service_tier": "flex"}, "both tier and service_tier: expected one of them"),
    ],
)
def test_a_wrong_one_is_named(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        check_options({"model": MINI, **options})


@pytest.mark.parametrize(
    ("tier", "having"),
    [("flex", {"openai", "gemini", "bedrock"}), ("priority", {"openai", "azure", "gemini", "bedrock"})],
)
def test_a_target_without_it_is_passed_over(tier: str, having: set[str]) -> None:
    names = [f"{kind}:some-model" for kind in (*KINDS, "of-another-package")]
    able, skipped = template(names[0], fallbacks=names[1:], tier=tier).fit(HELLO)
    assert {target.partition(":")[0] for target in able.targets} == having | {"of-another-package"}
    assert {why for _, why in skipped} == {f"it has no {tier} tier"}
    with pytest.raises(InvalidRequest, match=f"{HAIKU} cannot do this job: it has no {tier} tier"):
        template(HAIKU, tier=tier).fit(HELLO)


@pytest.mark.parametrize("tier", ["standard", "auto"])
def test_every_target_serves_by_the_usual_one(tier: str) -> None:
    names = [f"{kind}:some-model" for kind in KINDS]
    assert template(names[0], fallbacks=names[1:], tier=tier).fit(HELLO)[1] == ()


def test_no_embeddings_are_to_be_had_by_another_one() -> None:
    usual, flex = (ask_for_embeddings(["Hi"], {"model": EMBED, "tier": tier}) for tier in ("standard", "flex"))
    assert Template(FleetView(FLEET), usual.options).fit(usual.prepared)[1] == ()
    with pytest.raises(InvalidRequest, match="it has no flex tier for embeddings"):
        Template(FleetView(FLEET), flex.options).fit(flex.prepared)


@pytest.mark.parametrize(
    ("model", "tier"),
    [("bedrock:us.anthropic.claude-haiku-4-5-20251001-v1:0", "flex"), ("openai:gpt-6.2-sol", "flex")],
)
def test_a_model_that_it_does_not_serve_is_passed_over(model: str, tier: str) -> None:
    with pytest.raises(InvalidRequest, match=f"has no {tier} tier"):
        template(model, tier=tier).fit(HELLO)


@pytest.mark.parametrize(
    ("tier", "dearer"), [(None, 1.0), ("standard", 1.0), ("flex", 1.0), ("priority", 2.0), ("auto", 2.0)]
)
def test_a_bound_is_that_of_the_dearest_tier_that_may_serve(tier: str | None, dearer: float) -> None:
    usual, bound = (template(tier=name).entry("j", HELLO).bound for name in (None, tier))
    assert usual is not None
    assert bound == pytest.approx(usual * dearer, rel=1e-6)
    check_affordable(template(tier=tier), bound, 1_000_000_000)


def test_a_tier_without_a_price_has_no_bound() -> None:
    assert template("azure:gpt-6-luna").entry("j", HELLO).bound is not None
    unpriced = template("azure:gpt-6-luna", tier="priority")
    assert unpriced.entry("j", HELLO).bound is None
    setting = re.escape('set [prices."azure:gpt-6-luna".tiers."priority"]')
    with pytest.raises(InvalidRequest, match=f"azure:gpt-6-luna served by priority has no known price: {setting}"):
        check_affordable(unpriced, None, 1_000_000_000)


def test_a_price_of_ones_own_may_have_tiers() -> None:
    price = Price.model_validate({"input": 1, "output": 10, "tiers": {"priority": {"input": 2, "output": 20}}})
    fleet = FLEET.model_copy(update={"prices": {"azure:gpt-6-luna": price}})
    usual, bound = (
        Template(FleetView(fleet), check_options({"model": "azure:gpt-6-luna", "tier": tier})).entry("j", HELLO).bound
        for tier in ("standard", "priority")
    )
    assert usual is not None
    assert bound == 2 * usual
    prices = FleetView(Fleet.from_json(fleet.to_json())).prices
    usage = Usage(1000, 100, terms=("priority",))
    assert prices.cost(Target("azure", "gpt-6-luna"), usage) == 4_000_000
    assert prices.cost(Target("azure", "gpt-6-luna"), replace(usage, terms=("flex",))) is None


@pytest.mark.parametrize(("account", "dearer"), [(None, 1.0), ("priority", 2.0), ("auto", 2.0)])
def test_an_account_may_serve_what_leaves_it_open_by_another_tier(account: str | None, dearer: float) -> None:
    provider = FleetProvider(kind="openai", service_tier=account)
    fleet = FLEET.model_copy(update={"providers": {"openai": provider}})
    usual = template(tier="standard").entry("j", HELLO).bound
    assert usual is not None
    made = Template(FleetView(fleet), check_options({"model": MINI}))
    assert made.entry("j", HELLO).bound == pytest.approx(usual * dearer, rel=1e-6)


def test_it_tells_requests_apart() -> None:
    keys = {template(tier=tier, cache=True).common_for(HELLO).cache_key for tier in (None, "standard", "flex", "auto")}
    assert len(keys) == 4
