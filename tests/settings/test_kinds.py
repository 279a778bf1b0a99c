"""Kinds of providers that other packages bring."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest

from homa_shared import plugins
from homa_shared.kinds import registry
from homa_shared.kinds.reserve_policy import ReservePolicy
from homa_shared.model.errors import ConfigError
from homa_shared.model.targets import Target
from homa_shared.quota.plan import plan
from homa_shared.settings.fleet import Fleet
from homa_shared.settings.model import load_settings

ECHO = {"HOMA_PROVIDERS__MINE__KIND": "echo", "HOMA_PROVIDERS__MINE__LIMITS__TPM": "1000"}


@pytest.fixture
def echo_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    point = EntryPoint("echo", "echo_provider:Echo", registry.ENTRY_POINT_GROUP)
    monkeypatch.setattr(plugins, "entry_points", lambda **by: EntryPoints([point]).select(**by))
    monkeypatch.setattr(EntryPoint, "load", lambda _: Echo)
    registry.profile_of.cache_clear()
    yield
    registry.profile_of.cache_clear()


class Echo:
    """A third party's adapter."""


@pytest.mark.usefixtures("echo_installed")
def test_a_kind_of_an_installed_package_may_be_configured(tmp_path: Path) -> None:
    settings = load_settings(env=ECHO, cwd=tmp_path)
    assert settings.providers["mine"].kind == "echo"


@pytest.mark.usefixtures("echo_installed")
def test_a_provider_that_bears_its_name_is_of_that_kind(tmp_path: Path) -> None:
    settings = load_settings(env={"HOMA_PROVIDERS__ECHO__API_KEY": "k"}, cwd=tmp_path)
    assert settings.providers["echo"].kind == "echo"


@pytest.mark.usefixtures("echo_installed")
def test_an_unknown_kind_names_those_of_packages_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'ecko' .*'anthropic', .* 'openai' or 'echo'"):
        load_settings(env=ECHO | {"HOMA_PROVIDERS__MINE__KIND": "ecko"}, cwd=tmp_path)


def test_a_kind_whose_package_is_missing_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs that package here"):
        load_settings(env=ECHO, cwd=tmp_path)


def test_built_in_kinds_look_through_no_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_through(**_: str) -> EntryPoints:
        raise AssertionError("packages were looked through")

    monkeypatch.setattr(plugins, "entry_points", looked_through)
    load_settings(env={"HOMA_PROVIDERS__MINE__KIND": "ollama", "OPENAI_API_KEY": "k"}, cwd=tmp_path)


def test_who_reads_the_fleets_settings_needs_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as installed:
        point = EntryPoint("echo", "echo_provider:Echo", registry.ENTRY_POINT_GROUP)
        installed.setattr(plugins, "entry_points", lambda **by: EntryPoints([point]).select(**by))
        text = load_settings(env=ECHO, cwd=tmp_path).fleet().to_json()
    fleet = Fleet.from_json(text)
    found = plan(fleet, Target.parse("mine:some-model"))
    assert (found.kind, found.reserve) == ("echo", ReservePolicy.REQUESTS)
