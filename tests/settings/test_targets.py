"""Targets are named, planned and counted as each provider counts."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.reply import Usage
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.model.errors import UnknownModel
from homa_shared.model.limits import Limits
from homa_shared.model.patterns import most_specific
from homa_shared.model.targets import Target
from homa_shared.quota.plan import Reservation, TargetPlan, plan, reservation, settlement
from homa_shared.settings.fleet import Fleet


def fleet(**tables: Any) -> Fleet:
    return Fleet.model_validate(tables)


def planned(kind: str, model: str = "m", **provider: Any) -> TargetPlan:
    return plan(fleet(providers={"acme": {"kind": kind, **provider}}), Target("acme", model))


@pytest.mark.parametrize(
    ("text", "provider", "model"),
    [
        ("openai:gpt-6-luna", "openai", "gpt-6-luna"),
        (" OpenAI:GPT-4o ", "openai", "GPT-4o"),
        ("openai:ft:gpt-4o:org::id", "openai", "ft:gpt-4o:org::id"),
        ("bedrock:us.anthropic.claude-v1:0", "bedrock", "us.anthropic.claude-v1:0"),
    ],
)
def test_a_target_is_split_at_the_first_colon(text: str, provider: str, model: str) -> None:
    target = Target.parse(text)
    assert target == Target(provider, model)
    assert str(target) == f"{provider}:{model}"


@pytest.mark.parametrize("text", ["gpt-6-sol", ":gpt-6-sol", "openai:", "", " : "])
def test_half_a_target_is_refused(text: str) -> None:
    with pytest.raises(UnknownModel, match="expected provider:model, such as openai:gpt-6-luna"):
        Target.parse(text)


@pytest.mark.parametrize(
    ("name", "patterns", "chosen"),
    [
        ("gpt-6-luna", ["gpt-*", "gpt-6-*", "*"], "gpt-6-*"),
        ("gpt-6-luna", ["gpt-6-*", "gpt-6-luna"], "gpt-6-luna"),
        ("GPT-6-Luna", ["gpt-6-luna"], "gpt-6-luna"),
        ("gpt-4o", ["gpt-6-*", "o?"], None),
        ("o3", ["gpt-6-*", "o?"], "o?"),
        ("weird[1]", ["weird[1]"], "weird[1]"),
        ("m", [], None),
    ],
)
def test_the_most_specific_pattern_wins(name: str, patterns: list[str], chosen: str | None) -> None:
    assert most_specific(name, patterns) == chosen


def test_a_model_of_its_own_has_its_own_quota() -> None:
    found = planned("openai", "GPT-6-Luna", limits={"rpm": 500, "tpm": 1000}, concurrency=8)
    assert (found.queue, found.account_scope, found.quota_scope) == ("acme", "acme", "acme/gpt-6-luna")
    assert found.limits == Limits(rpm=500, tpm=1000)
    assert (found.concurrency, found.burst_ms, found.rpd_zone, found.adaptive) == (8, 500, "UTC", False)


def test_models_of_a_group_share_a_quota_and_inherit_what_it_does_not_say() -> None:
    groups = {"gpt-6*": {"limits": {"rpm": 5, "burst_s": 2}}, "*": {"limits": {"rpd": 9}}}
    limits = {"rpm": 500, "tpm": 1000, "input_tpm": 7, "output_tpm": 8, "burst_s": 1.5}
    one = planned("openai", "gpt-6-luna", limits=limits, models=groups)
    other = planned("openai", "gpt-6-sol", limits=limits, models=groups)
    assert one.quota_scope == other.quota_scope == "acme/gpt-6*"
    assert one.limits == Limits(rpm=5, tpm=1000, input_tpm=7, output_tpm=8)
    assert one.burst_ms == 2000
    rest = planned("openai", "o3", limits=limits, models=groups)
    assert (rest.quota_scope, rest.limits.rpd, rest.limits.rpm, rest.burst_ms) == ("acme/*", 9, 500, 1500)


@pytest.mark.parametrize(
    ("kind", "provider", "adaptive"),
    [
        ("openai", {}, True),
        ("openai", {"limits": {"rpd": 5}}, False),
        ("openai", {"concurrency": 3}, True),
        ("openai", {"models": {"m": {"limits": {"tpm": 5}}}}, False),
        ("ollama", {}, False),
    ],
)
def test_a_rate_is_found_where_none_is_configured(kind: str, provider: dict[str, Any], adaptive: bool) -> None:
    assert planned(kind, **provider).adaptive is adaptive


def test_geminis_day_turns_at_midnight_pacific_unless_told_otherwise() -> None:
    assert planned("gemini").rpd_zone == "America/Los_Angeles"
    assert planned("gemini", rpd_zone="Europe/Berlin").rpd_zone == "Europe/Berlin"


def test_a_plan_needs_a_configured_provider() -> None:
    with pytest.raises(UnknownModel, match=r"no provider is named 'opnai'.*did you mean 'openai'"):
        plan(fleet(providers={"openai": {"kind": "openai"}}), Target("opnai", "gpt-6-sol"))


def test_a_kind_of_a_newer_release_is_counted_by_plain_totals() -> None:
    found = planned("newcomer")
    assert found.reserve is ReservePolicy.REQUESTS
    assert reservation(found, 100, 10, 50).total_tokens == 110


# Input 1000, expected output 200; the three columns are total, input, output.
@pytest.mark.parametrize(
    ("kind", "max_tokens", "total", "input_tokens", "output_tokens"),
    [
        ("openai", 500, 1200, 1000, 200),
        ("openai", 5000, 5000, 1000, 200),
        ("openai", 100, 1100, 1000, 100),
        ("openai", None, 1200, 1000, 200),
        ("azure", 500, 1500, 1000, 500),
        ("azure", None, 1200, 1000, 200),
        ("anthropic", 500, 1200, 1000, 200),
        ("anthropic", 100, 1100, 1000, 100),
        ("gemini", 500, 1000, 1000, 0),
        ("bedrock", 500, 1500, 1000, 500),
        ("bedrock", None, 1200, 1000, 200),
        ("cohere", 500, 1200, 1000, 200),
        ("ollama", 500, 1200, 1000, 200),
    ],
)
def test_a_reservation_is_what_the_provider_counts_at_receipt(
    kind: str, max_tokens: int | None, total: int, input_tokens: int, output_tokens: int
) -> None:
    found = reservation(planned(kind), 1000, 200, max_tokens)
    assert found == Reservation(1, total, input_tokens, output_tokens)


# Reserved 5000 in total; used 1000 of input, 400 of them read from a cache and 100 written to it, and 50 of output.
@pytest.mark.parametrize(
    ("kind", "settled"),
    [
        ("openai", Reservation(1, 1050, 1000, 50)),
        ("azure", Reservation(1, 5000, 1000, 4000)),
        ("anthropic", Reservation(1, 650, 600, 50)),
        ("gemini", Reservation(1, 1000, 1000, 0)),
        ("bedrock", Reservation(1, 850, 600, 250)),
        ("cohere", Reservation(1, 1050, 1000, 50)),
        ("ollama", Reservation(1, 1050, 1000, 50)),
    ],
)
def test_a_settlement_is_what_the_provider_counts_in_the_end(kind: str, settled: Reservation) -> None:
    usage = Usage(1000, 50, cached_tokens=400, cache_write_tokens=100)
    found = planned(kind, models={"m": {"burndown": 5}})
    assert settlement(found, usage, Reservation(1, 5000, 1000, 4000)) == settled
