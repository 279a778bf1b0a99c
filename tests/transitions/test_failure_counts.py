"""Failures are counted by cause as jobs end, and what is in flight as it is reserved: nobody goes through all jobs."""

from __future__ import annotations

from typing import Any

import orjson

from homa_shared.model.constants import HOUR_MS
from homa_shared.store.reads.failures import FailureRow, batch_failures, failures
from homa_shared.store.reads.in_flight import in_flight
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Report, fail
from tests.transitions.cell import MODEL, OTHER, Cell
from tests.transitions.test_listing import listed


def broken(cell: Cell, *ids: str, kind: Any = "cut", state: str = "failed", **more: Any) -> None:
    """Jobs that end by an error of a kind."""
    cell.submit(*ids, **more)
    for claim in cell.take(len(ids)).claims:
        told = orjson.dumps({"error": {"kind": kind, "message": "it broke"}})
        cell.run(fail(cell.keys, (claim.id, claim.attempt), state, told, Report("x"), "it broke"))


def counted(cell: Cell, hours: int = 2) -> dict[tuple[str, str], int]:
    return {(row.cause, row.target): row.count for row in cell.run(failures(cell.keys, cell.now(), hours))}


def test_failures_are_counted_by_cause_and_target(cell: Cell) -> None:
    broken(cell, "a", "b", "c")
    broken(cell, "d", kind="content_policy")
    broken(cell, "e", target=OTHER)
    broken(cell, "f", state="expired")
    assert counted(cell) == {("cut", MODEL): 3, ("content_policy", MODEL): 1, ("cut", OTHER): 1}
    first: FailureRow = cell.run(failures(cell.keys, cell.now(), 2))[0]
    assert first.sample == "c"
    assert cell.job("a").ended_ms == first.first_ms <= first.last_ms == cell.job("c").ended_ms
    assert cell.job("a").raw["ca"] == "cut"
    assert "ca" not in cell.job("f").raw


def test_a_kind_that_is_no_word_is_unknown(cell: Cell) -> None:
    for i, kind in enumerate(("a|b", "", None, {"x": 1}, "<script>")):
        broken(cell, f"j{i}", kind=kind)
    assert counted(cell) == {("unknown", MODEL): 5}


def test_what_was_retried_is_no_longer_counted_and_its_retry_counts_anew(cell: Cell) -> None:
    cell.run(admin.open_batch(cell.keys, "ba", {}))
    broken(cell, "ba-0", "ba-1", batch="ba")
    cell.run(admin.seal_batch(cell.keys, "ba", 2))
    assert [row.count for row in cell.run(batch_failures(cell.keys, "ba"))] == [2]
    cell.run(admin.retry(cell.keys, "ba-0", "r0"))
    # The answer to it was lost: asked again, nothing is taken off twice.
    cell.run(admin.retry(cell.keys, "ba-0", "r1"))
    assert counted(cell) == {("cut", MODEL): 1}
    assert [row.count for row in cell.run(batch_failures(cell.keys, "ba"))] == [1]
    cell.settle(cell.claim())
    cell.run(admin.retry(cell.keys, "ba-1", "r2"))
    assert cell.run(batch_failures(cell.keys, "ba")) == []
    assert counted(cell) == {}
    assert "ca" not in cell.job("r2").raw


def test_counts_of_a_batch_live_as_long_as_it_does(cell: Cell) -> None:
    cell.run(admin.open_batch(cell.keys, "ba", {}))
    broken(cell, "ba-0", "ba-1", batch="ba")
    assert cell.redis("PTTL", cell.keys.batch_failures("ba")) == -1
    cell.run(admin.seal_batch(cell.keys, "ba", 2))
    assert cell.redis("PTTL", cell.keys.batch_failures("ba")) > 0
    cell.run(admin.retry(cell.keys, "ba-0", "r0"))
    assert cell.redis("PTTL", cell.keys.batch_failures("ba")) == -1


def test_a_cause_whose_jobs_were_all_retried_begins_anew(cell: Cell) -> None:
    cell.run(admin.open_batch(cell.keys, "ba", {}))
    broken(cell, "ba-0", "ba-1", batch="ba")
    names = (cell.keys.failures(str(cell.now() // HOUR_MS)), cell.keys.batch_failures("ba"))
    for i in range(2):
        assert [cell.redis("HLEN", name) for name in names] == [4, 4]
        cell.run(admin.retry(cell.keys, f"ba-{i}", f"r{i}"))
    assert [cell.redis("HLEN", name) for name in names] == [0, 0]


def test_counts_of_an_hour_go_after_two_days(cell: Cell) -> None:
    broken(cell, "a")
    left = cell.redis("PTTL", cell.keys.failures(str(cell.now() // HOUR_MS)))
    assert 47 * HOUR_MS < left <= 48 * HOUR_MS


def test_a_retry_of_what_an_earlier_release_ended_takes_nothing_off(cell: Cell) -> None:
    broken(cell, "a", "b")
    cell.redis("HDEL", cell.keys.job("a"), "ca")
    cell.run(admin.retry(cell.keys, "a", "r"))
    assert counted(cell) == {("cut", MODEL): 2}


def test_jobs_are_listed_by_the_cause_of_their_failure(cell: Cell) -> None:
    broken(cell, "a", "b")
    broken(cell, "c", kind="content_policy")
    assert listed(cell, state="failed", cause="cut") == ["b", "a"]
    assert listed(cell, cause="content_policy") == ["c"]
    assert listed(cell, cause="none") == []


def test_what_calls_in_flight_have_reserved_is_summed_by_scope(cell: Cell) -> None:
    cell.plan(MODEL, rpm=1000, tpm=100_000)
    cell.submit("a", "b", tokens=(100, 60, 40))
    assert cell.run(in_flight(cell.keys)) == {}
    cell.take(2)
    found = cell.run(in_flight(cell.keys))
    assert len(found) == 1
    held = next(iter(found.values()))
    assert (held.calls, held.total_tokens, held.input_tokens, held.output_tokens) == (2, 200, 120, 80)
