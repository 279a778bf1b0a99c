"""The fleet's settings travel through the store, resolve models and tell their changes in words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from homa_shared.model.errors import ConfigError, UnknownModel
from homa_shared.model.targets import Target
from homa_shared.settings.changes import diff
from homa_shared.settings.fleet import Fleet

TABLES: dict[str, Any] = {
    "providers": {
        "openai": {"kind": "openai", "limits": {"rpm": 500, "burst_s": 1.5}, "models": {"gpt-*": {"burndown": 2}}},
        "anthropic": {"kind": "anthropic", "concurrency": 4},
    },
    "models": {
        "fast": {"target": "openai:gpt-6-luna", "fallbacks": ["careful"], "price": {"input": "0.25", "output": 2}},
        "careful": {"target": "anthropic:claude-haiku-5-5", "defaults": {"temperature": 0.2}},
        "both": {"pool": ["openai:gpt-6-luna", "anthropic:claude-haiku-5-5"], "fallbacks": ["openai:gpt-6-sol"]},
        "a": {"target": "b"},
        "b": {"target": "a"},
    },
    "budgets": {"teams": {"cap_usd": "5.25", "period": "month", "scope": "tag", "tag": "team", "on_exceed": "defer"}},
    "prices": {"ollama:*": {"input": 0}},
    "tenants": {"acme": {"weight": 3}},
    "retention": {"results": "14d"},
}
FLEET = Fleet.model_validate(TABLES)
MINI, HAIKU, FULL = (
    Target("openai", "gpt-6-luna"),
    Target("anthropic", "claude-haiku-5-5"),
    Target("openai", "gpt-6-sol"),
)


def changed(**tables: Any) -> Fleet:
    return Fleet.model_validate({**TABLES, **tables})


def test_a_fleet_survives_the_store() -> None:
    fleet = FLEET.model_copy(update={"version": 7})
    again = Fleet.from_json(fleet.to_json())
    assert again == fleet
    assert again.version == 7
    assert again.budgets["teams"].cap_nano_usd == 5_250_000_000
    assert json.loads(fleet.to_json())["budgets"]["teams"]["cap_usd"] == "5.25"


def test_a_fleet_is_frozen() -> None:
    with pytest.raises(ValidationError):
        FLEET.version = 3  # type: ignore[misc]


def test_a_digest_tells_content_not_version_or_order() -> None:
    reordered = Fleet.model_validate(dict(reversed(TABLES.items())))
    assert reordered.model_copy(update={"version": 9}).digest == FLEET.digest
    assert changed(tenants={}).digest != FLEET.digest


def test_what_a_newer_release_added_is_ignored() -> None:
    tables = json.loads(FLEET.to_json())
    tables["novelty"] = {"x": 1}
    tables["providers"]["openai"]["novelty"] = True
    tables["providers"]["newcomer"] = {"kind": "newcomer"}
    newer = Fleet.from_json(json.dumps(tables))
    assert newer.providers["newcomer"].kind == "newcomer"
    assert newer.budgets == FLEET.budgets


@pytest.mark.parametrize(
    ("text", "complaint"),
    [('{"version": "x"}', "version: .*homa apply"), ("nonsense", "the whole: .*homa apply")],
)
def test_a_fleet_that_cannot_be_read_says_where_and_what_to_do(text: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Fleet.from_json(text)


@pytest.mark.parametrize(
    ("model", "fallbacks", "chain"),
    [
        ("openai:gpt-6-luna", (), (MINI,)),
        ("openai:gpt-6-luna", ("anthropic:claude-haiku-5-5", "openai:gpt-6-luna"), (MINI, HAIKU)),
        ("fast", (), (MINI, HAIKU)),
        ("FAST", ("openai:gpt-6-sol",), (MINI, HAIKU, FULL)),
        ("both", ("fast",), (MINI, HAIKU, FULL)),
    ],
)
def test_a_model_resolves_to_a_chain_with_each_target_once(
    model: str, fallbacks: tuple[str, ...], chain: tuple[Target, ...]
) -> None:
    assert FLEET.resolve(model, fallbacks) == chain


@pytest.mark.parametrize(
    ("model", "complaint"),
    [
        ("fsat", r"'fsat' is not a configured model.*providers are anthropic, openai, aliases .*did you mean 'fast'\?"),
        ("opnai:gpt-6-sol", r"no provider is named 'opnai' \(in opnai:gpt-6-sol\).*did you mean 'openai'\?"),
        ("zzz:gpt-6-sol", "no provider is named 'zzz'.*fast"),
        ("gpt-6-luna", "'gpt-6-luna' is not a configured model.*did you mean 'openai:gpt-6-luna'"),
        ("openai:", "'openai:' is no target"),
        ("a", "model 'a' leads to itself: a → b → a"),
    ],
)
def test_an_unknown_model_is_refused_with_what_is_known(model: str, complaint: str) -> None:
    with pytest.raises(UnknownModel, match=complaint):
        FLEET.resolve(model)


def test_an_empty_fleet_says_how_to_configure_a_provider() -> None:
    with pytest.raises(UnknownModel, match="none is configured yet; set a provider's key"):
        Fleet().resolve("openai:gpt-6-sol")
    for target, how in (("openai:gpt-6-sol", "; OPENAI_API_KEY"), ("ollama:x", "; OLLAMA_HOST")):
        with pytest.raises(UnknownModel, match=f"{how} sets it up, where its workers run"):
            Fleet().resolve(target)


def test_an_alias_is_found_by_name_in_any_case() -> None:
    assert FLEET.alias("Careful") is FLEET.models["careful"]
    assert FLEET.alias("openai:gpt-6-sol") is None


def test_equal_fleets_have_no_changes() -> None:
    assert diff(FLEET, FLEET.model_copy(update={"version": 3})) == []


def test_changes_are_told_in_words() -> None:
    new = changed(
        providers={**TABLES["providers"], "openai": {"kind": "openai", "limits": {"rpm": 600}}},
        tenants={"zeta": {}},
        models={**TABLES["models"], "fast": {**TABLES["models"]["fast"], "fallbacks": ["a", "b"], "cache": True}},
        budgets={},
        prices={"ollama:*": {"input": "1.5"}},
    )
    assert [str(change) for change in diff(FLEET, new)] == [
        "budgets.teams is removed: it was cap_usd 5.25, period month, scope tag, tag team, on_exceed defer",
        "models.fast.cache is added: true",
        "models.fast.fallbacks changes from careful to a then b",
        'prices."ollama:*".input changes from 0.00 to 1.50',
        "providers.openai.limits.burst_s is removed: it was 1.5",
        "providers.openai.limits.rpm changes from 500 to 600",
        "providers.openai.models is removed: it was gpt-* burndown 2.0",
        "tenants.acme is removed: it was weight 3",
        "tenants.zeta is added: defaults only",
    ]


def test_the_first_fleet_of_a_store_is_told_entry_by_entry() -> None:
    changes = {change.name: change for change in diff(Fleet(), FLEET)}
    assert str(changes["tenants.acme"]) == "tenants.acme is added: weight 3"
    assert "providers.openai" in changes
    assert "providers" not in changes
