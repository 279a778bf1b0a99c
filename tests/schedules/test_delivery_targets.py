"""Where deliveries may go, as programs, people and homa.toml say it: checked before anything is stored."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote

import pytest

from homa import Homa, InvalidRequest
from homa_shared.model.errors import ConfigError
from homa_shared.schedules.delivery import checked_targets, recipient_of
from homa_shared.settings.model import load_settings
from tests.schedules.test_client import MODEL
from tests.schedules.test_client import homa as homa
from tests.schedules.test_command import CREATE, Shell
from tests.schedules.test_command import schedules as schedules

WRONG = {
    "ftp://example.com/x": "expected https://",
    "https://": "expected a URL",
    "https://example.com:0x/": "expected a URL",
    "https://user:hush@example.com/": "a user in the URL of example.com",
    "mailto:nobody": "expected mailto:name@host",
    "mailto:a%0d%0aBcc:b@x.org": "expected mailto:name@host",
    "mailto:a%00b@x.org": "expected mailto:name@host",
    "mailto:people:b@x.org": "expected mailto:name@host",
    "out/": "expected an absolute path",
    "/var/out/latest.json": "each tick would replace",
    "/var/../etc/": "without '..'",
    "file:out/": "expected an absolute path",
    "file://elsewhere/out/": "expected an absolute path",
    "s3:///x/": "expected a bucket",
    "s3://bucket/x.json?{{tick}}": "without ? and #",
    "s3://bucket/x.json#{{tick}}": "without ? and #",
    "/var/{{never}}.json": "{{never}}",
}


@pytest.mark.parametrize("target", WRONG)
def test_a_wrong_target_is_refused_with_what_was_expected(target: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        checked_targets(target, "UTC")
    assert WRONG[target] in str(refused.value)
    assert "hush" not in str(refused.value)


@pytest.mark.parametrize("given", [5, [5], {"a": 1}, b"x", "", " https://example.com"])
def test_what_is_no_target_is_refused(given: object) -> None:
    with pytest.raises(InvalidRequest, match="deliver"):
        checked_targets(given, "UTC")


def test_a_mail_to_several_is_one_to_each_and_each_target_stands_once() -> None:
    given = ["mailto:a@x.org,b@x.org", "mailto:b@x.org", "/var/out/", "s3://b/{{tick:%Y}}.json"]
    assert checked_targets(given, "UTC") == ("mailto:a@x.org", "mailto:b@x.org", "/var/out/", "s3://b/{{tick:%Y}}.json")
    assert checked_targets(None, "UTC") == ()


@pytest.mark.parametrize("written", ["100%25", "a%2540b", "a%250d%250ab", "a%252Cb"])
def test_an_address_is_decoded_once(written: str) -> None:
    (target,) = checked_targets(f"mailto:{written}@x.org", "UTC")
    assert recipient_of(target) == f"{unquote(written)}@x.org"


def test_a_program_says_where_its_runs_go(homa: Homa) -> None:
    url = "https://hooks.example.com/services/T0/secret"
    schedule = homa.schedule("digest", "x", cron="0 7 * * *", model=MODEL, max_tokens=5, deliver=url)
    assert schedule.view().deliver == (url,)
    assert schedule.deliveries() == []
    assert schedule.redeliver() == 0
    with pytest.raises(InvalidRequest, match="another definition"):
        homa.schedule("digest", "x", cron="0 7 * * *", model=MODEL, max_tokens=5, deliver=[url, "mailto:a@x.org"])
    homa.schedule("digest", "x", cron="0 7 * * *", model=MODEL, max_tokens=5, replace=True)
    assert schedule.view().deliver == ()


def test_a_person_says_where_runs_go_and_sees_no_secret(schedules: Shell) -> None:
    targets = ["--deliver", "https://hooks.example.com/services/secret", "--deliver", "mailto:a@x.org"]
    made = schedules(*CREATE, "--model", "openai:gpt-6-luna", *targets)
    assert made.exit_code == 0, made.output
    shown = schedules.json("show", "digest")
    assert shown["deliver"] == ["https://hooks.example.com/...", "mailto:a@x.org"]
    assert shown["deliveries"] == []
    assert "secret" not in schedules("show", "digest").output
    assert schedules.json("redeliver", "digest") == {"schedule": "digest", "again": 0, "gone": 0}
    assert schedules(*CREATE, "--model", "openai:gpt-6-luna", "--deliver", "x.json").exit_code == 2


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HOMA_DELIVER_SECRET", "short", "whsec_"),
        ("HOMA_DELIVER_FILES", "ftp://x/", "expected a directory"),
        ("HOMA_MAIL__HOST", "smtp.example.com", "from"),
        ("HOMA_MAIL__USER", "me", "password"),
    ],
)
def test_wrong_settings_of_deliveries_are_named(tmp_path: Path, name: str, value: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        load_settings(env={name: value, "HOMA_HOME": str(tmp_path)}, cwd=tmp_path)


def test_the_password_of_mail_comes_from_the_environment_or_a_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("hush\n")
    env = {"HOMA_MAIL__HOST": "h", "HOMA_MAIL__FROM": "a@x.org", "HOMA_MAIL__USER": "me", "HOMA_HOME": str(tmp_path)}
    by_file = load_settings(env=env | {"HOMA_MAIL__PASSWORD_FILE": str(tmp_path / "secret")}, cwd=tmp_path)
    by_name = load_settings(env=env | {"HOMA_MAIL__PASSWORD": "hush"}, cwd=tmp_path)
    assert (by_file.mail.secret(), by_name.mail.secret()) == ("hush", "hush")
    assert "hush" not in repr(by_name)
