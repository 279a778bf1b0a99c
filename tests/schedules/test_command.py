"""`homa schedules`, as a person uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from homa.cli import main

CREATE = ["create", "digest", "--cron", "0 7 * * *", "--tz", "Europe/Berlin", "--prompt", "News until {{until}}?"]


class Shell:
    """Runs commands at one store."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment

    def __call__(self, *arguments: str) -> Result:
        return CliRunner().invoke(main, ["schedules", *arguments], env=self._environment)

    def json(self, *arguments: str) -> Any:
        return json.loads(self(*arguments, "--json").stdout)


@pytest.fixture
def schedules(store_url: str, namespace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    environment = {"HOMA_REDIS_URL": store_url, "HOMA_NAMESPACE": namespace, "HOMA_HOME": str(tmp_path)}
    return Shell(environment | {"HOMA_PROVIDERS__OPENAI__API_KEY": "sk-test"})


def test_a_schedule_from_the_first_command_to_the_last(schedules: Shell) -> None:
    made = schedules(*CREATE, "--model", "openai:gpt-6-luna", "--budget", "2/day", "--jitter", "5m")
    assert made.exit_code == 0, made.output
    assert "schedule digest: next tick " in made.stderr
    (row,) = schedules.json("list")["schedules"]
    assert (row["name"], row["budget_usd"], row["budget_period"], row["jitter_ms"]) == (
        "digest",
        "2.00",
        "day",
        300_000,
    )
    shown = schedules.json("show", "digest", "--next", "3")
    assert len(shown["next_ticks"]) == 3
    assert shown["runs"] == []
    assert schedules("pause", "digest", "--why", "holidays").exit_code == 0
    assert "paused: holidays" in schedules("show", "digest").stdout
    assert "next tick" in schedules("resume", "digest").stderr
    job = schedules.json("run", "digest")["job"]
    assert [run["job"] for run in schedules.json("show", "digest")["runs"]] == [job]
    batch = schedules.json("backfill", "digest", "--since", "2026-01-01", "--until", "2026-01-08", "--budget", "1")
    assert batch["batch"].startswith("b")
    assert schedules("delete", "digest").exit_code == 0
    assert schedules.json("list") == {"schedules": []}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--cron", "0 0 30 2 *"], "never fires"),
        (["--at", "2020-01-01T00:00"], "expected a time to come"),
        (["--at", "soon"], "--at is 'soon'"),
        (["--cron", "0 7 * * *", "--tz", "Mars"], "tz is 'Mars'"),
        (["--every", "0"], "is zero"),
        ([], "none of them given"),
        (["--cron", "0 7 * * *", "--budget", "5/year"], "budget_period is 'year'"),
    ],
)
def test_what_is_wrong_is_named_with_status_2(schedules: Shell, arguments: list[str], said: str) -> None:
    result = schedules("create", "x", "--prompt", "Hello", "--model", "openai:gpt-6-luna", *arguments)
    assert result.exit_code == 2
    assert said in result.stderr
    assert schedules.json("list") == {"schedules": []}
