"""Costs, queues, limits, workers, budgets, events and cache: the contract's shapes, and tables for people."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from homa_shared.calls.failures import Charge
from homa_shared.store.reads.token_error import Learned, add_learned
from homa_shared.store.transitions.attempts import Report, settle
from homa_shared.store.transitions.fleet import write_plans
from tests.commands_b.stand import INPUT, MODEL, NANO, OUTPUT, Stand
from tests.patience import PATIENCE_S


def row(key: str, requests: int, nano: int = NANO) -> dict[str, object]:
    return {
        "key": key,
        "requests": requests,
        "input_tokens": INPUT * requests,
        "output_tokens": OUTPUT * requests,
        "cached_tokens": 0,
        "cost_usd": f"{nano * requests / 1e9:.7f}".rstrip("0"),
    }


@pytest.mark.parametrize(
    ("by", "key"),
    [("provider", "openai"), ("model", MODEL), ("tenant", "acme"), ("tag", "team=a"), ("day", None), ("batch", None)],
)
def test_costs_have_the_shape_of_the_contract_by_every_key(stand: Stand, by: str, key: str | None) -> None:
    if by == "batch":
        key = stand.batch(good=2, bad=0)
    else:
        stand.succeeded(tenant="acme", tags={"team": "a"})
        stand.succeeded(tenant="acme", tags={"team": "a"})
    found = stand.json("costs", "--by", by)
    assert found.keys() >= {"total_usd", "unresolved_usd", "unpriced_jobs", "rows"}
    assert (found["total_usd"], found["unresolved_usd"], found["unpriced_jobs"]) == ("0.000003", "0.00", 0)
    key = key or datetime.now(UTC).date().isoformat()
    assert [{name: r[name] for name in row("", 0)} for r in found["rows"]] == [row(key, 2)]


def test_costs_of_days_without_calls_are_nothing(stand: Stand) -> None:
    stand.succeeded()
    today = datetime.now(UTC).date()
    tomorrow, yesterday = today + timedelta(days=1), today - timedelta(days=1)
    assert stand.json("costs", "--since", str(tomorrow)) == {
        "total_usd": "0.00",
        "unresolved_usd": "0.00",
        "unpriced_jobs": 0,
        "cache_saved_usd": "0.00",
        "rows": [],
    }
    assert stand.json("costs", "--since", str(yesterday), "--until", str(tomorrow))["total_usd"] == "0.0000015"


def test_costs_tell_what_is_unresolved(stand: Stand) -> None:
    stand.failed(unresolved=True)
    said = stand.said("costs")
    assert "openai" in said.stdout
    assert "`homa jobs resolve` lists it" in said.stderr
    assert float(stand.json("costs")["unresolved_usd"]) > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--since", "yesterday"), "'yesterday' is not a day"),
        (("--since", "2026-02-30"), "is not a day"),
        (("--until", "2026W05"), "is not a day"),
        (("--since", "2026-02-02", "--until", "2026-02-01"), "expected an earlier day"),
        (("--by", "weather"), "'weather' is not one of"),
        (("--batch", "b0nowhere"), "batch b0nowhere is not in the store"),
        (("--batch", "b1", "--since", "2026-02-02"), "a batch is one row"),
    ],
)
def test_bad_arguments_of_costs_end_with_status_2(stand: Stand, arguments: tuple[str, ...], message: str) -> None:
    said = stand.said("costs", *arguments)
    assert (said.status, said.stdout) == (2, "")
    assert message in said.stderr


def test_costs_of_one_batch(stand: Stand) -> None:
    batch = stand.batch(good=3, bad=0)
    stand.succeeded()
    found = stand.json("costs", "--batch", batch)
    assert [r["key"] for r in found["rows"]] == [batch]
    assert found["total_usd"] == "0.0000045"


def test_queues_have_the_shape_of_the_contract(stand: Stand) -> None:
    assert stand.json("queues") == {"queues": []}
    stand.running()
    stand.queued()
    stand.due()
    stand.queued(lane="high")
    rows = stand.json("queues")["queues"]
    wanted = {"queue", "lane", "queued", "running", "due", "paused"}
    assert [{name: r[name] for name in wanted} for r in rows] == [
        {"queue": "openai", "lane": "high", "queued": 1, "running": 0, "due": 0, "paused": False},
        {"queue": "openai", "lane": "default", "queued": 1, "running": 1, "due": 1, "paused": False},
    ]
    assert "QUEUE" in stand.said("queues").stdout


def test_a_queue_is_paused_and_resumed(stand: Stand) -> None:
    job = stand.queued()
    assert stand.json("queues", "pause", "openai") == {"queue": "openai", "paused": True, "changed": True}
    assert stand.said("queues", "pause", "openai").stdout == "openai was paused before\n"
    assert stand.take() == []
    assert stand.json("queues")["queues"][0]["paused"] is True
    assert stand.said("queues", "resume", "openai").stdout == "openai is resumed\n"
    assert stand.said("queues", "resume", "openai").stdout == "openai was not paused before\n"
    assert [claim.id for claim in stand.take()] == [job]


def test_a_slip_in_a_queues_name_pauses_nothing(stand: Stand) -> None:
    said = stand.said("queues", "pause", "opena")
    assert said.status == 2
    assert "there is no queue 'opena': expected one of anthropic, openai" in said.stderr


def test_limits_have_a_row_for_each_scope_and_dimension(stand: Stand) -> None:
    assert stand.json("limits") == {"limits": [], "estimates": []}
    stand.running()
    rows = {(r["scope"], r["dimension"]): r for r in stand.json("limits")["limits"]}
    quota = rows["openai/gpt-6-luna", "rpm"]
    assert (quota["limit"], quota["frozen_ms"]) == (60000, 0)
    assert quota["used"] + quota["available"] > 0
    assert rows["openai", "concurrency"]["used"] == 1
    assert rows["openai", "concurrency"]["limit"] is None
    assert "openai/gpt-6-luna" in stand.said("limits").stdout


def test_how_far_estimates_are_off_stands_beside_the_quota_that_is_reserved_by_them(stand: Stand) -> None:
    stand.running()
    before = {(r["scope"], r["dimension"]): r for r in stand.json("limits")["limits"]}
    assert before["openai/gpt-6-luna", "rpm"]["estimate_error"] is None
    stand.store.run(add_learned(stand.store.keys, MODEL, Learned(900, 1000, 8, 123)))
    told = stand.json("limits")
    rows = {(r["scope"], r["dimension"]): r for r in told["limits"]}
    assert rows["openai/gpt-6-luna", "rpm"]["estimate_error"] == 0.123
    assert rows["openai", "concurrency"]["estimate_error"] is None
    assert told["estimates"] == [
        {
            "target": MODEL,
            "scope": "openai/gpt-6-luna",
            "error": 0.123,
            "factor": 1.111,
            "replies": 8,
            "estimated_tokens": 900,
            "actual_tokens": 1000,
        }
    ]
    said = stand.said("limits").stdout
    assert "ESTIMATE" in said
    assert "±12.3%" in said


def test_a_model_that_nothing_limits_has_a_line_for_its_estimates(stand: Stand) -> None:
    stand.running()
    keys = stand.store.keys
    plan = {"name": "local:m", "account": "local", "quota": "local/m", "real": "local:m"}
    stand.store.run(write_plans(keys, [plan | {"account_limits": {}, "quota_limits": {}}]))
    stand.store.run(add_learned(keys, "local:m", Learned(900, 1000, 8, 50)))
    (line,) = (line for line in stand.said("limits").stdout.splitlines() if line.startswith("local/m "))
    assert line.split() == ["local/m", "±5.0%"]


def test_models_that_share_a_quota_share_a_mean_error(stand: Stand) -> None:
    stand.running()
    keys = stand.store.keys
    rows = [{"name": "openai:b", "account": "openai", "quota": "openai/gpt-6-luna", "real": "openai:b"}]
    stand.store.run(write_plans(keys, [row | {"account_limits": {}, "quota_limits": {"rpm": 60000}} for row in rows]))
    stand.store.run(add_learned(keys, MODEL, Learned(900, 1000, 8, 100)))
    stand.store.run(add_learned(keys, "openai:b", Learned(900, 3000, 8, 900)))
    # What is known from before misses were noted says nothing of them.
    stand.redis("HSET", keys.learned("openai:c"), "estimated", 5, "actual", 5, "replies", 1)
    stand.redis("SADD", keys.targets(), "openai:c")
    told = stand.json("limits")
    assert {row["estimate_error"] for row in told["limits"] if row["scope"] == "openai/gpt-6-luna"} == {0.25}
    assert [(row["target"], row["error"]) for row in told["estimates"]] == [
        ("openai:b", 0.3),
        ("openai:c", None),
        (MODEL, 0.1),
    ]


def test_a_frozen_limit_and_an_open_breaker_are_told(stand: Stand) -> None:
    keys = stand.store.keys
    stand.break_model()
    stand.redis("HSET", keys.scope("openai/gpt-6-luna"), "frozen", stand.now_ms() + 60_000)
    said = stand.said("limits").stdout
    assert "frozen for" in said
    assert "open, next call in" in said
    rows = {(r["scope"], r["dimension"]): r for r in stand.json("limits")["limits"]}
    assert rows["openai/gpt-6-luna", "rpm"]["frozen_ms"] > 0
    assert rows[MODEL, "breaker"]["state"] == "open"


def test_a_freeze_is_lifted_by_hand(stand: Stand) -> None:
    stand.queued()
    scope = "openai/gpt-6-luna"
    stand.redis("HSET", stand.store.keys.scope(scope), "frozen", stand.now_ms() + 60_000)
    assert stand.json("limits", "unfreeze", "openai") == {"scope": "openai", "unfrozen": [scope]}
    assert all(row["frozen_ms"] == 0 for row in stand.json("limits")["limits"])
    stand.redis("HSET", stand.store.keys.scope(scope), "frozen", stand.now_ms() + 60_000)
    said = stand.said("limits", "unfreeze", scope)
    assert (said.status, said.stdout) == (0, f"{scope} is no longer frozen\n")


def test_a_scope_that_is_not_frozen_is_told_so(stand: Stand) -> None:
    stand.queued()
    said = stand.said("limits", "unfreeze", "openai")
    assert (said.status, said.stdout) == (0, "openai is not frozen\n")
    assert stand.json("limits", "unfreeze", "openai") == {"scope": "openai", "unfrozen": []}


def test_a_slip_in_a_scope_s_name_is_met_with_the_nearest_one(stand: Stand) -> None:
    assert "'openai': there is none yet" in stand.said("limits", "unfreeze", "openai").stderr
    stand.queued()
    said = stand.said("limits", "unfreeze", MODEL)
    assert (said.status, said.stdout) == (2, "")
    assert "there is no scope 'openai:gpt-6-luna'; did you mean 'openai/gpt-6-luna'?" in said.stderr


def test_workers_that_live_are_listed(stand: Stand) -> None:
    assert "no worker is alive" in stand.said("workers").stderr
    stand.beat()
    found = stand.json("workers")["workers"]
    assert [(w["worker"], w["live"], w["provider"], w["running"]) for w in found] == [
        ("openai-fake", True, "openai", 1)
    ]
    assert "openai-fake" in stand.said("workers").stdout
    stand.beat(draining=True)
    assert "draining" in stand.said("workers").stdout
    stand.redis("ZADD", stand.store.keys.workers(), stand.now_ms() - 60_000, "openai-fake")
    assert stand.json("workers") == {"workers": []}
    assert "gone" in stand.said("workers", "--all").stdout


def test_budgets_tell_what_is_left_of_each_cap(stand: Stand) -> None:
    assert "no budget is set" in stand.said("budgets").stderr
    stand.said("apply")
    stand.succeeded()
    rows = {r["budget"].partition("~")[0]: r for r in stand.json("budgets")["budgets"]}
    assert rows["month"]["cap_usd"] == "5.00"
    assert rows["month"]["spent_usd"] == "0.0000015"
    assert rows["month"]["free_usd"] == "4.9999985"
    assert rows["month"]["over"] is False
    assert rows["unused"]["spent_usd"] == "0.00"
    assert "$4.9999985" in stand.said("budgets").stdout


def test_budgets_of_past_periods_are_listed_on_request(stand: Stand) -> None:
    stand.said("apply")
    stand.redis("SADD", stand.store.keys.budgets(), "month~2020-01")
    stand.redis("HSET", stand.store.keys.budget("month~2020-01"), "spent", 5, "cap", 10)
    assert [r["budget"] for r in stand.json("budgets")["budgets"]] == ["month", "unused"]
    past = [r for r in stand.json("budgets", "--all")["budgets"] if r["over"]]
    assert [(r["budget"], r["spent_usd"]) for r in past] == [("month~2020-01", "0.000000005")]
    assert "over" in stand.said("budgets", "--all").stdout


def test_events_are_told_oldest_first_and_filtered(stand: Stand) -> None:
    assert "no event is kept that fits" in stand.said("events").stderr
    job = stand.succeeded()
    other = stand.failed()
    batch = stand.batch(good=1, bad=0)
    told = stand.json("events", "--event", "job")["events"]
    assert [(e["event"], e["job"]) for e in told[:2]] == [("job.succeeded", job), ("job.failed", other)]
    assert [e["event"] for e in stand.json("events", "--job", job)["events"]] == ["job.succeeded"]
    assert stand.json("events", "--event", "batch")["events"][-1]["batch"] == batch
    assert stand.json("events", "--batch", batch, "--limit", "1")["events"][0]["event"] == "batch.completed"
    assert stand.json("events", "--event", "job.fail")["events"] == []
    assert stand.json("events", "--limit", "0")["events"] == []
    assert "job.succeeded" in stand.said("events").stdout


@pytest.mark.parametrize("as_json", [True, False])
def test_followed_events_come_as_they_happen_until_ctrl_c(stand: Stand, as_json: bool) -> None:
    first = stand.succeeded()
    options = ["--follow", "--event", "job", *(["--json"] if as_json else [])]
    with stand.process("events", *options) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        stand.cancelled()
        lines.append(process.stdout.readline())
        stand.failed()
        lines.append(process.stdout.readline())
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE_S) == 130
    assert first in lines[0]
    for name, line in zip(("job.succeeded", "job.cancelled", "job.failed"), lines, strict=True):
        assert name in line
    if as_json:
        assert {orjson.loads(line)["event"] for line in lines} == {"job.succeeded", "job.cancelled", "job.failed"}


def test_the_cache_is_counted_and_cleared(stand: Stand) -> None:
    of_replies = {"hits": 0, "misses": 0, "followers": 0, "stored": 0, "entries": 0}
    of_vectors = {"vector_hits": 0, "vector_misses": 0, "vectors_stored": 0, "vector_bytes": 0, "vectors": 0}
    assert stand.json("cache", "stats") == of_replies | of_vectors
    stand.succeeded(prompt="same", cache=True)
    again = stand.queued(prompt="same", cache=True)
    stand.take()
    assert stand.json("jobs", "show", again)["state"] == "succeeded"
    told = stand.json("cache", "stats")
    assert (told["hits"], told["stored"], told["entries"]) == (1, 1, 1)
    assert "hits" in stand.said("cache", "stats").stdout
    assert stand.json("cache", "clear") == {"cleared": 1}
    assert stand.said("cache", "clear").stdout == "0 entries cleared\n"


def test_a_store_that_cannot_be_reached_ends_with_status_3(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMA_REDIS_URL", "redis://127.0.0.1:1/0")
    for command in (["queues"], ["costs"], ["jobs", "list"], ["batches", "list"], ["events"]):
        said = stand.said(*command)
        assert (said.status, said.stdout) == (3, "")
        assert "127.0.0.1:1" in said.stderr


def test_without_any_store_the_message_says_what_to_set(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOMA_REDIS_URL")
    said = stand.said("queues")
    assert said.status == 3
    assert "HOMA_REDIS_URL is not set" in said.stderr


def test_costs_show_what_prompt_caches_saved(stand: Stand) -> None:
    assert "CACHE SAVED" not in stand.said("costs").stdout
    job = stand.queued()
    claim = stand.claimed(job)
    report = Report("succeeded", Charge.ACTUAL, nano=NANO, input=INPUT, output=OUTPUT, saved=2500, health="good")
    stand.store.run(settle(stand.store.keys, (claim.id, claim.attempt), b'{"cost_nano":1500}', report))
    stand.claims.remove(claim)
    said = stand.said("costs")
    assert " $0.0000025" in said.stdout
    assert "($0.0000025 less, by prompt caches)" in said.stderr
    document = stand.json("costs")
    assert document["cache_saved_usd"] == document["rows"][0]["cache_saved_usd"] == "0.0000025"
    shown = stand.json("jobs", "show", job)
    assert shown["cache_saved_usd"] == shown["attempts"][0]["cache_saved_usd"] == "0.0000025"
    assert "cache saved" in stand.said("jobs", "show", job).stdout
    assert "CACHE SAVED" in stand.said("jobs", "show", job).stdout


def test_a_cache_that_cost_more_than_it_saved_shows_a_negative_saving(stand: Stand) -> None:
    claim = stand.claimed(stand.queued())
    report = Report("succeeded", Charge.ACTUAL, nano=NANO, input=INPUT, output=OUTPUT, saved=-2500, health="good")
    stand.store.run(settle(stand.store.keys, (claim.id, claim.attempt), b'{"cost_nano":1500}', report))
    stand.claims.remove(claim)
    said = stand.said("costs")
    assert "-$0.0000025" in said.stdout
    assert "prompt caches" not in said.stderr
    assert stand.json("costs")["cache_saved_usd"] == "-0.0000025"
