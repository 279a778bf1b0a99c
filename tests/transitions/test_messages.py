"""Ordinary Dramatiq messages: what a run enqueues is committed with its ack, and by that run only."""

from __future__ import annotations

from homa_shared.model.records import State
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.messages import Enqueued, ack
from tests.transitions.cell import Cell


def message(cell: Cell, *ids: str, **more: object) -> None:
    cell.submit(*ids, kind="m", target="actor", bound=None, **more)


def test_an_acked_message_leaves_nothing(cell: Cell) -> None:
    message(cell, "m")
    assert cell.run(ack(cell.keys, ("m", cell.claim().attempt), "succeeded")) == "ok"
    assert cell.state("m") is None
    assert cell.counters() == {"submitted": 1, "live": 0, "succeeded": 1}


def test_a_dead_message_is_kept(cell: Cell) -> None:
    message(cell, "m")
    cell.claim()
    assert cell.run(ack(cell.keys, ("m", 1), "failed")) == "ok"
    assert cell.state("m") is State.FAILED


def test_what_a_run_enqueued_is_committed_with_its_ack(cell: Cell) -> None:
    message(cell, "m")
    cell.claim()
    assert cell.taken() == []
    more = [Enqueued("n", "p", "default", b"body"), Enqueued("o", "p", "default", b"later", 60_000)]
    assert cell.run(ack(cell.keys, ("m", 1), "succeeded", enqueued=more)) == "ok"
    assert [c.request for c in cell.take().claims] == [b"body"]
    assert cell.state("o") is State.DUE


def test_a_stale_ack_enqueues_nothing(cell: Cell) -> None:
    message(cell, "m")
    first = cell.claim()
    cell.lose(first)
    assert cell.run(ack(cell.keys, ("m", 1), "succeeded", enqueued=[Enqueued("n", "p", "default", b"")])) == "stale"
    assert cell.state("n") is None
    assert cell.state("m") is State.QUEUED


def test_a_message_that_is_retried_waits_with_its_new_body(cell: Cell) -> None:
    message(cell, "m")
    cell.claim()
    again = Enqueued("m", "p", "default", b"second try", 60_000)
    assert cell.run(ack(cell.keys, ("m", 1), "again", again=again)) == "ok"
    assert cell.state("m") is State.DUE
    cell.redis("ZADD", cell.keys.due(), 1, "m")
    assert cell.claim().request == b"second try"


def test_flushing_drops_waiting_messages_and_no_jobs(cell: Cell) -> None:
    message(cell, "m1", "m2")
    message(cell, "m3", due_ms=60_000)
    message(cell, "other", queue="q")
    cell.submit("job")
    while cell.run(admin.flush_messages(cell.keys, "p")):
        pass
    assert cell.taken(queues=("p", "q")) == ["job", "other"]
    assert cell.counters()["live"] == 2


def test_within_a_lane_messages_go_by_their_priority(cell: Cell) -> None:
    for name, priority in (("a", 5), ("b", 1), ("c", 5), ("d", 1000), ("e", 2), ("f", 1)):
        message(cell, name, priority=priority, lane="bulk")
    assert cell.taken(3) == ["b", "f", "e"]
    assert cell.taken() == ["a", "c", "d"]


def test_one_that_comes_back_keeps_the_place_of_its_priority(cell: Cell) -> None:
    message(cell, "a", priority=-1, lane="high")
    message(cell, "b", priority=-5, lane="high", due_ms=60_000)
    claim = cell.claim()
    message(cell, "c", priority=-3, lane="high")
    cell.redis("ZADD", cell.keys.due(), 1, "b")
    cell.lose(claim)
    assert cell.taken() == ["b", "c", "a"]


def test_what_a_run_enqueues_goes_by_its_priority_too(cell: Cell) -> None:
    message(cell, "m")
    cell.claim()
    more = [Enqueued(str(n), "p", "high", b"", priority=n) for n in (-1, -7, -3)]
    assert cell.run(ack(cell.keys, ("m", 1), "succeeded", enqueued=more)) == "ok"
    assert cell.taken() == ["-7", "-3", "-1"]


def test_a_message_of_an_earlier_release_stands_between(cell: Cell) -> None:
    """It has no priority beside its lane."""
    message(cell, "old", lane="high")
    message(cell, "new", priority=-2, lane="high")
    assert cell.taken() == ["new", "old"]
