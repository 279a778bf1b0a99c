"""The audit finds every kind of entry that does not add up, and nothing in books that do."""

from __future__ import annotations

import pytest

from homa_shared.store.audit import audit
from homa_shared.store.transitions import admin
from tests.transitions.cell import MODEL, Cell


@pytest.fixture
def books(cell: Cell) -> Cell:
    """A cell with a job in each index."""
    cell.plan(conc=9)
    cell.budget(10_000)
    cell.run(admin.open_batch(cell.keys, "b", {}))
    cell.submit("run", "end")
    cell.claim()
    cell.settle(cell.claim())
    cell.submit("b-0", batch="b")
    cell.run(admin.pause_batch(cell.keys, "b"))
    cell.take()
    cell.submit("due", due_ms=60_000)
    cell.submit("wait", tenant="t")
    cell.submit("m", kind="m", target="actor", lane="high")
    cell.claim()
    return cell


def told(cell: Cell) -> str:
    return "; ".join(map(str, audit(cell.store)))


def test_books_that_add_up_are_silent(books: Cell) -> None:
    assert audit(books.store) == []


def test_a_job_in_no_index_is_missed(books: Cell) -> None:
    books.cooked = True
    books.redis("ZREM", books.keys.due(), "due")
    assert "counter live: is 5, but 4 jobs stand in an index" in told(books)
    assert "queue p: default.due is 1, but 0 jobs stand there" in told(books)


def test_a_job_in_two_indexes_is_found(books: Cell) -> None:
    books.cooked = True
    books.redis("ZADD", books.keys.due(), 1, "wait")
    assert "job wait: stands in more than one index" in told(books)
    assert "job wait: stands in due, but st is 'queued'" in told(books)


def test_a_backlog_out_of_reach_is_missed(books: Cell) -> None:
    books.cooked = True
    books.redis("ZREM", books.keys.group("p", "default", MODEL), "t")
    assert "jobs stand in an index" in told(books)


def test_a_lease_of_an_older_attempt_is_found(books: Cell) -> None:
    books.cooked = True
    books.redis("ZREM", books.keys.leases(), "run:1")
    books.redis("ZADD", books.keys.leases(), 1, "run:7")
    assert "job run: stands in leases, but at is '1'" in told(books)


@pytest.mark.parametrize(
    ("key", "field", "expected"),
    [
        ("counters", "submitted", "counter submitted"),
        ("queue", "default.queued", "queue p"),
        ("batch", "failed", "batch b"),
        ("budget", "reserved", "budget b"),
        ("scope", "busy", "scope p"),
    ],
)
def test_a_counter_that_is_not_the_sum_of_its_parts_is_found(books: Cell, key: str, field: str, expected: str) -> None:
    names = {"queue": ("p",), "batch": ("b",), "budget": ("b",), "scope": ("p",)}
    books.cooked = True
    books.redis("HINCRBY", getattr(books.keys, key)(*names.get(key, ())), field, 1)
    assert expected in told(books)


def test_indexes_longer_than_a_page_are_walked_whole(cell: Cell) -> None:
    cell.submit(*(f"j{i}" for i in range(1100)))
    cell.take(600)
    assert audit(cell.store) == []
