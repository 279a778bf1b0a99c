"""`homa batches`: counts and state for people and programs, results lines, pause, resume, cancel, watch."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import orjson
import pytest

from homa.client.management.batches import batch_info
from homa_shared.calls.failures import Charge
from homa_shared.store.keys import Keys
from tests.commands_b.stand import NANO, Stand
from tests.fixtures.store import eventually

COUNTS = {
    "total",
    "succeeded",
    "failed",
    "cancelled",
    "expired",
    "cost_usd",
    "unresolved_usd",
    "unpriced_jobs",
    "state",
}


def test_a_batch_is_shown_with_the_counts_of_the_contract(stand: Stand) -> None:
    batch = stand.batch(good=2, bad=1)
    found = stand.json("batches", "show", batch)
    assert found.keys() >= COUNTS | {"batch", "seconds"}
    assert {name: found[name] for name in ("batch", "state", "total", "succeeded", "failed")} == {
        "batch": batch,
        "state": "complete",
        "total": 3,
        "succeeded": 2,
        "failed": 1,
    }
    assert (found["cancelled"], found["expired"], found["unpriced_jobs"]) == (0, 0, 0)
    assert (found["cost_usd"], found["unresolved_usd"]) == ("0.000003", "0.00")
    assert found["seconds"] >= 0
    said = stand.said("batches", "show", batch).stdout
    assert "letters" in said
    assert "$0.000003" in said


def test_batches_are_listed_newest_first(stand: Stand) -> None:
    assert "no batch" in stand.said("batches", "list").stderr
    first, second = stand.batch(good=1, bad=0), stand.batch(good=0, bad=1)
    assert {row["batch"] for row in stand.json("batches", "list")["batches"]} == {first, second}
    assert len(stand.json("batches", "list", "--limit", "1")["batches"]) == 1
    assert "complete" in stand.said("batches", "list").stdout


@pytest.mark.parametrize("verb", ["show", "watch", "results", "cancel", "pause", "resume"])
def test_an_unknown_batch_is_named_with_status_2(stand: Stand, verb: str) -> None:
    said = stand.said("batches", verb, "b0nowhere")
    assert (said.status, said.stdout) == (2, "")
    assert "batch b0nowhere is not in the store" in said.stderr


def test_a_batch_is_paused_resumed_and_cancelled(stand: Stand) -> None:
    batch = stand.batch(good=1, bad=0, live=2)
    paused = stand.json("batches", "pause", batch, "--why", "lunch")
    assert (paused["paused"], paused["paused_why"]) == (True, "lunch")
    assert "paused (lunch)" in stand.said("batches", "show", batch).stdout
    assert stand.json("batches", "resume", batch)["paused"] is False
    assert stand.said("batches", "cancel", batch).stdout.startswith(f"{batch}: sealed, being cancelled, 1 of 3")


@pytest.mark.parametrize("verb", ["cancel", "pause"])
def test_a_complete_batch_can_neither_be_cancelled_nor_paused(stand: Stand, verb: str) -> None:
    said = stand.said("batches", verb, stand.batch())
    assert said.status == 1
    assert f"cannot {verb}" in said.stderr


def test_results_are_openai_batch_output_lines(stand: Stand, tmp_path: Path) -> None:
    batch = stand.batch(good=2, bad=1)
    said = stand.said("batches", "results", batch)
    assert said.status == 0
    lines = {line["custom_id"]: line for line in said.lines}
    assert lines.keys() == {"c0", "c1", "c2"}
    good, bad = lines["c0"], lines["c2"]
    assert good["response"]["status_code"] == 200
    assert good["response"]["body"]["choices"][0]["message"]["content"] == "answer 0"
    assert good["homa"] == {
        "job": f"{batch}-0",
        "provider": "openai",
        "model": "gpt-6-luna",
        "finish_reason": None,
        "attempts": 1,
        "cost_usd": "0.0000015",
        "cached": False,
        "queued_ms": 1,
        "latency_ms": 7,
    }
    assert bad["error"] == {"code": "invalid_request", "message": "it broke"}
    output = tmp_path / "out.jsonl"
    assert stand.said("batches", "results", batch, "-o", str(output), "--after", "1").status == 0
    assert len(output.read_bytes().splitlines()) == 2


def test_a_failed_line_tells_what_its_attempts_cost(stand: Stand) -> None:
    batch = stand.batch(good=0, bad=0, live=1)
    (claim,) = stand.take(1)
    stand.fail(claim, charge=Charge.ACTUAL, nano=2500)
    (line,) = stand.said("batches", "results", batch).lines
    assert (line["error"]["message"], line["homa"]["cost_usd"]) == ("it broke", "0.0000025")


def test_results_of_a_batch_that_goes_on_are_those_so_far(stand: Stand) -> None:
    batch = stand.batch(good=1, bad=0, live=1)
    said = stand.said("batches", "results", batch)
    assert len(said.lines) == 1
    assert "continue later with --after 1" in said.stderr


def test_a_retried_line_has_one_result(stand: Stand) -> None:
    batch = stand.batch(good=1, bad=1)
    again = stand.json("jobs", "retry", f"{batch}-1")["jobs"][0]["retried_by"]
    assert [line["custom_id"] for line in stand.said("batches", "results", batch).lines] == ["c0"]
    stand.settle(stand.claimed(again), "at last")
    lines = {line["custom_id"]: line for line in stand.said("batches", "results", batch).lines}
    assert lines["c1"]["response"]["body"]["choices"][0]["message"]["content"] == "at last"
    assert len(lines) == 2


def test_followed_results_come_as_lines_end(stand: Stand) -> None:
    batch = stand.batch(good=1, bad=0, live=1)
    ender = threading.Timer(0.2, lambda: stand.settle(stand.take()[0], "late"))
    ender.start()
    said = stand.said("batches", "results", batch, "--follow")
    ender.join()
    assert [line["custom_id"] for line in said.lines] == ["c0", "c1"]


def test_watching_a_complete_batch_tells_how_it_ended(stand: Stand) -> None:
    said = stand.said("batches", "watch", stand.batch(good=2, bad=1))
    assert said.status == 1
    assert "2 of 3 succeeded, 1 failed, $0.000003" in said.stdout
    assert stand.said("batches", "watch", stand.batch(good=1, bad=0)).status == 0


def end_at_the_second_look(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job that is left ends when somebody who watches its batch has seen it without."""
    looks: list[str] = []

    def look(keys: Keys, batch: str) -> Any:
        looks.append(batch)
        if len(looks) == 2:
            stand.settle(stand.take()[0])
        return batch_info(keys, batch)

    monkeypatch.setattr("homa.cli.batches.watch.batch_info", look)


def test_watch_prints_a_json_line_a_change(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = stand.batch(good=1, bad=0, live=1)
    end_at_the_second_look(stand, monkeypatch)
    said = stand.said("batches", "watch", batch, "--json")
    assert said.status == 0
    assert [line["succeeded"] for line in said.lines] == [1, 2]
    assert said.lines[-1]["state"] == "complete"
    assert said.lines[-1]["cost_usd"] == f"0.00000{2 * NANO // 1000}"


@pytest.mark.parametrize("terminal", [False, True])
def test_watch_follows_on_a_terminal_and_elsewhere(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, terminal: bool
) -> None:
    if terminal:
        monkeypatch.setenv("FORCE_COLOR", "1")
    batch = stand.batch(good=1, bad=0, live=1)
    stand.said("batches", "pause", batch)
    stand.said("batches", "resume", batch)
    end_at_the_second_look(stand, monkeypatch)
    said = stand.said("batches", "watch", batch)
    assert said.status == 0
    assert "2 of 2 succeeded" in said.stdout
    assert ("1 of 2 succeeded" in said.stderr) is not terminal


def test_a_cancelled_batch_completes_with_its_counts(stand: Stand) -> None:
    batch = stand.batch(good=1, bad=0, live=2)
    stand.said("batches", "cancel", batch)

    def complete() -> bool:
        stand.sweep()
        return bool(stand.json("batches", "show", batch)["state"] == "complete")

    eventually(complete)
    found = stand.json("batches", "show", batch)
    assert (found["succeeded"], found["cancelled"]) == (1, 2)
    assert "2 cancelled" in stand.said("batches", "watch", batch).stdout
    assert orjson.loads(stand.said("batches", "results", batch).stdout.splitlines()[-1])["error"]["code"] == "cancelled"
