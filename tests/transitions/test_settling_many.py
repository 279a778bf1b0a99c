"""Good replies told together leave the store as they would told one by one, whatever is among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from homa_shared.calls.failures import Charge
from homa_shared.model.records import State
from homa_shared.model.tokens import Tokens
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import (
    SETTLED_AT_ONCE,
    Claim,
    Settlement,
    settle_one,
)
from tests.transitions.cell import COST, Cell
from tests.transitions.settlements import OK, contents, one_by_one, running, settlement, together


def varied_claims(cell: Cell, count: int) -> list[Claim]:
    """Running jobs that differ in all that a plain settlement looks at."""
    cell.plan(conc=count, rpm=100_000, tpm=1_000_000)
    cell.budget(COST * count * 10, name="b")
    cell.config(**{"keep.requests": 0})
    cell.run(admin.open_batch(cell.keys, "batch", {"name": "n", "cap": str(10**9)}))
    for i in range(count):
        own: dict[str, Any] = {"tokens": (100, 60, 40), "custom_id": f"c{i}", "tags": "team=a\nkind=b"}
        if i % 3 == 0:
            own |= {"batch": "batch"}
        if i % 4 == 1:
            own |= {"tenant": "acme", "deadline_ms": 3_600_000}
        if i % 5 == 2:
            own |= {"key": f"k{i} ab"}
        if i % 7 == 3:
            own |= {"job_budget": 10**6}
        cell.submit(f"batch-{i}" if i % 3 == 0 else f"j{i}", **own)
    cell.run(admin.seal_batch(cell.keys, "batch", len(range(0, count, 3))))
    claims: list[Claim] = []
    while len(claims) < count:
        taken = cell.take(50).claims
        assert taken
        claims += taken
    return claims


@pytest.fixture
def other(cell: Cell, namespace: str) -> Iterator[Cell]:
    found = Cell(cell.store.address, f"{namespace}other")
    yield found
    found.store.close()


@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_what_is_told_together_leaves_what_it_leaves_one_by_one(cell: Cell, other: Cell, size: int) -> None:
    for where, tell in ((cell, together), (other, one_by_one)):
        told = [
            settlement(
                claim,
                used=(1, Tokens(90 - i % 9, 55, 35)),
                limits=(100_000, 900_000) if i % 4 == 0 else None,
                terms="flex" if i % 6 == 0 else "",
                fees={"searches": 2} if i % 6 == 1 else {},
                saved=11 if i % 2 else 0,
            )
            for i, claim in enumerate(varied_claims(where, 50))
        ]
        for start in range(0, len(told), size):
            assert set(tell(where, *told[start : start + size])) == {OK}
    left, expected = contents(cell), contents(other)
    assert left.keys() == expected.keys()
    assert {name: value for name, value in left.items() if value != expected[name]} == {}


def test_told_again_they_change_nothing(cell: Cell) -> None:
    cell.budget(10**6)
    told = [settlement(claim) for claim in running(cell, "a", "b", "c")]
    assert together(cell, *told) == [OK] * 3
    before = contents(cell)
    assert together(cell, *told) == [OK] * 3
    assert contents(cell) == before


def test_a_job_that_is_told_of_twice_in_one_call_is_settled_once(cell: Cell) -> None:
    a, b = running(cell, "a", "b")
    assert together(cell, settlement(a), settlement(b), settlement(a)) == [OK, OK, None]
    assert cell.run(settle_one(cell.keys, settlement(a))) is OK
    assert len(cell.run(reads.ledger(cell.keys))) == 2
    assert cell.counters()["succeeded"] == 2


@pytest.mark.parametrize(
    "report",
    [
        b"no json",
        b"[1]",
        b'"text"',
        b'{"outcome":"succeeded"}',
        b'{"outcome":"succeeded","charge":"actual","health":"good","worker":"w","target":"p:m","nano":"much"}',
        b'{"outcome":"succeeded","charge":"actual","health":"good","worker":"w","target":"p:m","nano":7,"input":{}}',
        b'{"outcome":"succeeded","charge":"actual","health":"good","worker":"w","target":"p:m","nano":"7","input":1e300}',
        b'{"outcome":"succeeded","charge":"actual","health":"good","worker":"w","target":"p:m","nano":"7","used":{"r":"x"}}',
        b'{"outcome":"succeeded","charge":"actual","health":"good","worker":"w","target":"p:m","nano":"7","fees":{"x":[]}}',
        b'{"outcome":"succeeded","charge":"actual","health":"good","worker":["w"],"target":"p:m","nano":"7"}',
    ],
)
def test_a_report_that_cannot_be_read_sinks_no_other(cell: Cell, report: bytes) -> None:
    a, b, c = running(cell, "a", "b", "c")
    answers = together(cell, settlement(a), Settlement((b.id, b.attempt), b"{}", report), settlement(c))
    assert answers == [OK, None, OK]
    assert cell.state("b") is State.RUNNING
    cell.settle(b)


def test_what_has_its_own_way_is_left_to_be_told_by_itself(cell: Cell) -> None:
    plain, lost, unmetered, foreign = running(cell, "plain", "lost", "unmetered", "foreign")
    cached = running(cell, "cached", cache_key="k")[0]
    cell.lose(lost)
    told = [settlement(claim) for claim in (plain, lost, cached)]
    told += [settlement(unmetered, charge=Charge.UNRESOLVED), settlement(foreign, worker="another")]
    unknown = Settlement(("nobody", 1), b"{}", told[0].report)
    assert together(cell, *told, unknown) == [OK, None, None, None, None, None]
    assert [cell.state(job) for job in ("cached", "unmetered", "foreign")] == [State.RUNNING] * 3
    for claim in (lost, cached, unmetered, foreign):
        cell.settle(claim)


def test_a_reply_without_a_price_is_plain_only_where_no_budget_applies(cell: Cell) -> None:
    free = running(cell, "free")[0]
    assert together(cell, settlement(free, nano=None)) == [OK]
    cell.budget(10**6)
    capped = running(cell, "capped")[0]
    assert together(cell, settlement(capped, nano=None)) == [None]
    cell.settle(capped)


def test_the_marks_of_a_budget_are_told_once_each(cell: Cell) -> None:
    claims = running(cell, *"abcdefghij")
    cell.budget(10 * COST)
    more = running(cell, *"klmnopq")
    assert set(together(cell, *map(settlement, claims))) == {OK}
    told = [settlement(claim) for claim in more]
    assert set(together(cell, *told[:5]) + together(cell, *told[5:])) == {OK}
    used = [event.detail for event in cell.run(reads.events(cell.keys, count=100)) if event.name == "budget.used"]
    assert sorted(used) == ["b 50%"]


def test_room_in_a_budget_goes_to_those_who_wait_for_it(cell: Cell) -> None:
    cell.budget(1000)
    claims = running(cell, *(f"r{i}" for i in range(10)))
    cell.submit("waits")
    assert cell.taken() == []
    assert cell.state("waits") is State.WAITING
    together(cell, *map(settlement, claims))
    assert cell.state("waits") is State.QUEUED


def test_as_many_as_one_call_takes_are_settled_in_their_order(cell: Cell) -> None:
    cell.run(admin.open_batch(cell.keys, "b", {"name": "n"}))
    ids = [f"b-{i}" for i in range(SETTLED_AT_ONCE)]
    claims = running(cell, *ids, batch="b")
    cell.run(admin.seal_batch(cell.keys, "b", len(ids)))
    assert set(together(cell, *map(settlement, claims))) == {OK}
    assert [job.decode() for job in cell.redis("LRANGE", cell.keys.batch_done("b"), 0, -1)] == [c.id for c in claims]
    assert cell.run(reads.batch(cell.keys, "b")).complete
    assert cell.events().count("batch.completed") == 1
