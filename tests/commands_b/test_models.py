"""Models that are known by name: from aliases, prices in the settings, price lists; nobody is called for them."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.commands_b.stand import Stand

TOML = """
[providers.openai]
api_key = "not-a-key"
[providers.local]
kind = "ollama"
[models.fast]
target = "openai:gpt-6-luna"
fallbacks = ["local:llama3"]
[models.either]
pool = ["local:qwen3", "openai:gpt-6-sol"]
[models.own]
target = "local:qwen3"
context_window = 32768
capabilities = ["tools"]
[models.elsewhere]
target = "anthropic:claude-haiku-5-5"
[prices."local:mistral"]
input = 0.1
output = 0.2
[prices."local:q*"]
input = 0.3
"""


@pytest.fixture
def named(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Stand:
    """Settings with names, and no store that could be reached."""
    (stand.home / "homa.toml").write_text(TOML)
    monkeypatch.setenv("HOMA_REDIS_URL", "redis://127.0.0.1:1/0")
    return stand


def models(stand: Stand, *options: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = stand.json("models", *options)["models"]
    return found


def test_a_model_is_told_with_alias_window_price_and_features(named: Stand) -> None:
    (fast,) = (row for row in models(named) if row["alias"] == "fast")
    assert fast == {
        "target": "openai:gpt-6-luna",
        "alias": "fast",
        "context_window": 1_050_000,
        "input_usd_per_million": "0.10",
        "output_usd_per_million": "0.50",
        "priced": True,
        "ends": None,
        "retired": False,
        "successor": None,
        "price_source": f"genai-prices {version('genai-prices')}",
        "features": ["chat", "stream", "tools", "vision", "image_url", "pdf", "audio", "schema"],
    }


def test_aliases_prices_and_price_lists_name_models_each_once(named: Stand) -> None:
    rows = [(row["target"], row["alias"]) for row in models(named)]
    assert len(set(rows)) == len(rows)
    assert {("local:qwen3", "either"), ("openai:gpt-6-sol", "either"), ("local:qwen3", "own")} <= set(rows)
    assert {("local:mistral", None), ("openai:gpt-4o", None)} <= set(rows)
    assert ("openai:gpt-6-luna", None) not in rows


def test_what_the_settings_say_stands_above_what_is_known(named: Stand) -> None:
    (own,) = (row for row in models(named, "--provider", "local") if row["alias"] == "own")
    assert (own["context_window"], own["input_usd_per_million"]) == (32_768, "0.30")
    assert own["features"] == ["chat", "stream", "tools"]


def test_a_model_without_a_price_says_so(named: Stand) -> None:
    (named.home / "homa.toml").write_text(TOML.replace("q*", "x*"))
    (own,) = (row for row in models(named) if row["alias"] == "own")
    assert (own["priced"], own["input_usd_per_million"], own["output_usd_per_million"]) == (False, None, None)
    assert "unpriced" in named.said("models", "--provider", "local").stdout


def test_models_that_only_embed_have_no_chat(named: Stand) -> None:
    (row,) = (row for row in models(named) if row["target"] == "openai:text-embedding-3-small")
    assert row["features"] == ["embeddings"]


def test_one_provider_alone(named: Stand) -> None:
    rows = models(named, "--provider", "local")
    assert {row["target"] for row in rows} == {"local:qwen3", "local:mistral"}
    said = named.said("models", "--provider", "locl")
    assert (said.status, said.stdout) == (2, "")
    assert "no provider is named 'locl': configured providers are openai, local; did you mean 'local'?" in said.stderr


def test_without_a_provider_here_the_fleet_s_are_listed(stand: Stand) -> None:
    stand.said("apply")
    Path("homa.toml").unlink()
    assert {row["target"].partition(":")[0] for row in models(stand)} == {"openai", "anthropic"}


def test_where_nothing_is_known_by_name_a_message_says_how_to_name_it(stand: Stand) -> None:
    (stand.home / "homa.toml").write_text('[providers.local]\nkind = "ollama"\n')
    said = stand.said("models")
    assert (said.status, said.stdout) == (0, "")
    assert "[models.<alias>]" in said.stderr


def test_it_says_where_each_price_is_from(named: Stand) -> None:
    sources = {row["target"]: row["price_source"] for row in models(named)}
    assert sources["local:mistral"] == "settings"
    assert sources["local:qwen3"] == "settings"
    assert sources["openai:gpt-6.2-sol"] == "developers.openai.com/api/docs/pricing, read 2026-11-29"
    assert "read 2026-11-29" in named.said("models", "--provider", "openai").stdout
