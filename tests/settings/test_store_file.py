"""`redis_url_file`: the store's URL from a mounted secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from homa_shared.model.errors import ConfigError
from homa_shared.settings.handed_on import same_environment, whole_environment
from homa_shared.settings.model import load_settings, origins

URL = "redis://:pass-word@store.internal:6379/0"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "url"
    path.write_text(f"{URL}\n")
    return path


def test_the_url_is_the_files_one_line(secret: Path, tmp_path: Path) -> None:
    settings = load_settings(env={"HOMA_REDIS_URL_FILE": str(secret)}, cwd=tmp_path)
    assert settings.redis_url == URL
    shown = {row.name: row for row in origins(settings)}
    assert shown["redis_url"].origin == f"file {secret}"
    assert "pass-word" not in str(shown)


def test_it_may_stand_in_the_settings_file(secret: Path, tmp_path: Path) -> None:
    (tmp_path / "homa.toml").write_text(f'redis_url_file = "{secret}"\n')
    assert load_settings(env={}, cwd=tmp_path).redis_url == URL


def test_a_url_that_is_said_wins(secret: Path, tmp_path: Path) -> None:
    said = {"HOMA_REDIS_URL_FILE": str(secret), "HOMA_REDIS_URL": "redis://other/1"}
    assert load_settings(env=said, cwd=tmp_path).redis_url == "redis://other/1"


def test_processes_that_are_started_have_the_same_store(secret: Path, tmp_path: Path) -> None:
    env = {"HOMA_REDIS_URL_FILE": str(secret)}
    settings = load_settings(env=env, cwd=tmp_path)
    for handed_on in (same_environment(settings, env), whole_environment(settings, env)):
        assert load_settings(env=handed_on, cwd=tmp_path).redis_url == URL


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is empty"),
        (b"redis://a\nredis://b\n", "has 2 lines"),
        (b"\xff\xfe\x00", "it is not UTF-8"),
        (b"postgres://nobody", "expected redis://host:port/db"),
    ],
)
def test_a_file_of_something_else_is_named_with_what_was_expected(
    secret: Path, tmp_path: Path, content: bytes | None, said: str
) -> None:
    secret.unlink()
    if content is not None:
        secret.write_bytes(content)
    with pytest.raises(ConfigError) as raised:
        load_settings(env={"HOMA_REDIS_URL_FILE": str(secret)}, cwd=tmp_path)
    assert said in str(raised.value)
    assert str(secret) in str(raised.value)
