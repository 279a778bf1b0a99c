"""A pool is one hop of a chain: how aliases resolve to it, what it reserves, what settings refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from homa.submit.encoded_messages import Prepared
from homa.submit.fleet_view import FleetView
from homa.submit.options import check_options
from homa.submit.template import Template
from homa_shared.calls.request import JobRequest
from homa_shared.model.errors import ConfigError, UnknownModel
from homa_shared.model.pools import Pool, alias_of, queue_of, without, worker_command
from homa_shared.model.targets import Target
from homa_shared.settings.fleet import Fleet
from homa_shared.settings.model import load_settings

ONE, TWO, SPARE = Target("one", "gpt-6-sol"), Target("two", "gpt-6-sol"), Target("spare", "gpt-6-sol")
POOL = Pool("fast", (ONE, TWO))
PRICED = {"input": 1, "output": 10}


def fleet(**more: Any) -> Fleet:
    tables: dict[str, Any] = {
        "providers": {
            "one": {"kind": "openai", "limits": {"tpm": 1000}},
            "two": {"kind": "azure", "limits": {"tpm": 1000}},
            "spare": {"kind": "openai"},
        },
        "models": {
            "fast": {"pool": ["one:gpt-6-sol", "two:gpt-6-sol"], "fallbacks": ["spare:gpt-6-sol"]},
            "near": {"target": "one:gpt-6-sol", "fallbacks": ["spare:gpt-6-sol"]},
            "named": {"pool": ["near", "two:gpt-6-sol"]},
            "outer": {"target": "spare:gpt-6-sol", "fallbacks": ["fast"]},
        },
        "prices": {"one:*": {"input": 1, "output": 10}, "two:*": {"input": 2, "output": 20}, "spare:*": PRICED},
    }
    return Fleet.model_validate(tables | more)


def test_an_alias_of_a_pool_is_one_hop_with_its_fallbacks_behind() -> None:
    assert fleet().hops("fast") == (POOL, SPARE)
    assert fleet().resolve("fast") == (ONE, TWO, SPARE)


def test_a_pool_may_be_a_fallback() -> None:
    assert fleet().hops("outer") == (SPARE, POOL)


def test_an_alias_in_a_pool_brings_its_target_and_no_fallbacks() -> None:
    assert fleet().hops("named") == (Pool("named", (ONE, TWO)),)


def test_names_of_hops_lead_back_to_them() -> None:
    assert fleet().hop("pool-fast") == POOL
    assert fleet().hop("one:gpt-6-sol") == ONE
    assert (alias_of("pool-fast"), alias_of("one:pool-x"), alias_of("openai")) == ("fast", None, None)
    assert (queue_of(POOL), queue_of(ONE)) == ("pool-fast", "one")
    assert (worker_command("pool-fast"), worker_command("one")) == ("homa worker", "homa worker one")


@pytest.mark.parametrize("name", ["pool-gone", "pool-near", "nobody:gpt-6-sol"])
def test_a_hop_that_settings_no_longer_have_says_so(name: str) -> None:
    with pytest.raises(UnknownModel):
        fleet().hop(name)


def test_providers_know_the_pools_that_they_serve() -> None:
    assert [str(pool) for pool in fleet().pools_of("two")] == ["pool-fast", "pool-named"]
    assert fleet().pools_of("spare") == ()


def test_a_pool_that_cannot_be_read_is_nobodys() -> None:
    broken = fleet(models={"x": {"pool": ["one:a", "one:b"]}, "y": {"pool": ["y", "two:b"]}})
    assert broken.pools_of("one") == ()


def test_a_pool_reserves_what_its_dearest_and_its_largest_member_would() -> None:
    view = FleetView(fleet())
    options = check_options({"model": "fast", "max_tokens": 100})
    prepared = Prepared.of([{"role": "user", "content": "Hello"}])
    entry = Template(view, options).entry("j", prepared)
    alone = {
        target.provider: Template(view, check_options({"model": str(target), "max_tokens": 100})).entry("j", prepared)
        for target in (ONE, TWO)
    }
    assert entry.bound == max(alone["one"].bound or 0, alone["two"].bound or 0) == alone["two"].bound
    assert entry.tokens == tuple(map(max, alone["one"].tokens, alone["two"].tokens))
    request = JobRequest.decode(entry.request)
    assert request.targets == ("pool-fast", "spare:gpt-6-sol")


def test_a_pool_with_an_unpriced_member_is_unpriced() -> None:
    view = FleetView(fleet(prices={"one:*": PRICED, "spare:*": PRICED}, models=fleet().content()["models"]))
    options = check_options({"model": "fast", "max_tokens": 100})
    unknown = FleetView(fleet(models={"fast": {"pool": ["one:gpt-6-sol", "two:unheard-of"]}}, prices={"one:*": PRICED}))
    prepared = Prepared.of([{"role": "user", "content": "Hello"}])
    assert Template(unknown, options).entry("j", prepared).bound is None
    assert Template(view, options).entry("j", prepared).bound is not None


def test_of_a_pool_that_loses_a_member_the_others_follow_one_another() -> None:
    third = Target("three", "gpt-6-sol")
    pool = Pool("wide", (ONE, TWO, third))
    assert without((pool, SPARE), (TWO,)) == (ONE, third, SPARE)
    assert without((pool, SPARE), (SPARE,)) == (pool,)


def test_what_one_member_cannot_do_goes_to_the_others() -> None:
    models = {
        "fast": {"pool": ["one:gpt-6-sol", "two:gpt-6-sol"]},
        "plain": {"target": "two:gpt-6-sol", "capabilities": ["chat"]},
    }
    view = FleetView(fleet(models=models))
    tools = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
    options = check_options({"model": "fast", "max_tokens": 100, "tools": tools})
    template, skipped = Template(view, options).fit(Prepared.of([{"role": "user", "content": "Hello"}]))
    assert template.targets == ["one:gpt-6-sol"]
    assert [target for target, _ in skipped] == ["two:gpt-6-sol"]


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ('[models.x]\npool = ["one:a", "one:b"]', "two targets of one provider"),
        ('[models.y]\ntarget = "one:b"\n[models.x]\npool = ["one:a", "y"]', "two targets of one provider"),
        ('[models.x]\npool = ["just-a-name"]', "just-a-name"),
        ('[models.x]\npool = ["one:a"]\n[providers.pool-x]\nkind = "openai"', "pool-x is that of a provider"),
    ],
)
def test_settings_refuse_a_pool_that_nobody_could_serve(tmp_path: Path, toml: str, words: str) -> None:
    (tmp_path / "homa.toml").write_text(toml)
    with pytest.raises(ConfigError, match=words):
        load_settings(env={}, cwd=tmp_path)


def test_a_target_twice_in_a_pool_is_one_member() -> None:
    twice = fleet(models={"x": {"pool": ["one:a", "one:a"]}}).pool("x")
    assert twice is not None
    assert twice.members == (Target("one", "a"),)
