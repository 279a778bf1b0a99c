"""What held a job is told as a sentence with its cause: by its end, by `why`, by breakers and events."""

from __future__ import annotations

import pytest

from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import renew
from tests.transitions.cell import MODEL, Cell

REFUSED = '{"error": "Incorrect API key provided"}'


def live(cell: Cell) -> None:
    facts = {"provider": "p", "queues": ["p"]}
    cell.run(renew(cell.keys, worker="w", lease_ms=30_000, facts=facts, attempts=[]))


def expire(cell: Cell, job_id: str = "a") -> str:
    """The job's deadline passes, and housekeeping comes by; returns what its end says."""
    past = cell.now() - 1
    cell.redis("HSET", cell.keys.job(job_id), "dl", past)
    cell.redis("ZADD", cell.keys.deadlines(), past, job_id)
    cell.sweep()
    assert cell.state(job_id) == "expired"
    return str(cell.error(job_id)["message"])


def detail(cell: Cell, job_id: str = "a") -> str:
    why = cell.run(reads.why(cell.keys, job_id))
    assert why is not None
    return why.holds[0].detail


def break_account(cell: Cell) -> None:
    cell.submit("first")
    cell.fail(cell.claim(), outcome="unauthorized", health="account", cool_ms=60_000, note=REFUSED)


def test_a_job_that_expired_behind_a_breaker_says_what_opened_it(cell: Cell) -> None:
    cell.plan()
    live(cell)
    break_account(cell)
    cell.submit("a", deadline_ms=60_000)
    told = "breaker p is open: unauthorized: Incorrect API key provided"
    assert detail(cell) == told
    assert expire(cell) == f"its deadline passed while it waited for {MODEL}: {told}"


def test_one_that_nobody_served_says_so(cell: Cell) -> None:
    cell.submit("a", deadline_ms=60_000)
    assert expire(cell) == "its deadline passed while it waited in the queue p, which no live worker served"


def test_one_behind_a_limit_names_it(cell: Cell) -> None:
    cell.plan(rpm=1)
    live(cell)
    cell.submit("first")
    cell.claim()
    cell.submit("a", deadline_ms=60_000)
    assert expire(cell) == f"its deadline passed while it waited for {MODEL}: rpm"


def test_one_behind_a_freeze_says_who_was_refused(cell: Cell) -> None:
    cell.plan(rpm=6000)
    live(cell)
    cell.submit("first")
    cell.requeue(cell.claim(), outcome="rate_limited", freeze_ms=60_000, delay_ms=600_000)
    cell.submit("a", deadline_ms=60_000)
    assert f"for {MODEL}: frozen: {MODEL} refused first, which asked for 60 s" in expire(cell)


def test_one_of_a_paused_queue_or_batch_names_it(cell: Cell) -> None:
    live(cell)
    cell.submit("a", deadline_ms=60_000)
    cell.run(admin.pause_queue(cell.keys, "p"))
    assert expire(cell).endswith("while it waited in the paused queue p")
    cell.run(admin.resume_queue(cell.keys, "p"))
    cell.run(admin.open_batch(cell.keys, "b", {}))
    cell.submit("b-0", batch="b", deadline_ms=60_000)
    cell.run(admin.pause_batch(cell.keys, "b"))
    assert cell.taken() == []
    assert expire(cell, "b-0").endswith("while it waited for its paused batch b")


def test_one_that_was_to_be_tried_again_says_how_its_last_attempt_ended(cell: Cell) -> None:
    cell.submit("a", deadline_ms=60_000)
    claim = cell.claim()
    cell.redis("HSET", cell.keys.job("a"), "dl", cell.now() - 1)
    assert cell.requeue(claim, outcome="overloaded", note='{"error": "busy"}') == "ended"
    assert cell.error("a")["message"] == "its deadline passed; its last attempt ended as overloaded: busy"


def test_a_breaker_tells_what_the_provider_said(cell: Cell) -> None:
    break_account(cell)
    event = next(one for one in cell.run(reads.latest_events(cell.keys, 10)) if one.name == "breaker.opened")
    assert event.detail == "unauthorized for 60000 ms: Incorrect API key provided"


def test_a_pause_without_a_reason_ends_in_no_colon(cell: Cell) -> None:
    cell.run(admin.open_batch(cell.keys, "b", {}))
    cell.submit("b-0", batch="b")
    cell.run(admin.pause_batch(cell.keys, "b"))
    assert detail(cell, "b-0") == "its batch is paused"
    cell.run(admin.resume_batch(cell.keys, "b"))
    cell.run(admin.pause_batch(cell.keys, "b", "no key"))
    assert detail(cell, "b-0") == "its batch is paused: no key"


@pytest.mark.parametrize("silent_ms", [0, 60_000])
def test_a_running_job_whose_worker_is_gone_says_so(cell: Cell, silent_ms: int) -> None:
    live(cell)
    cell.submit("a")
    cell.claim()
    cell.redis("ZADD", cell.keys.workers(), cell.now() - silent_ms, "w")
    gone = "its worker is gone, silent for 60 s: the job is taken up again once its lease has run out"
    assert (gone in detail(cell)) is bool(silent_ms)
    if not silent_ms:
        assert detail(cell) == f"attempt 1 at {MODEL}"
