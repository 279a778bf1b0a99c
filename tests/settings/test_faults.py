"""A wrong setting is refused by its name, its value and its origin, with what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from homa_shared.model.errors import ConfigError
from tests.settings.loading import complaint, load, write


@pytest.mark.parametrize(
    ("toml", "env", "line"),
    [
        ("lease_s = 1", {}, "lease_s = 1 (homa.toml:1): expected at least 3"),
        ("lease_s = 90000", {}, "lease_s = 90000 (homa.toml:1): expected at most 86400"),
        (
            "[providers.openai]\nconcurrency = 1000000000001",
            {},
            "providers.openai.concurrency = 1000000000001 (homa.toml:2): expected at most 1000000000000",
        ),
        (
            "[providers.openai.limits]\nrpm = 99999999999999999999",
            {},
            "providers.openai.limits.rpm = 99999999999999999999 (homa.toml:2): expected at most 1000000000000",
        ),
        (
            '[retention]\nresults = "99999999999999999999d"',
            {},
            "retention.results = '99999999999999999999d' (homa.toml:2): expected at most 3153600000",
        ),
        (
            "[providers.openai.models.x]\nburndown = inf",
            {},
            "providers.openai.models.x.burndown = Infinity (homa.toml:2): expected at most 1000.0",
        ),
        (
            '[models.a]\ntarget = "openai:x"\ndefaults = {top_p = nan}',
            {},
            "models.a.defaults (homa.toml:3): expected finite numbers, not NaN",
        ),
        ("", {"HOMA_LEASE_S": "abc"}, "lease_s = 'abc' (HOMA_LEASE_S): expected a whole number"),
        ("\nlese_s = 1", {}, "lese_s (homa.toml:2) is not a setting; did you mean lease_s?"),
        (
            "[retention]\nfoo_bar = 1",
            {},
            (
                "retention.foo_bar (homa.toml:2) is not a setting: expected one of results, requests, ledger, keys, "
                "uploads, conversations"
            ),
        ),
        (
            "[providers.openai]\nlimits = { rpmm = 3 }",
            {},
            "providers.openai.limits.rpmm (homa.toml:2) is not a setting; did you mean rpm?",
        ),
        (
            "[providers.openai.limits]\nrpm = 0",
            {},
            "providers.openai.limits.rpm = 0 (homa.toml:2): expected more than 0",
        ),
        (
            "[providers.openai.limits]\nrpm = 1.5",
            {},
            "providers.openai.limits.rpm = 1.5 (homa.toml:2): expected a whole number",
        ),
        (
            "",
            {"HOMA_PROVIDERS__WORK__API_KEY": "sk-secret"},
            (
                "providers.work.kind is missing (HOMA_PROVIDERS__WORK__API_KEY): "
                "expected one of anthropic, azure, bedrock, cohere, gemini, mistral, ollama, openai"
            ),
        ),
        (
            '[providers.work]\nkind = "opnai"',
            {},
            (
                "providers.work.kind = 'opnai' (homa.toml:2): "
                "expected 'anthropic', 'azure', 'bedrock', 'cohere', 'gemini', 'mistral', 'ollama' or 'openai'; "
                "a kind of another package needs that package here"
            ),
        ),
        ("[providers.openai]\napi_key = 5", {}, "providers.openai.api_key = '********' (homa.toml:2): expected text"),
        (
            '[providers.openai]\napi_key = "a"\napi_key_file = "b"',
            {},
            "providers.openai (homa.toml:1): expected api_key or api_key_file, not both",
        ),
        (
            '[providers.openai]\nbase_url = "example"',
            {},
            "providers.openai.base_url = 'example' (homa.toml:2): expected a URL such as https://api.example.com/v1",
        ),
        *(
            (
                f'[providers.openai]\nbase_url = "{blank}"',
                {},
                (
                    f"providers.openai.base_url = {blank!r} (homa.toml:2): expected a URL such as "
                    "https://api.example.com/v1; leave it out where the kind's own address is meant"
                ),
            )
            for blank in ("", "  ")
        ),
        (
            '[providers.openai]\nbase_url = " https://api.example.com/v1"',
            {},
            (
                "providers.openai.base_url = ' https://api.example.com/v1' (homa.toml:2): "
                "expected a URL without blanks, such as https://api.example.com/v1"
            ),
        ),
        (
            '[providers.gemini]\nrpd_zone = "Mars"',
            {},
            (
                "providers.gemini.rpd_zone = 'Mars' (homa.toml:2): "
                "expected an IANA time zone such as UTC or America/Los_Angeles"
            ),
        ),
        (
            "",
            {"HOMA_REDIS_URL": "http://u:secret@host"},
            (
                "redis_url = 'http://u:********@host' (HOMA_REDIS_URL): "
                "expected redis://host:port/db, rediss://…, unix:///path, redis+sentinel://host1,host2/service/db or "
                "rediss+sentinel://…"
            ),
        ),
        (
            "",
            {"HOMA_NAMESPACE": "a{b}"},
            "namespace = 'a{b}' (HOMA_NAMESPACE): expected a name without spaces, colons, slashes and braces",
        ),
        (
            '[models."a:b"]\ntarget = "openai:x"',
            {},
            "models.\"a:b\" = 'a:b' (homa.toml:1): expected a name without spaces, colons, slashes and braces",
        ),
        (
            "[models.x]\ncache = true",
            {},
            'models.x (homa.toml:1): expected either target = "provider:model" or pool = ["provider:model", …]',
        ),
        (
            '[models.x]\npool = 5\n[models.y]\ntarget = "x"',
            {},
            "models.x.pool = 5 (homa.toml:2): expected a list",
        ),
        (
            "[budgets.b]\ncap_usd = -5",
            {},
            (
                "budgets.b.cap_usd = -5 (homa.toml:2): "
                "-5 is negative: expected a decimal number of dollars such as 5 or '0.25', zero or more"
            ),
        ),
        (
            '[budgets.b]\ncap_usd = 5\nscope = "tag"',
            {},
            'budgets.b (homa.toml:1): expected tag = "name" or tag = "name=value" beside scope = "tag"',
        ),
        (
            '[budgets.b]\ncap_usd = 5\ntag = "team"',
            {},
            'budgets.b (homa.toml:1): expected scope = "tag" beside tag = "team"',
        ),
        (
            '[budgets.b]\ncap_usd = 5\ntenant = "acme"',
            {},
            'budgets.b (homa.toml:1): expected scope = "tenant" beside tenant = "acme"',
        ),
        (
            '[retention]\nresults = "soon"',
            {},
            (
                "retention.results = 'soon' (homa.toml:2): "
                'expected a duration such as "7d", "12h", "30m" or "90s", or a whole number of seconds'
            ),
        ),
        (
            "[retention]\nresults = 0",
            {},
            "retention.results = 0 (homa.toml:2): expected more than 0",
        ),
        (
            '[retention]\nkeys = "1d"',
            {},
            "retention (homa.toml:1): keys are kept 86400 s, results 604800 s: expected keys no shorter",
        ),
        (
            '[models.a]\ntarget = "b"\n[models.b]\ntarget = "a"',
            {},
            "models.a (homa.toml:1): model 'a' leads to itself: a → b → a; expected a target",
        ),
    ],
)
def test_a_fault_names_setting_value_origin_and_what_was_expected(
    place: Path, toml: str, env: dict[str, str], line: str
) -> None:
    write(place, toml)
    assert complaint(place, **env) == [line]


def test_all_faults_are_told_at_once(place: Path) -> None:
    write(place, "lease_s = 1\n[providers.openai.limits]\nrpm = 0\n")
    assert len(complaint(place, HOMA_LOG_FORMAT="xml")) == 3


def test_a_fault_points_at_the_line_where_its_value_begins(place: Path) -> None:
    write(
        place,
        '''
        # [providers.openai]
        [models.fast]
        target = """
        [retention]
        results = "soon"
        """
        fallbacks = [
          "a:b",  # one
          5,
        ]
        ''',
    )
    assert complaint(place) == ["models.fast.fallbacks.1 = 5 (homa.toml:8): expected text"]


def test_a_file_that_is_no_toml_is_refused_with_its_line(place: Path) -> None:
    file = write(place, "a = 1\nb = = 2\n")
    assert complaint(place)[0].startswith(f"{file}:2: not TOML: ")
    write(place, 'a = """unfinished')
    assert "not TOML" in complaint(place)[0]


def test_a_file_that_cannot_be_read_is_refused(place: Path) -> None:
    (place / "homa.toml").write_bytes(b"a = '\xff'\n")
    assert "cannot be read" in complaint(place)[0]


def test_an_unknown_variable_warns_with_the_nearest_name(place: Path) -> None:
    settings = load(
        place,
        HOMA_NAMESPCE="x",
        HOMA_PROVIDERS__OPENAI__API_KYE="sk-secret",
        HOMA_PROVIDERS__OPENAI__LIMITS__ROM="5",
        HOMA_MODELS__FAST__PRICE__INPT="1",
        HOMA_ZZZZZZ="x",
        HOMAGE="not ours",
    )
    assert settings.warnings == (
        "HOMA_NAMESPCE is not a setting and was ignored; did you mean HOMA_NAMESPACE?",
        (
            "HOMA_PROVIDERS__OPENAI__API_KYE is not a setting and was ignored; "
            "did you mean HOMA_PROVIDERS__OPENAI__API_KEY?"
        ),
        (
            "HOMA_PROVIDERS__OPENAI__LIMITS__ROM is not a setting and was ignored; "
            "did you mean HOMA_PROVIDERS__OPENAI__LIMITS__RPM?"
        ),
        (
            "HOMA_MODELS__FAST__PRICE__INPT is not a setting and was ignored; "
            "did you mean HOMA_MODELS__FAST__PRICE__INPUT?"
        ),
        "HOMA_ZZZZZZ is not a setting and was ignored",
    )
    assert settings.providers == {}


@pytest.mark.parametrize(("content", "fault"), [(None, "cannot be read"), (" \n", "is empty")])
def test_a_key_file_without_a_key_is_refused_when_the_key_is_needed(
    place: Path, content: str | None, fault: str
) -> None:
    file = place / "key"
    if content is not None:
        file.write_text(content, encoding="utf-8")
    provider = load(place, HOMA_PROVIDERS__OPENAI__API_KEY_FILE=str(file)).providers["openai"]
    with pytest.raises(ConfigError, match=fault):
        provider.key()
