"""Models that a fleet names and that end, or that no table knows, as submit, workers and doctor tell of them."""

from __future__ import annotations

import logging
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from homa.submit.fleet_view import FleetView
from homa.submit.model_words import tell
from homa.submit.options import check_options
from homa.submit.template import Template
from homa_shared.capabilities import Capabilities, model_ends
from homa_shared.capabilities.catalogue import Catalogue
from homa_shared.capabilities.model_ends import ending, endings, unreachable, word
from homa_shared.kinds import retirement
from homa_shared.kinds.registry import profile_of
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.settings.fleet import Fleet
from homa_shared.settings.model import load_settings
from homa_workers.process.start_warnings import start_warnings

GONE = "anthropic:claude-3-opus-20240229"


@pytest.fixture(autouse=True)
def day(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_ends, "today", lambda: date(2026, 11, 30))


def fleet(models: dict[str, Any] | None = None, **providers: dict[str, Any]) -> Fleet:
    kinds = {name: {"kind": name} for name in ("openai", "anthropic", "gemini", "azure")}
    return Fleet.model_validate({"providers": {**kinds, **providers}, "models": models or {}})


@pytest.mark.parametrize(
    ("provider", "known"),
    [
        ({}, True),
        ({"endpoint": "https://api.openai.com"}, True),
        ({"endpoint": "https://gateway.example.com"}, False),
        ({"local": True}, False),
    ],
)
def test_ends_hold_at_the_providers_own_servers(provider: dict[str, Any], known: bool) -> None:
    found = ending(fleet(openai={"kind": "openai", **provider}), Target("openai", "gpt-5-mini"))
    assert (found is not None) is known


def test_an_azure_resource_is_azures_own_server() -> None:
    own = fleet(azure={"kind": "azure", "endpoint": "https://acme.openai.azure.com"})
    assert str(ending(own, Target("azure", "gpt-4o"))) == "azure:gpt-4o retired since 2026-10-01"


def test_a_local_address_is_known_to_be_local(tmp_path: Path) -> None:
    env = {"HOMA_PROVIDERS__ONE__KIND": "openai", "HOMA_PROVIDERS__TWO__KIND": "openai"}
    env |= {"HOMA_PROVIDERS__ONE__BASE_URL": "http://127.0.0.1:9/v1", "HOMA_PROVIDERS__TWO__BASE_URL": "http://h/v1"}
    found = load_settings(env=env, cwd=tmp_path).fleet().providers
    assert [(found[name].local, found[name].endpoint) for name in ("one", "two")] == [
        (True, None),
        (False, "https://h"),
    ]


def test_everything_that_names_a_model_is_looked_at() -> None:
    named = Fleet.model_validate(
        {
            "providers": {
                "openai": {"kind": "openai", "models": {"o3": {}, "gpt-*": {}, "gpt-6-luna": {}}},
                "gemini": {"kind": "gemini"},
            },
            "models": {
                "one": {"target": "openai:gpt-5-nano", "fallbacks": ["two", "gemini:gemini-2.5-flash"]},
                "two": {"pool": ["openai:gpt-5-mini", "gemini:gemini-2.5-flash"]},
            },
            "prices": {"openai:gpt-5-nano": {"input": 1}, "openai:*": {"input": 1}},
        }
    )
    found = endings(named, [Target("openai", "gpt-4o")], 60)
    assert {str(end.target): end.named_by for end in found} == {
        "openai:gpt-5-nano": ("models.one.target", 'prices."openai:gpt-5-nano"'),
        "gemini:gemini-2.5-flash": ("models.one.fallbacks", "models.two.pool"),
        "openai:gpt-5-mini": ("models.two.pool",),
        "openai:gpt-4o": ("jobs that wait",),
        "openai:o3": ('providers.openai.models."o3"',),
    }
    assert [str(end.target) for end in endings(named, [Target("openai", "gpt-4o")], 0)] == []


def test_what_follows_tells_of_failing_or_of_another_price() -> None:
    ends, goes_on = (ending(fleet(), target) for target in (Target("openai", "o3"), Target("gemini", "gemini-2.5-pro")))
    assert ends is not None
    assert goes_on is not None
    assert "fail from then on, or go to fallbacks: name gpt-6.1-sol (announced at developers.open" in ends.what_follows
    assert "answered, charged and ruled as gemini-3.8-flash's" in goes_on.what_follows


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("openai:gpt-5-nano", "openai:gpt-5-nano ends 2026-12-11, use gpt-6-luna: its calls fail"),
        ("openai:gpt-5.1", None),
        ("openai:gpt-6-luna", None),
        (
            "openai:gpt-6-lunna",
            "openai:gpt-6-lunna stands in no table of this release and is unpriced: check its name ",
        ),
        ("openai:gpt-6-lunna", "(did you mean 'gpt-6-luna'?)"),
        ("azure:my-deployment", None),
        ("nobody:gpt-5-nano", None),
    ],
)
def test_a_word_is_said_of_what_ends_soon_and_of_what_nobody_knows(target: str, said: str | None) -> None:
    found = word(fleet(), PriceBook(fleet()), Target.parse(target), 60)
    assert (found is None) is (said is None)
    assert said is None or said in str(found)


def test_a_model_that_a_gateway_may_have_is_not_doubted() -> None:
    own = fleet(openai={"kind": "openai", "endpoint": "https://gateway.example.com"})
    assert word(own, PriceBook(own), Target("openai", "gpt-6-lunna"), 60) is None


def test_the_client_warns_of_a_model_once_in_a_process(caplog: pytest.LogCaptureFixture) -> None:
    pool = {"both": {"pool": ["openai:gpt-5-nano", "gemini:gemini-2.5-pro"]}}
    with caplog.at_level(logging.WARNING, "homa"):
        for _ in range(2):
            tell(FleetView(fleet(pool)), ["pool-both", "openai:gpt-6-luna"])
    assert [record.getMessage().partition(",")[0] for record in caplog.records] == [
        "openai:gpt-5-nano ends 2026-12-11",
        "gemini:gemini-2.5-pro ends 2026-12-01",
    ]


def lacks(own: Fleet, *chain: str) -> dict[str, str]:
    found = Capabilities(own, PriceBook(own))
    return {name: why for name in chain if (why := found.gone(Target.parse(name)))}


def test_a_name_that_nobodys_call_reaches_is_passed_over_with_the_reason() -> None:
    assert lacks(fleet(), GONE, "openai:o4-mini", "gemini:gemini-2.0-flash", "anthropic:claude-sonnet-4-5") == {
        GONE: "claude-3-opus-20240229 retired since 2026-01-05",
        "gemini:gemini-2.0-flash": "gemini-2.0-flash retired since 2026-06-01, use gemini-3.1-flash-lite",
    }


def test_a_job_that_only_such_a_model_could_do_is_refused_before_it_is_submitted() -> None:
    from homa.submit.encoded_messages import Prepared

    prepared = Prepared.of([{"role": "user", "content": "Hi"}], {})
    alone = Template(FleetView(fleet()), check_options({"model": GONE}))
    with pytest.raises(InvalidRequest, match="retired since 2026-01-05; expected a model that can, or a fallback"):
        alone.fit(prepared)
    chain = Template(FleetView(fleet()), check_options({"model": GONE, "fallbacks": ["openai:gpt-6-luna"]}))
    able, skipped = chain.fit(prepared)
    assert able.targets == ["openai:gpt-6-luna"]
    assert skipped == ((GONE, "claude-3-opus-20240229 retired since 2026-01-05"),)


def test_an_alias_that_states_capabilities_knows_better() -> None:
    own = fleet({"kept": {"target": GONE, "capabilities": ["vision", "tools"]}})
    assert lacks(own, GONE) == {}
    assert unreachable(own, Target.parse(GONE)) is not None


def test_a_catalogue_tells_of_ends() -> None:
    rows = {str(row.target): row.ending for row in Catalogue(fleet()).models("openai")}
    assert str(rows["openai:gpt-5-nano"]) == "openai:gpt-5-nano ends 2026-12-11, use gpt-6-luna"
    assert rows["openai:gpt-6-luna"] is None


def test_a_worker_says_at_its_start_what_ends_and_which_sdk_is_too_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from homa_shared.kinds import sdk_versions

    (tmp_path / "homa.toml").write_text(
        '[providers.openai]\n[providers.gemini]\n[models.fast]\ntarget = "openai:gpt-5-nano"\n'
        'fallbacks = ["gemini:gemini-2.5-flash"]\n'
    )
    settings = load_settings(env={"HOMA_CONFIG": str(tmp_path / "homa.toml")}, cwd=tmp_path)
    (said,) = start_warnings(settings, ["openai"])
    assert said.startswith("openai:gpt-5-nano ends 2026-12-11, use gpt-6-luna, named by models.fast.target: ")
    monkeypatch.setattr(sdk_versions, "version", lambda name: f"{sdk_versions.first_unsupported(name)}.0.1")
    below = sdk_versions.first_unsupported("openai")
    first, *_ = start_warnings(settings, ["openai"])
    assert first == (
        f"openai {below}.0.1 is installed, and this release was made for openai below {below}: "
        "pip install 'homa-queue[workers]' brings one, or upgrade homa-queue"
    )


def test_no_installed_sdk_is_newer_than_what_this_release_was_made_for() -> None:
    from homa_shared.kinds.registry import builtin_kinds
    from homa_shared.kinds.sdk_versions import first_unsupported, too_new

    for kind in builtin_kinds():
        profile = profile_of(kind)
        assert first_unsupported(profile.sdk.replace(".", "-")) is not None
        assert too_new(profile) is None


def test_a_day_is_that_of_utc() -> None:
    assert isinstance(retirement.today(), date)
