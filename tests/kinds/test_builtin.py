"""Kinds that Homa brings: each is one file, found by its name."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module

import pytest

from homa_shared import plugins
from homa_shared.kinds.profile import KindProfile
from homa_shared.kinds.registry import builtin_kinds, is_kind, profile_of


@pytest.mark.parametrize("kind", builtin_kinds())
def test_a_built_in_kind_says_where_its_adapter_and_its_simulation_are(kind: str) -> None:
    profile = profile_of(kind)
    assert profile.name == kind
    assert isinstance(profile.adapter, str)
    for path in (profile.adapter, profile.simulator):
        module, _, attribute = path.partition(":")
        assert callable(getattr(import_module(module), attribute))
    assert profile.options is not None
    assert profile.extra
    import_module(profile.sdk)


def test_built_in_kinds_look_through_no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    def looked_through(**_: str) -> None:
        raise AssertionError("packages were looked through")

    monkeypatch.setattr(plugins, "entry_points", looked_through)
    profile_of.cache_clear()
    assert all(is_kind(kind) and profile_of(kind).name == kind for kind in builtin_kinds())


def test_a_profile_is_loaded_when_it_is_first_asked_for() -> None:
    code = (
        "import sys, homa; homa.Homa\n"
        "from homa_shared.kinds.registry import profile_of\n"
        "def loaded(): return [m for m in sys.modules if m.startswith('homa_shared.kinds.builtin.')]\n"
        "before = loaded(); profile_of('openai'); print(before, loaded())"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[] ['homa_shared.kinds.builtin.openai']"


def test_an_address_may_depend_on_a_setting() -> None:
    bedrock, azure = profile_of("bedrock").connection, profile_of("azure").connection
    assert bedrock.address({"region": "eu-west-1"}) == "https://bedrock-runtime.eu-west-1.amazonaws.com"
    assert bedrock.address({"region": None}) is None
    assert azure.address({}) is None


def test_a_kind_needs_no_more_than_a_name_and_an_adapter() -> None:
    profile = KindProfile("mine", adapter="mine:Adapter")
    assert profile.prompt_caching("any") is None
    assert profile.embedding_limits("any").texts == 96
    assert not profile.model_names.only_chats("gpt-6-sol")
    assert profile.service_tier("flex") == "flex"
