"""Settings come from variables over homa.toml over defaults; a wrong one names itself, its value and its origin."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from homa_shared.model.targets import Target
from homa_shared.quota.plan import plan
from homa_shared.settings.model import load_settings, origins
from tests.settings.loading import complaint, load, origin_of, write

# Order of the sources


def test_nothing_set_gives_the_defaults(place: Path) -> None:
    settings = load(place)
    assert (settings.namespace, settings.redis_url, settings.providers) == ("homa", None, {})
    assert settings.home == place / "homa"
    assert settings.retention.results == settings.retention.keys_s == 7 * 86_400
    assert settings.config_file is None
    assert {row.origin for row in origins(settings)} == {"default"}


def test_variables_stand_above_the_file_and_arguments_above_all(place: Path) -> None:
    write(place, 'namespace = "file"\nlease_s = 40\nlog_level = "ERROR"\n')
    settings = load(place, {"lease_s": 60, "redis_url": None}, HOMA_NAMESPACE="variable", HOMA_LEASE_S="50")
    assert (settings.namespace, settings.lease_s, settings.log_level) == ("variable", 60, "error")
    assert origin_of(settings, "namespace") == ("variable", "HOMA_NAMESPACE")
    assert origin_of(settings, "lease_s") == ("60", "argument lease_s")
    assert origin_of(settings, "log_level") == ("error", "homa.toml:3")


def test_the_nearest_file_upwards_is_read_and_the_store_lives_beside_it(place: Path) -> None:
    file = write(place, 'namespace = "above"\n')
    below = place / "a" / "b"
    below.mkdir(parents=True)
    settings = load(below)
    assert (settings.namespace, settings.config_file, settings.home) == ("above", file, place / ".homa")
    assert origin_of(settings, "namespace")[1] == f"{file}:1"


def test_homa_config_names_the_file(place: Path) -> None:
    write(place, 'namespace = "near"\n')
    (place / "other.toml").write_text('namespace = "named"\n', encoding="utf-8")
    assert load(place, HOMA_CONFIG="other.toml").namespace == "named"
    assert complaint(place, HOMA_CONFIG="gone.toml") == [
        "HOMA_CONFIG = 'gone.toml' does not name a file: expected the path of a homa.toml"
    ]


def test_an_empty_variable_is_not_set(place: Path) -> None:
    settings = load(place, HOMA_REDIS_URL="", OPENAI_API_KEY="", HOMA_CONFIG="")
    assert (settings.redis_url, settings.providers) == (None, {})


def test_the_processs_own_environment_and_directory_are_read_where_nothing_is_given(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place)
    monkeypatch.setenv("HOMA_NAMESPACE", "own")
    assert load_settings().namespace == "own"


# Nested tables


def test_a_variable_completes_a_table_of_the_file(place: Path) -> None:
    write(
        place,
        """
        [providers.My-GPT]
        kind = "openai"
        limits = { rpm = 500, tpm = 2_000_000 }

        [providers.My-GPT.models."GPT-5*".limits]
        rpm = 5
        """,
    )
    settings = load(
        place,
        HOMA_PROVIDERS__MY_GPT__API_KEY="sk-1",
        HOMA_PROVIDERS__MY_GPT__LIMITS__RPM="600",
        HOMA_PROVIDERS__Local__KIND="ollama",
    )
    provider = settings.providers["my-gpt"]
    assert (provider.key(), provider.limits.rpm, provider.limits.tpm) == ("sk-1", 600, 2_000_000)
    assert list(provider.models) == ["gpt-5*"]
    assert settings.providers["local"].kind == "ollama"
    assert origin_of(settings, "providers.my-gpt.limits.tpm") == ("2000000", "homa.toml:4")
    assert origin_of(settings, "providers.my-gpt.limits.rpm")[1] == "HOMA_PROVIDERS__MY_GPT__LIMITS__RPM"
    assert origin_of(settings, 'providers.my-gpt.models."gpt-5*".limits.rpm') == ("5", "homa.toml:7")


def test_a_variable_may_hold_a_list_or_a_table(place: Path) -> None:
    settings = load(
        place,
        HOMA_MODELS__FAST__TARGET="openai:gpt-6-luna",
        HOMA_MODELS__FAST__FALLBACKS="anthropic:claude-haiku-5-5, openai:gpt-6-sol",
        HOMA_MODELS__FAST__DEFAULTS__TEMPERATURE="0.2",
        HOMA_MODELS__FAST__DEFAULTS__USER="ada",
        HOMA_MODELS__FAST__CAPABILITIES='["vision", "tools"]',
        HOMA_TENANTS='{"acme": {"weight": 3}}',
    )
    fast = settings.models["fast"]
    assert fast.fallbacks == ("anthropic:claude-haiku-5-5", "openai:gpt-6-sol")
    assert fast.defaults == {"temperature": 0.2, "user": "ada"}
    assert fast.capabilities == ("vision", "tools")
    assert settings.tenants["acme"].weight == 3


def test_an_empty_table_configures_a_provider_by_its_name(place: Path) -> None:
    write(place, "[providers.ollama]\n[providers.ANTHROPIC]\n")
    assert {name: provider.kind for name, provider in load(place).providers.items()} == {
        "ollama": "ollama",
        "anthropic": "anthropic",
    }


def test_a_stronger_source_may_replace_a_table_by_a_value_and_the_other_way(place: Path) -> None:
    write(place, "tenants = 5\nretention = { results = 5 }\n")
    lines = complaint(place, HOMA_TENANTS__ACME__WEIGHT="2", HOMA_RETENTION="soon")
    assert lines == ["retention = 'soon' (HOMA_RETENTION): expected a table"]


def test_money_and_durations_are_read_as_people_write_them(place: Path) -> None:
    write(
        place,
        """
        [budgets.all]
        cap_usd = 0.1

        [prices."OpenAI:gpt-6-luna"]
        input = 0.25
        output = 2

        [models.fast]
        target = "openai:gpt-6-luna"
        defaults = { temperature = 0.5, stop = ["a"], deep = { top_p = 0.1 } }

        [retention]
        results = "7d"
        requests = "90s"
        ledger = 3600
        keys = "2w"
        """,
    )
    settings = load(place)
    assert settings.budgets["all"].cap_nano_usd == 100_000_000
    assert settings.prices["openai:gpt-6-luna"].input_nano_usd_per_mtok == 250_000_000
    assert settings.models["fast"].defaults == {"temperature": 0.5, "stop": ["a"], "deep": {"top_p": 0.1}}
    kept = settings.retention
    assert (kept.results, kept.requests, kept.ledger, kept.keys_s) == (604_800, 90, 3600, 1_209_600)


# Conventional variables


def test_a_conventional_variable_makes_its_provider_exist(place: Path) -> None:
    settings = load(
        place,
        OPENAI_API_KEY="sk-o",
        ANTHROPIC_API_KEY="sk-a",
        ANTHROPIC_BASE_URL="http://127.0.0.1:9/anthropic",
        GEMINI_API_KEY="g",
        CO_API_KEY="c",
        MISTRAL_API_KEY="m",
        AZURE_OPENAI_API_KEY="z",
        AZURE_OPENAI_ENDPOINT="https://res.openai.azure.com/",
        AWS_PROFILE="work",
        AWS_REGION="eu-central-1",
        OLLAMA_HOST="0.0.0.0",
        SENTRY_DSN="https://key@sentry.example/1",
    )
    assert {name: provider.kind for name, provider in settings.providers.items()} == {
        name: name for name in ("openai", "anthropic", "gemini", "cohere", "mistral", "azure", "bedrock", "ollama")
    }
    assert settings.providers["azure"].base_url == "https://res.openai.azure.com/openai/v1"
    assert settings.providers["anthropic"].base_url == "http://127.0.0.1:9/anthropic"
    assert settings.providers["ollama"].base_url == "http://127.0.0.1:11434/v1"
    assert settings.providers["bedrock"].region == "eu-central-1"
    assert settings.providers["bedrock"].key() is None
    assert origin_of(settings, "providers.openai.api_key") == ("********", "OPENAI_API_KEY")
    assert origin_of(settings, "sentry_dsn") == ("********", "SENTRY_DSN")


def test_a_variable_of_another_program_that_is_blank_counts_as_unset(place: Path) -> None:
    blank = {"OLLAMA_HOST": " ", "AZURE_OPENAI_ENDPOINT": " ", "AZURE_OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "  "}
    settings = load(place, OPENAI_API_KEY="sk", **blank)
    assert {name: given.base_url for name, given in settings.providers.items()} == {"openai": None}


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("gpu-box", "http://gpu-box:11434/v1"),
        ("127.0.0.1:8080", "http://127.0.0.1:8080/v1"),
        ("https://ollama.example", "https://ollama.example:443/v1"),
        ("http://box:1/sub/v1", "http://box:1/sub/v1"),
        ("http://[::1]:5", "http://[::1]:5/v1"),
    ],
)
def test_ollamas_host_may_leave_out_scheme_and_port(place: Path, host: str, base_url: str) -> None:
    assert load(place, OLLAMA_HOST=host).providers["ollama"].base_url == base_url


def test_an_address_a_region_or_azures_key_alone_is_no_account(place: Path) -> None:
    settings = load(place, OPENAI_BASE_URL="http://x", AWS_REGION="eu-west-1", AZURE_OPENAI_API_KEY="z")
    assert settings.providers == {}


def test_a_conventional_variable_is_the_weakest_source(place: Path) -> None:
    key_file = place / "key"
    key_file.write_text("from-file\n", encoding="utf-8")
    write(
        place,
        f"""
        [providers.anthropic]
        api_key_file = "{key_file}"
        [providers.gemini]
        kind = "openai"
        rpd_zone = "Europe/Berlin"
        [providers.azure]
        base_url = "https://mine.example/openai/v1"
        """,
    )
    settings = load(
        place,
        OPENAI_API_KEY="conventional",
        HOMA_PROVIDERS__OPENAI__API_KEY="own",
        ANTHROPIC_API_KEY="conventional",
        GEMINI_API_KEY="not for another kind",
        AZURE_OPENAI_API_KEY="z",
    )
    assert settings.providers["openai"].key() == "own"
    assert settings.providers["anthropic"].key() == "from-file"
    assert settings.providers["gemini"].key() is None
    assert settings.providers["azure"].key() == "z"


# What is shown, and what is shared


def test_a_path_may_begin_at_the_users_own_directory(place: Path) -> None:
    assert load(place, HOMA_HOME="~/jobs").home == Path.home() / "jobs"


def test_no_password_in_an_addresss_query_is_shown(place: Path) -> None:
    url = "redis+sentinel://h1:1,h2:2/main/0?sentinel_password=s3cret&ssl=true"
    shown, origin = origin_of(load(place, HOMA_REDIS_URL=url), "redis_url")
    assert shown == "redis+sentinel://h1:1,h2:2/main/0?sentinel_password=********&ssl=true"
    assert origin == "HOMA_REDIS_URL"
    socket = "unix:///run/store.sock?db=0"
    assert origin_of(load(place, HOMA_REDIS_URL=socket), "redis_url")[0] == socket


def test_no_secret_is_shown(place: Path) -> None:
    write(place, '[providers.openai.options]\nextra_secret = "s3cret"\nmax_tokens = 5\n')
    settings = load(
        place,
        OPENAI_API_KEY="s3cret",
        HOMA_REDIS_URL="rediss://user:s3cret@host:6380/0",
        OPENAI_BASE_URL="https://s3cret@proxy.example/v1",
        HOMA_SENTRY_DSN="https://s3cret@sentry.example/1",
    )
    shown = "\n".join(map(str, origins(settings)))
    assert "s3cret" not in shown
    assert "s3cret" not in repr(settings.providers["openai"].api_key)
    assert "rediss://user:********@host:6380/0" in shown
    assert "https://********@proxy.example/v1" in shown
    assert origin_of(settings, "providers.openai.options.max_tokens") == ("5", "homa.toml:3")


def test_lists_and_truths_are_shown_as_a_person_would_write_them(place: Path) -> None:
    write(place, '[models.fast]\ntarget = "a:b"\nfallbacks = ["c:d", "e:f"]\ncache = true\n')
    settings = load(place)
    assert origin_of(settings, "models.fast.fallbacks") == ("c:d, e:f", "homa.toml:3")
    assert origin_of(settings, "models.fast.cache") == ("true", "homa.toml:4")
    assert origin_of(settings, "models.fast.price") == ("", "default")


def test_the_fleet_gets_limits_but_never_keys_or_addresses_with_credentials(place: Path) -> None:
    write(
        place,
        """
        [providers.openai]
        api_key = "s3cret"
        base_url = "https://s3cret:s3cret@api.groq.com/openai/v1?key=s3cret"
        concurrency = 3
        limits = { rpm = 60 }
        options = { organization = "s3cret" }
        """,
    )
    fleet = load(place).fleet()
    assert "s3cret" not in fleet.to_json()
    assert fleet.providers["openai"].endpoint == "https://api.groq.com"
    found = plan(fleet, Target("openai", "m"))
    assert (found.limits.rpm, found.concurrency) == (60, 3)


@pytest.mark.parametrize("base_url", ["http://localhost:8000/v1", "http://127.0.0.1:1/v1", "http://[::1]:1/v1"])
def test_a_local_servers_address_stays_local(place: Path, base_url: str) -> None:
    assert load(place, HOMA_PROVIDERS__OPENAI__BASE_URL=base_url).fleet().providers["openai"].endpoint is None


def test_an_address_by_number_is_an_endpoint(place: Path) -> None:
    fleet = load(place, HOMA_PROVIDERS__OPENAI__BASE_URL="http://10.0.0.7:1/v1").fleet()
    assert fleet.providers["openai"].endpoint == "https://10.0.0.7"


def test_naming_a_fleet_does_not_import_the_settings_machinery() -> None:
    code = "import sys, homa_shared.settings.fleet; sys.exit('pydantic_settings' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_variable_may_reach_into_parameters_at_any_depth(place: Path) -> None:
    settings = load(place, HOMA_MODELS__X__TARGET="a:b", HOMA_MODELS__X__DEFAULTS__REASONING__EFFORT="low")
    assert settings.models["x"].defaults == {"reasoning": {"effort": "low"}}


def test_a_setting_below_one_that_has_no_parts_is_unknown(place: Path) -> None:
    assert load(place, HOMA_LEASE_S__X="5").warnings == ("HOMA_LEASE_S__X is not a setting and was ignored",)


def test_settings_cannot_be_changed_afterwards(place: Path) -> None:
    with pytest.raises(ValidationError):
        load(place).lease_s = 5  # type: ignore[misc]
