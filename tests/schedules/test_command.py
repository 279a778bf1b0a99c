"""`homa schedules`, as a person uses it."""

from __future__ import annotations

import json
import re
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


def test_create_says_that_nobody_lives_who_fires_ticks(schedules: Shell) -> None:
    assert "warning: no worker is alive" in schedules(*CREATE, "--model", "openai:gpt-6-luna").stderr


def test_an_unknown_variable_is_refused(schedules: Shell) -> None:
    wrong = [*CREATE[:-1], "News of {{topic}}"]
    result = schedules(*wrong, "--model", "openai:gpt-6-luna")
    assert result.exit_code == 2
    assert "'{{topic}}' is no variable of a schedule" in result.stderr


def test_list_and_show_say_all_in_80_columns(schedules: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homa.cli.output._PIPE_COLUMNS", 80)
    schedules(*CREATE, "--model", "openai:gpt-6-luna", "--jitter", "1h")
    job = schedules.json("run", "digest")["job"]
    listed, shown = schedules("list").stdout, schedules("show", "digest").stdout
    assert "…" not in listed + shown
    assert job in shown
    assert re.search(r"\d{4}-\d\d-\d\d \d\d:\d\d +queued|running +hand", shown)
    starts = schedules.json("show", "digest")["starts"]
    assert f"starts    {starts}" in shown
    assert starts[:16].replace("T", " ") in listed, "NEXT is when the work starts"


def test_a_backfill_says_how_much_it_may_do(schedules: Shell) -> None:
    schedules(*CREATE, "--model", "openai:gpt-6-luna", "--max-tokens", "50")
    days = ["--since", "2026-01-01", "--until", "2026-01-08"]
    told = schedules("backfill", "digest", *days).stderr
    assert "7 ticks, $" in told
    assert " at most; ticks that had their run are passed over" in told
    document = schedules.json("backfill", "digest", *days)
    assert (document["ticks"], document["more_ticks"], document["usual_usd"]) == (7, False, None)
    assert float(document["most_usd"]) > 0
    result = schedules("backfill", "digest", "--since", "0001-01-01", "--until", "2026-01-08")
    assert (result.exit_code, "expected a time from 1971 on" in result.stderr) == (2, True)


RUN = ["run", "in/*.txt", "--prompt", "Classify: {{text}} of {{tick:%Y-%m-%d}}", "--model", "openai:gpt-6-luna"]


def test_a_schedule_of_batches_keeps_the_arguments_of_its_run(schedules: Shell, tmp_path: Path) -> None:
    made = schedules("create", "nightly", "--cron", "0 7 * * *", "--", *RUN, "--schema", "s.json", "--max-failures=5%")
    assert made.exit_code == 0, made.output
    again = schedules("create", "nightly", "--cron", "0 7 * * *", "--", *RUN, "--schema", "s.json", "--max-failures=5%")
    assert again.exit_code == 0, again.output
    shown = schedules.json("show", "nightly")
    assert shown["run"] == [
        *RUN[2:],
        "--schema",
        f"{tmp_path}/s.json",
        "--max-failures",
        "5%",
        "--",
        f"{tmp_path}/in/*.txt",
    ]
    assert "homa run --prompt 'Classify: " in schedules("show", "nightly").stdout
    batch = schedules.json("run", "nightly")["batch"]
    (run,) = schedules.json("show", "nightly")["runs"]
    assert (run["batch"], run["job"], run["state"]) == (batch, None, "running")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run"], "INPUT is missing"),
        (["run", "-", "--model", "openai:gpt-6-luna"], "- is the standard input of nobody"),
        (["run", "in", "--modle", "x"], "No such option '--modle'"),
        (["run", "in", "--output", "x.jsonl"], "run: --output has no place in a schedule: results stay in the store"),
        (["run", "in", "--flow", "f.toml"], "run: --flow has no place in a schedule: each tick makes a batch"),
        (["run", "in", "--model", "nosuch:model"], "nosuch"),
        (["run", "in", "--max-failures", "many"], "--max-failures is 'many'"),
        (["ask", "x"], "expected `-- run`"),
    ],
)
def test_arguments_of_a_batch_that_are_wrong_are_told_and_nothing_is_made(
    schedules: Shell, arguments: list[str], said: str
) -> None:
    refused = schedules("create", "nightly", "--cron", "0 7 * * *", "--", *arguments)
    assert refused.exit_code != 0
    assert said in str(refused.output) + str(refused.exception)
    assert schedules.json("list") == {"schedules": []}


def test_options_of_a_request_beside_those_of_a_run_are_refused(schedules: Shell) -> None:
    refused = schedules("create", "nightly", "--cron", "0 7 * * *", "--prompt", "x", "--", *RUN)
    assert "--prompt before `-- run`: expected it behind it" in str(refused.output) + str(refused.exception)
