"""Submitting: once is enough, twice changes nothing, and a store without room says so."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homa_shared.model.errors import StoreFull
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.connection import StoreAddress
from homa_shared.store.embedded import EmbeddedStore
from homa_shared.store.transitions import admin
from tests.transitions.cell import Cell


def test_an_accepted_job_is_counted_and_waits_in_its_group(cell: Cell) -> None:
    assert cell.submit("a", "b").count == 2
    assert cell.counters() == {"submitted": 2, "live": 2}
    assert cell.scores(cell.keys.backlog("p", "default", "p:m", "")).keys() == {"a", "b"}
    assert cell.numbers(cell.keys.queue("p")) == {"default.queued": 2}


def test_the_same_id_again_is_the_same_job(cell: Cell) -> None:
    cell.submit("a")
    again = cell.submit("a", "b")
    assert (again.count, again.existing) == (1, {0: "a"})
    assert cell.counters()["submitted"] == 2


def test_a_submission_whose_answer_was_lost_is_repeated_without_effect(cell: Cell) -> None:
    cell.submit("a", "b", key="")
    cell.settle(cell.claim())
    assert cell.submit("a", "b").existing == {0: "a", 1: "b"}
    assert cell.counters() == {"submitted": 2, "live": 1, "succeeded": 1, "replies": 1, "reply_bytes": 36}


def test_a_key_seen_before_names_the_first_job(cell: Cell) -> None:
    cell.submit("a", key="ticket:7 abc123")
    again = cell.submit("b", key="ticket:7 abc123")
    assert (again.count, again.existing, again.conflicts) == (0, {0: "a"}, {})
    assert cell.state("b") is None


def test_a_key_used_for_another_request_is_a_conflict(cell: Cell) -> None:
    cell.submit("a", key="ticket:7 abc123")
    again = cell.submit("b", key="ticket:7 def456")
    assert (again.count, again.existing, again.conflicts) == (0, {}, {0: "a"})
    assert cell.counters()["submitted"] == 1


def test_keys_belong_to_their_tenant(cell: Cell) -> None:
    cell.submit("a", key="k abc", tenant="t1")
    assert cell.submit("b", key="k abc", tenant="t2").count == 1


def test_a_key_whose_job_was_purged_is_free_again(cell: Cell) -> None:
    cell.submit("a", key="k abc")
    cell.run(admin.cancel(cell.keys, ["a"]))
    assert cell.run(admin.purge(cell.keys, ["a"])) == 1
    assert cell.submit("b", key="k def").count == 1
    assert cell.submit("c", key="k def").existing == {0: "b"}


def test_a_delayed_job_is_due_and_not_queued(cell: Cell) -> None:
    cell.submit("a", due_ms=60_000)
    assert cell.state("a") is State.DUE
    assert cell.numbers(cell.keys.queue("p")) == {"default.due": 1}
    assert 59_000 < (cell.take().wait_ms or 0) <= 60_000


def test_a_deadline_is_reckoned_by_the_stores_clock(cell: Cell) -> None:
    cell.submit("a", deadline_ms=5000)
    job = cell.job("a")
    assert job.deadline_ms == job.submitted_ms + 5000


def test_a_batch_that_is_sealed_takes_no_more_lines(cell: Cell) -> None:
    cell.run(admin.open_batch(cell.keys, "b", {}))
    cell.submit("b-0", batch="b")
    cell.run(admin.seal_batch(cell.keys, "b", 1))
    with pytest.raises(Exception, match="batch b is sealed"):
        cell.submit("b-1", batch="b")
    with pytest.raises(Exception, match="no batch nobody"):
        cell.submit("x", batch="nobody")


def test_submitting_wakes_who_waits(cell: Cell) -> None:
    cell.submit("a")
    assert cell.redis("LLEN", cell.keys.bell("p")) == 1
    cell.submit(*(f"j{i}" for i in range(50)))
    assert cell.redis("LLEN", cell.keys.bell("p")) == 8


@pytest.fixture
def small(fresh_store: EmbeddedStore, namespace: str) -> Iterator[Cell]:
    found = Cell(StoreAddress.parse(fresh_store.ensure()), namespace)
    yield found
    found.store.close()


def used_memory(cell: Cell) -> int:
    return int(cell.redis("INFO", "memory")["used_memory"])


def test_a_store_that_could_not_hold_the_replies_owed_refuses_more_jobs(small: Cell) -> None:
    small.submit("a")
    small.redis("CONFIG", "SET", "maxmemory", used_memory(small) * 5 // 4)
    with pytest.raises(StoreFull, match="owed to accepted jobs"):
        small.submit("b")
    assert small.counters() == {"submitted": 1, "live": 1}


def test_a_store_at_its_memory_limit_still_takes_and_settles(small: Cell) -> None:
    small.submit("a")
    small.redis("CONFIG", "SET", "maxmemory", used_memory(small) // 2)
    with pytest.raises(StoreFull):
        small.submit("b")
    assert small.settle(small.claim()) == "ok"
    assert small.run(reads.reply(small.keys, "a")) is not None


def test_replies_owed_are_reckoned_from_those_that_came(small: Cell) -> None:
    small.submit("a", *(f"j{i}" for i in range(50)))
    small.settle(small.claim(), {"body": "x" * 100_000})
    # Fifty jobs live, each expected to answer as the first did: some five megabytes are owed.
    small.redis("CONFIG", "SET", "maxmemory", used_memory(small) * 5 // 4 + 4_000_000)
    with pytest.raises(StoreFull, match="owed"):
        small.submit("b")
    small.redis("CONFIG", "SET", "maxmemory", used_memory(small) * 5 // 4 + 9_000_000)
    assert small.submit("b").count == 1


def test_a_key_lives_as_long_as_its_job_and_the_result_of_it(cell: Cell) -> None:
    cell.config(**{"keep.keys": 60_000, "keep.results": 60_000})
    cell.submit("a", key="k abc", due_ms=3_600_000)
    entry = cell.keys.idempotency("", "k")
    assert cell.redis("PTTL", entry) > 3_600_000, "a job that waits for longer than keys are kept is still the first"
    cell.run(admin.cancel(cell.keys, ["a"]))
    key_ms = cell.redis("PTTL", entry)  # read before the job's, since both run down
    assert cell.redis("PTTL", cell.keys.job("a")) <= key_ms <= 60_000
    assert cell.submit("b", key="k abc").existing == {0: "a"}


def test_a_full_store_takes_every_order_to_a_batch_but_a_new_one(small: Cell) -> None:
    small.run(admin.open_batch(small.keys, "b", {}))
    small.submit("b-0", batch="b")
    small.redis("CONFIG", "SET", "maxmemory", used_memory(small) // 2)
    assert small.run(admin.seal_batch(small.keys, "b", 1)) == "sealed"
    assert small.run(admin.pause_batch(small.keys, "b", "no key")) == "sealed"
    assert small.run(admin.resume_batch(small.keys, "b")) == "sealed"
    assert small.run(admin.cancel_batch(small.keys, "b")) == "sealed"
    small.sweep()
    assert small.state("b-0") == "cancelled"
    with pytest.raises(StoreFull):
        small.run(admin.open_batch(small.keys, "c", {}))
