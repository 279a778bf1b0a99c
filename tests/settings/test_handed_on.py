"""A process that is started with other settings than its starter's variables gets them all."""

from __future__ import annotations

from pathlib import Path

from homa_shared.settings.handed_on import same_environment, whole_environment
from homa_shared.settings.model import load_settings
from tests.settings.loading import load, write

TOML = """
    namespace = "mine"
    blobs_above = 2048
    [providers.openai]
    api_key = "sk-one"
    limits = { rpm = 500 }
    options = { headers = { x-team = "a" } }
    [providers.other]
    kind = "openai"
    api_key = "sk-two"
    base_url = "http://127.0.0.1:9/v1"
    [models.cheap]
    target = "openai:gpt-6-luna"
    defaults = { max_tokens = 100, top_p = 0.5 }
    [budgets.all]
    cap_usd = "5.5"
    [prices."other:*"]
    input = "0.1"
    output = 2
    [retention]
    results = "3d"
"""


def test_whole_settings_pass_through_an_environment(tmp_path: Path) -> None:
    write(tmp_path, TOML)
    given = load(tmp_path, HOMA_REDIS_URL="redis://u:secret@h/0", HOMA_SENTRY_DSN="https://a@b/1", HOMA_LEASE_S="5")
    env = whole_environment(given, {"PATH": "/bin", "HOMA_NAMESPACE": "another", "HOMA_LOG_LEVEL": "debug"})
    elsewhere = tmp_path / "elsewhere" / "deep"
    elsewhere.mkdir(parents=True)
    (elsewhere.parent / "homa.toml").write_text("")
    assert load_settings(env=env, cwd=elsewhere).model_dump() == given.model_dump()
    assert env["PATH"] == "/bin"


def test_the_same_sources_are_read_from_anywhere(tmp_path: Path) -> None:
    write(tmp_path, TOML)
    variables = {"XDG_STATE_HOME": str(tmp_path), "HOMA_BLOBS_ABOVE": "4096"}
    given = load(tmp_path, overrides={"namespace": "told"}, **variables)
    found = load_settings(env=same_environment(given, variables), cwd=Path("/"))
    assert found.model_dump() == given.model_dump()
