"""`homa status`: one screen and one exit status, from the same few questions however many jobs there are."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator

from homa.client.management.alarms import alarms
from homa.client.management.budgets import BudgetInfo
from homa.client.management.status import FleetStatus, status
from homa_shared.store.operation import Op
from homa_shared.store.reads import RecentEnds
from tests.commands_b.stand import MODEL, Stand


def look(stand: Stand) -> tuple[FleetStatus, list[Any]]:
    """A look, and the commands that it took."""
    commands: list[Any] = []
    flow: Generator[Op[Any], Any, FleetStatus] = status(stand.store.keys)
    answer = None
    while True:
        try:
            op = flow.send(answer)
        except StopIteration as stop:
            return stop.value, commands
        commands += [command[:2] for command in op.commands]
        answer = stand.store.run(op)


def test_an_idle_fleet_is_well(stand: Stand) -> None:
    said = stand.said("status")
    assert said.status == 0
    assert "nothing wants attention" in said.stdout
    assert "0 queued, 0 running" in said.stdout


def test_jobs_that_nobody_serves_are_an_alarm_until_a_worker_lives(stand: Stand) -> None:
    stand.queued()
    said = stand.said("status")
    assert said.status == 1
    assert "queue openai: 1 queued and no worker; start `homa worker openai`" in said.stdout
    stand.beat()
    assert stand.said("status").status == 0


def test_a_paused_queue_is_told_and_is_no_alarm(stand: Stand) -> None:
    stand.queued()
    stand.said("queues", "pause", "openai")
    said = stand.said("status")
    assert said.status == 0
    assert "queue openai: paused, 1 queued; `homa queues resume openai`" in said.stdout


def test_an_open_breaker_is_an_alarm_that_says_when_it_is_tried(stand: Stand) -> None:
    stand.beat()
    stand.break_model()
    found = stand.said("status", "--json")
    assert found.status == 1
    (alarm,) = [one for one in found.json["alarms"] if one["level"] == "alarm"]
    assert alarm["about"] == f"breaker {MODEL}"
    assert "next call in" in alarm["said"]
    (breaker,) = found.json["open_breakers"]
    assert (breaker["scope"], breaker["state"]) == (MODEL, "open")
    assert 0 < breaker["wait_ms"] <= 60_000


def test_a_breaker_that_the_next_call_tries_is_an_alarm_only_while_a_job_waits_for_it(stand: Stand) -> None:
    stand.beat()
    stand.break_model()
    seen, _ = look(stand)
    (row,) = seen.open_breakers
    limits = tuple(replace(one, wait_s=0.0) if one == row else one for one in seen.limits)
    tried = replace(seen, limits=limits)
    (found,) = [one for one in alarms(tried) if one.about.startswith("breaker")]
    assert found.level == "notice"
    assert "the next call tries it" in found.said
    waited = tuple(replace(one, blocked_by=("breaker",)) for one in seen.queues)
    (found,) = [one for one in alarms(replace(tried, queues=waited)) if one.about.startswith("breaker")]
    assert found.level == "alarm"


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("month@acme~2026-11", "raise budgets.month.cap_usd"),
        ("key:0c84~2026-11", "homa keys create --budget"),
        ("schedule:nightly~2026-11-30", "raise the budget of the schedule nightly"),
    ],
)
def test_a_budget_near_its_end_says_where_it_is_raised(stand: Stand, name: str, remedy: str) -> None:
    row = BudgetInfo(name, Decimal(10), Decimal(9), Decimal(0), Decimal(0), Decimal(1), over=False)
    (found,) = [one for one in alarms(replace(look(stand)[0], budgets=(row,))) if one.about == f"budget {name}"]
    assert remedy in found.what_to_do


def test_failures_of_the_last_hour_are_counted_and_an_alarm_where_one_says_so(stand: Stand) -> None:
    stand.beat()
    stand.failed()
    stand.failed()
    stand.cancelled()
    stand.expired()
    long_ago = stand.failed()
    stand.redis("ZADD", stand.store.keys.ended(), stand.now_ms() - 4_000_000, long_ago)
    jobs = stand.json("status")["jobs"]
    assert [jobs[f"{state}_last_hour"] for state in ("failed", "cancelled", "expired")] == [2, 1, 1]
    assert stand.said("status", "--max-failed", "2").status == 0
    said = stand.said("status", "--max-failed", "1")
    assert said.status == 1
    assert "2 failed in the last hour" in said.stdout


@pytest.mark.parametrize(("spent_usd", "level"), [("3.9", None), ("4.1", "notice"), ("4.6", "alarm")])
def test_a_budget_near_its_end_is_told(stand: Stand, spent_usd: str, level: str | None) -> None:
    stand.beat()
    stand.succeeded()
    (instance,) = [row["budget"] for row in stand.json("budgets")["budgets"] if row["budget"].startswith("month")]
    stand.redis("HSET", stand.store.keys.budget(instance), "spent", int(float(spent_usd) * 1e9))
    found = alarms(look(stand)[0])
    assert [one.level for one in found if one.about.startswith("budget month")] == ([level] if level else [])


def test_a_store_that_is_nearly_full_is_an_alarm(stand: Stand) -> None:
    seen = look(stand)[0]
    assert "store" not in {one.about for one in alarms(seen)}
    full = {**{name: getattr(seen.store, name) for name in seen.store.__slots__}, "maxmemory_bytes": 1000}
    filled = FleetStatus(
        **{
            **{name: getattr(seen, name) for name in seen.__slots__},
            "store": type(seen.store)(**full | {"used_memory_bytes": 799}),
        }
    )
    (alarm,) = [one for one in alarms(filled) if one.about == "store"]
    assert "80% of maxmemory is used: new jobs are refused soon" in alarm.said


def test_the_document_is_what_its_schema_says(stand: Stand) -> None:
    stand.queued()
    stand.failed(unresolved=True)
    stand.beat()
    stand.break_model()
    schema = stand.said("status", "--schema").json
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    document = stand.said("status", "--json").json
    validator.validate(document)
    assert not validator.is_valid({**document, "queues": [{}]})
    assert schema["required"] == list(document)


def test_a_look_asks_the_same_of_a_thousand_jobs_as_of_none(stand: Stand) -> None:
    _, none = look(stand)
    stand.homa.submit_batch((f"line {i}" for i in range(1000)), model=MODEL, max_tokens=100)
    seen, many = look(stand)
    assert sum(one.row.queued for one in seen.queues) == 1000
    assert many == none
    assert len(many) == 7


def test_ends_beyond_those_that_are_looked_at_count_as_those_do() -> None:
    assert RecentEnds.of(400, 50, 50, 5000) == RecentEnds(4000, 500, 500)
    assert RecentEnds.of(3, 1, 0, 4) == RecentEnds(3, 1, 0)
    assert RecentEnds.of(0, 0, 0, 0) == RecentEnds(0, 0, 0)


def test_a_store_that_is_away_is_status_3(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMA_REDIS_URL", "redis://127.0.0.1:9/0")
    said = stand.said("status")
    assert said.status == 3
    assert "127.0.0.1:9" in said.stderr


def test_amounts_are_decimal_strings_of_dollars(stand: Stand) -> None:
    stand.succeeded()
    document = stand.json("status")
    assert b"nano" not in orjson.dumps(document)
    assert {row["cap_usd"] for row in document["budgets"] if row["budget"].startswith("month")} == {"5.00"}
