"""Schedules of homa.toml: `homa apply` makes, changes, pauses and resumes them, and deletes none unless asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from homa.cli import main

DIGEST = """
[schedules.digest]
cron = "0 7 * * 1-5"
tz = "Europe/Berlin"
prompt = "What happened from {{since}} to {{until}}?"
model = "quick"
options = { max_tokens = 50, tags = { team = "a" } }
budget_usd = 5
"""
OFTEN = """
[schedules.often]
every_s = "15m"
prompt = "Anything new?"
model = "openai:gpt-6-luna"
"""
QUICK = '[models.quick]\ntarget = "openai:gpt-6-luna"\n'


class Shell:
    """A machine with a homa.toml."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment

    def write(self, *tables: str) -> None:
        (self._folder / "homa.toml").write_text("\n".join([QUICK, *tables]))

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, arguments, env=self._environment)

    def json(self, *arguments: str) -> Any:
        result = self(*arguments, "--json")
        return json.loads(result.stdout)

    def applied(self, *arguments: str) -> list[tuple[str, str]]:
        return [(one["name"], one["action"]) for one in self.json("apply", *arguments)["schedules"]]

    def states(self) -> dict[str, str]:
        return {one["name"]: one["state"] for one in self.json("schedules", "list")["schedules"]}


@pytest.fixture
def shell(store_url: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    environment = {"HOMA_REDIS_URL": store_url, "HOMA_NAMESPACE": namespace, "HOMA_HOME": str(tmp_path)}
    return Shell(tmp_path, environment | {"HOMA_PROVIDERS__OPENAI__API_KEY": "sk-test"})


def test_they_are_made_once_and_say_where_they_come_from(shell: Shell) -> None:
    shell.write(DIGEST, OFTEN)
    assert shell.applied("--diff") == [("digest", "made"), ("often", "made")]
    assert shell.states() == {}
    assert shell.applied() == [("digest", "made"), ("often", "made")]
    assert shell.applied() == shell.applied("--diff") == []
    shown = shell.json("schedules", "show", "digest")
    assert (shown["cron"], shown["budget_usd"], shown["origin"]) == ("0 7 * * 1-5", "5.00", "settings")
    assert "made by   homa.toml" in shell("schedules", "show", "digest").stdout
    assert "schedule often is made" not in shell("apply").stdout


def test_a_change_of_the_table_or_of_an_alias_takes_effect(shell: Shell) -> None:
    shell.write(DIGEST)
    shell.applied()
    before = shell.json("schedules", "show", "digest")
    shell.write(DIGEST.replace("0 7", "0 8"))
    assert shell.applied("--diff") == shell.applied() == [("digest", "changed")]
    after = shell.json("schedules", "show", "digest")
    assert (after["id"], after["cron"]) == (before["id"], "0 8 * * 1-5")
    (Path.cwd() / "homa.toml").write_text(QUICK.replace("luna", "sol") + DIGEST.replace("0 7", "0 8"))
    assert shell.applied() == [("digest", "changed")]
    assert shell.applied() == []


def test_one_is_paused_and_resumed_by_its_table_and_one_that_a_person_paused_stays_so(shell: Shell) -> None:
    shell.write(DIGEST + "paused = true\n", OFTEN)
    assert shell.applied() == [("digest", "made"), ("digest", "paused"), ("often", "made")]
    assert shell.states() == {"digest": "paused", "often": "active"}
    assert shell.applied() == []
    shell("schedules", "pause", "often", "--why", "holidays")
    shell.write(DIGEST, OFTEN)
    assert shell.applied("--diff") == shell.applied() == [("digest", "resumed")]
    assert shell.states() == {"digest": "active", "often": "paused"}


def test_what_vanished_is_told_and_deleted_where_that_is_asked_for(shell: Shell) -> None:
    shell.write(DIGEST, OFTEN)
    shell.applied()
    shell("schedules", "create", "mine", "--every", "1h", "--prompt", "Hello", "--model", "quick")
    shell.write(OFTEN)
    assert shell.applied() == [("digest", "gone")]
    assert "schedule digest is not in homa.toml any more and goes on" in shell("apply").stdout
    assert set(shell.states()) == {"digest", "often", "mine"}
    assert shell.applied("--delete-schedules") == [("digest", "deleted")]
    assert set(shell.states()) == {"often", "mine"}


def test_one_of_a_program_is_not_taken_over(shell: Shell) -> None:
    shell.write()
    shell("schedules", "create", "digest", "--every", "1h", "--prompt", "Hello", "--model", "quick")
    shell.write(DIGEST)
    result = shell("apply")
    assert result.exit_code == 2
    assert "schedules.digest: a schedule of this name was not made by homa.toml" in result.stderr


def test_one_whose_moment_is_past_is_told_and_holds_nothing_up(shell: Shell) -> None:
    shell.write(OFTEN.replace('every_s = "15m"', "at = 2020-01-31T07:00:00").replace("often", "once"), OFTEN)
    assert shell.applied() == [("once", "past"), ("often", "made")]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('cron = "0 7 * * 1-5"', 'cron = "0 7 * *"', "schedules.digest: cron is '0 7 * *': Wrong number of fields"),
        ('cron = "0 7 * * 1-5"', "", "expected one of cron, every_s and at, got none of them"),
        ("{{since}}", "{{topic}}", "schedules.digest: '{{topic}}' is no variable of a schedule"),
        ("max_tokens = 50", "max_token = 50", "schedules.digest: "),
        ('tz = "Europe/Berlin"', 'tz = "Mars"', "schedules.digest.tz"),
        ("budget_usd = 5", "budget = 5", "schedules.digest.budget"),
    ],
)
def test_a_wrong_table_is_named_and_nothing_is_written(shell: Shell, old: str, new: str, said: str) -> None:
    shell.write(OFTEN, DIGEST.replace(old, new))
    result = shell("apply")
    assert result.exit_code == 2
    assert said in result.stderr
    shell.write()
    assert shell.states() == {}


def test_one_whose_jobs_could_never_be_done_is_named(shell: Shell) -> None:
    shell.write(DIGEST.replace('"quick"', '"nobody:m"'))
    result = shell("apply")
    assert result.exit_code == 2
    assert "schedules.digest: " in result.stderr
    assert "nobody" in result.stderr
    shell.write(DIGEST.replace("budget_usd = 5", 'budget_usd = "0.0000001"'))
    assert "schedules.digest: " in shell("apply").stderr
    assert shell.states() == {}


def test_a_table_says_where_runs_are_delivered(shell: Shell) -> None:
    shell.write(DIGEST + 'deliver = "mailto:a@x.org,b@x.org"\n')
    assert shell.applied() == [("digest", "made")]
    assert shell.json("schedules", "show", "digest")["deliver"] == ["mailto:a@x.org", "mailto:b@x.org"]
    assert shell.applied() == []
    shell.write(DIGEST + 'deliver = ["https://example.com/x"]\n')
    assert shell.applied() == [("digest", "changed")]
    shell.write(DIGEST + 'deliver = "here.json"\n')
    refused = shell("apply")
    assert refused.exit_code == 2
    assert "schedules.digest: deliver is 'here.json'" in refused.output


NIGHTLY = """
[schedules.nightly]
cron = "0 3 * * *"
run = ["in/*.txt", "--prompt", "{{text}} of {{tick}}", "--model", "quick"]
"""


def test_a_schedule_of_batches_is_made_and_changed_by_its_table(shell: Shell, tmp_path: Path) -> None:
    shell.write(NIGHTLY)
    assert shell.applied("--diff") == [("nightly", "made")]
    assert shell.applied() == [("nightly", "made")]
    assert shell.applied() == []
    assert shell.json("schedules", "show", "nightly")["run"][-1] == f"{tmp_path}/in/*.txt"
    shell.write(NIGHTLY.replace("in/", "other/"))
    assert shell.applied() == [("nightly", "changed")]
    assert shell.json("schedules", "show", "nightly")["run"][-1] == f"{tmp_path}/other/*.txt"


def test_a_table_with_a_run_and_a_prompt_is_refused(shell: Shell) -> None:
    shell.write(NIGHTLY + 'prompt = "x"\n')
    refused = shell("apply")
    assert refused.exit_code != 0
    assert "among the arguments of run" in str(refused.output) + str(refused.exception)
