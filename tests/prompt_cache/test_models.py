"""Which models keep prompts' prefixes, from how many tokens on; settings say otherwise."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.capabilities.prompt_caching import caching_at
from homa_shared.kinds.profile import PromptCaching
from homa_shared.kinds.registry import profile_of
from homa_shared.model.targets import Target
from homa_shared.settings.changes import diff
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.model import load_settings
from homa_shared.settings.sections import ModelAlias


@pytest.mark.parametrize(
    ("kind", "model", "least_tokens"),
    [
        ("anthropic", "claude-sonnet-4-5", 1024),
        ("anthropic", "claude-opus-4-1-20250805", 1024),
        ("anthropic", "claude-opus-4-5", 4096),
        ("anthropic", "claude-haiku-4-5-20251001", 4096),
        ("anthropic", "claude-3-5-haiku-latest", 2048),
        ("anthropic", "claude-opus-4-6", 4096),
        ("anthropic", "claude-opus-4-7", 2048),
        ("anthropic", "claude-opus-4-8", 1024),
        ("anthropic", "claude-sonnet-4-6", 1024),
        ("anthropic", "claude-sonnet-5", 1024),
        ("anthropic", "claude-sonnet-5-5", 512),
        ("anthropic", "claude-haiku-5-5", 512),
        ("anthropic", "claude-opus-5", 512),
        ("anthropic", "claude-opus-5-5-latest", 512),
        ("anthropic", "claude-fable-5-2", 512),
        ("bedrock", "us.anthropic.claude-haiku-5-5", 512),
        ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", 1024),
        ("bedrock", "anthropic.claude-haiku-4-5-20251001-v1:0", 4096),
        ("bedrock", "anthropic.claude-3-5-haiku-20241022-v1:0", 2048),
        ("bedrock", "anthropic.claude-3-7-sonnet-20250219-v1:0", 1024),
        ("bedrock", "eu.amazon.nova-pro-v1:0", 1024),
        ("bedrock", "amazon.nova-2-lite-v1:0", 1024),
        ("openai", "gpt-5-mini", 1024),
        ("azure", "my-deployment", 1024),
    ],
)
def test_models_keep_prefixes_of_a_least_length(kind: str, model: str, least_tokens: int) -> None:
    caching = profile_of(kind).prompt_caching(model)
    assert caching is not None
    assert caching.least_tokens == least_tokens


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("gemini", "gemini-2.5-flash"),
        ("cohere", "command-a-03-2025"),
        ("ollama", "llama3"),
        ("bedrock", "meta.llama3-70b-instruct-v1:0"),
        ("bedrock", "anthropic.claude-3-haiku-20240307-v1:0"),
        ("bedrock", "anthropic.claude-3-5-sonnet-20240620-v1:0"),
        ("bedrock", "anthropic.claude-v2"),
        ("bedrock", "anthropic.claude-instant-v1"),
        ("bedrock", "amazon.nova-canvas-v1:0"),
        ("bedrock", "amazon.nova-2-multimodal-embeddings-v1:0"),
        ("bedrock", "arn:aws:bedrock:us-east-1:1:application-inference-profile/abc"),
        ("acme", "acme-1"),
    ],
)
def test_nothing_is_said_to_models_that_know_no_breakpoint(kind: str, model: str) -> None:
    assert profile_of(kind).prompt_caching(model) is None


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        ("gpt-4o", False),
        ("gpt-5", False),
        ("gpt-5.5-pro", False),
        ("gpt-5.6-mini", True),
        ("gpt-5.10", True),
        ("gpt-6", True),
        ("ft:gpt-6-mini:acme", True),
        ("o4-mini", False),
    ],
)
def test_openai_charges_for_writes_from_gpt_5_6_on(model: str, cost: bool) -> None:
    assert profile_of("openai").prompt_caching(model) == PromptCaching(writes_cost=cost)


def fleet(**more: Any) -> Fleet:
    providers = {"a": FleetProvider(kind="anthropic"), "b": FleetProvider(kind="bedrock")}
    return Fleet(providers=providers, **more)


CLAUDE, LLAMA = Target("a", "claude-sonnet-4-5"), Target("b", "meta.llama3-70b-instruct-v1:0")


def test_the_fleet_says_whether_prompt_caches_are_used_at_all() -> None:
    assert caching_at(fleet(), CLAUDE) == PromptCaching()
    assert caching_at(fleet(prompt_cache=False), CLAUDE) is None
    assert caching_at(fleet(), Target("unknown", "m")) is None


def test_an_alias_says_it_for_its_model() -> None:
    said = {"mine": ModelAlias(target="A:Claude-Sonnet-4-5", prompt_cache=False)}
    said |= {"lama": ModelAlias(target=str(LLAMA), prompt_cache=True), "other": ModelAlias(target=str(LLAMA))}
    assert caching_at(fleet(models=said), CLAUDE) is None
    assert caching_at(fleet(models=said), LLAMA) == PromptCaching()
    assert caching_at(fleet(), LLAMA) is None


def test_turning_it_off_is_a_change_of_the_fleet(tmp_path: Any) -> None:
    settings = load_settings(env={"HOMA_PROMPT_CACHE": "false", "HOMA_HOME": str(tmp_path)}, cwd=tmp_path)
    found = settings.fleet()
    assert not found.prompt_cache
    assert [str(change) for change in diff(Fleet(), found)] == ["prompt_cache is added: false"]
    assert Fleet.from_json(found.to_json()) == found
