"""What the store's scripts do for a pool: who takes, when a job leaves it, what is told of it, what is restored."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import ReportResult, divert, renew
from homa_shared.store.transitions.next_target import NextTarget
from tests.transitions.cell import Cell

POOL = "pool-fast"
NEXT = NextTarget("p:other", "p", 9)


@pytest.fixture(autouse=True)
def pool(cell: Cell) -> None:
    limits(cell)


def limits(cell: Cell, **of: dict[str, Any]) -> None:
    """The pool's rows, with limits of some of its members."""
    rows: list[dict[str, Any]] = [{"name": POOL, "members": ["p", "q"]}]
    for member in ("p", "q"):
        row = {"account": member, "quota": f"{member}/m", "real": f"{member}:m", "account_limits": {}}
        row["quota_limits"] = of.get(member, {})
        rows += [row | {"name": f"{POOL}|{member}"}, row | {"name": f"{member}:m"}]
    cell.run(admin.write_plans(cell.keys, rows))


def submit(cell: Cell, *ids: str, **more: Any) -> None:
    cell.submit(*ids, queue=POOL, target=POOL, **more)


def open_breaker(cell: Cell, name: str, ms: int = 60_000) -> None:
    cell.redis("HSET", cell.keys.breaker(name), "state", "open", "until", cell.now() + ms)


def test_who_is_no_member_takes_nothing_from_a_pool(cell: Cell) -> None:
    submit(cell, "a")
    assert cell.taken(provider="r", queues=("r", POOL)) == []
    assert cell.taken(queues=("p", POOL)) == ["a"]


def test_a_job_stays_while_another_member_may_be_called(cell: Cell) -> None:
    submit(cell, "a", fallbacks_left=1)
    open_breaker(cell, "p")
    taken = cell.take(queues=("p", POOL))
    assert (taken.claims, taken.diverts) == ([], [])
    assert cell.taken(provider="q", queues=("q", POOL), worker="w2") == ["a"]


def test_a_job_leaves_when_every_member_is_out_of_reach(cell: Cell) -> None:
    submit(cell, "a", fallbacks_left=1)
    open_breaker(cell, "p")
    open_breaker(cell, "q:m")
    ((why, offered),) = cell.take(queues=("p", POOL)).diverts
    assert (offered.id, offered.target) == ("a", POOL)
    assert why.startswith("breaker")
    assert cell.run(divert(cell.keys, "a", offered.target, why, NEXT)) is ReportResult.OK
    assert (cell.job("a").queue, cell.job("a").target) == ("p", "p:other")


def test_what_is_too_large_for_one_member_waits_for_another(cell: Cell) -> None:
    limits(cell, p={"tpm": 10}, q={"tpm": 1000})
    submit(cell, "a", tokens=(100, 0, 0))
    assert cell.taken(queues=("p", POOL)) == []
    assert cell.taken(provider="q", queues=("q", POOL), worker="w2") == ["a"]


def test_what_is_too_large_for_every_member_fails(cell: Cell) -> None:
    limits(cell, p={"tpm": 10}, q={"tpm": 10})
    submit(cell, "a", tokens=(100, 0, 0))
    assert cell.taken(queues=("p", POOL)) == []
    assert cell.error("a")["message"].startswith("too large")


def test_a_failure_is_the_members_not_the_pools(cell: Cell) -> None:
    submit(cell, "a")
    claim = cell.claim(queues=("p", POOL))
    cell.requeue(claim, outcome="unauthorized", health="account", by="p")
    assert cell.taken(queues=("p", POOL)) == []
    again = cell.claim(provider="q", queues=("q", POOL), worker="w2")
    assert (again.id, again.target) == ("a", "q:m")
    cell.settle(again)
    assert {line.target for line in cell.run(reads.ledger(cell.keys))} == {"p:m", "q:m"}
    assert cell.view("a").attempts[0].target == "p:m"


def test_an_attempt_that_the_store_forgot_is_the_members_again(cell: Cell) -> None:
    """The store came back older: the beat of the worker that called tells which member it was."""
    submit(cell, "a")
    facts = {"provider": "q"}
    told = cell.run(renew(cell.keys, worker="w2", lease_ms=30_000, facts=facts, attempts=["a:1"]))
    assert told.lost == []
    assert cell.job("a").raw["tt"] == "q:m"
    assert cell.numbers(cell.keys.scope("q"))["busy"] == cell.numbers(cell.keys.scope("q/m"))["busy"] == 1


@pytest.mark.parametrize("how", ["settle", "fail", "requeue"])
def test_a_report_of_a_forgotten_attempt_tells_its_member(cell: Cell, how: str) -> None:
    submit(cell, "a")
    claim = cell.claim(provider="q", queues=("q", POOL), worker="w2")
    cell.release(claim)
    # The store forgets: the attempt's number goes back.
    cell.redis("HSET", cell.keys.job("a"), "at", 0, "tr", 0)
    getattr(cell, how)(claim, by="q")
    lines = cell.run(reads.ledger(cell.keys))
    assert [line.target for line in lines] == ["q:m"]
    assert cell.numbers(cell.keys.scope("q"))["busy"] == 0
