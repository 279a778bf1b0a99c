"""Good replies told together leave the store as they would told one by one, whatever is among them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from homa_shared.model.records import State
from homa_shared.model.tokens import PrefixTokens, Tokens
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import (
    SETTLED_AT_ONCE,
    Claim,
    Settlement,
    settle_one,
)
from tests.transitions.cell import COST, MODEL, Cell
from tests.transitions.settlements import HOUR_MS, OK, contents, one_by_one, running, settlement, together

#: What the settings may say of how long things are kept, in hours that no other time comes to.
RETENTIONS = [
    {"keep.results": 30, "keep.requests": 0},
    {"keep.results": 30, "keep.requests": 20, "keep.keys": 50, "keep.ledger": 70},
    {"keep.requests": 20, "keep.keys": 10, "unresolved.after": 2000},
]


def varied_claims(cell: Cell, count: int, retention: dict[str, int]) -> list[Claim]:
    """Running jobs that differ in all that a plain settlement looks at; nobody has heard a bell for them."""
    cell.plan(conc=count - 5, rpm=100_000, tpm=1_000_000, rpd=count)
    cell.redis("HSET", cell.keys.target(MODEL), "exempts", 1)
    cell.budget(COST * count * 10, name="b")
    cell.config(**{name: hours * HOUR_MS for name, hours in retention.items()})
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
        if i % 3 == 1:
            own |= {"prefix": PrefixTokens(50, f"ab{i % 5}")}
        cell.submit(f"batch-{i}" if i % 3 == 0 else f"j{i}", **own)
    cell.run(admin.seal_batch(cell.keys, "batch", len(range(0, count, 3))))
    for i in range(2, 4):
        cell.redis("SET", cell.keys.shared_prefix(MODEL, f"ab{i}"), 1)
    claims: list[Claim] = []
    while len(claims) < count - 5:
        taken = cell.take(50).claims
        assert taken
        claims += taken
    cell.redis("DEL", cell.keys.bell("p"))
    return claims


def reports(claims: list[Claim]) -> list[Settlement]:
    return [
        settlement(
            claim,
            # Some took more than was reserved for them, and limits are told in their midst.
            used=(1 + (i % 13 == 5), Tokens(120 - 9 * (i % 7), 75 - 9 * (i % 5), 35 + i % 11)),
            limits=(100_000, 900_000) if i % 4 == 0 and i > 20 else None,
            terms="flex" if i % 6 == 0 else "",
            fees={"searches": 2} if i % 6 == 1 else {},
            saved=11 if i % 2 else 0,
            cached=40 if i % 2 else 0,
            written=40 if i % 8 == 2 else 0,
        )
        for i, claim in enumerate(claims)
    ]


def arrivals(cell: Cell) -> dict[str, float]:
    """Where the quota of the scope stands, us of the store's clock."""
    found = cell.redis("HMGET", cell.keys.scope("p/m"), "r", "t")
    return {letter: float(value) for letter, value in zip("rt", found, strict=True)}


def settled(cell: Cell, tell: Any, size: int, retention: dict[str, int], breaker: str) -> dict[str, float]:
    """Tells of the same jobs in groups; returns how far the quota moved by it, us."""
    told = reports(varied_claims(cell, 50, retention))
    if breaker:
        row = {"state": breaker, "fails": 5, "until": 1, "open_ms": 5000, "probe": 5, "why": "x"}
        cell.redis("HSET", cell.keys.breaker(MODEL), *(part for pair in row.items() for part in pair))
    before = arrivals(cell)
    for start in range(0, len(told), size):
        assert set(tell(cell, *told[start : start + size])) == {OK}
    return {letter: after - before[letter] for letter, after in arrivals(cell).items()}


@pytest.fixture
def other(cell: Cell, namespace: str) -> Iterator[Cell]:
    found = Cell(cell.store.address, f"{namespace}other")
    yield found
    found.store.close()


@pytest.mark.parametrize("breaker", ["", "half-open"])
@pytest.mark.parametrize("retention", RETENTIONS)
@pytest.mark.parametrize("size", [1, 2, 7, 50])
def test_what_is_told_together_leaves_what_it_leaves_one_by_one(
    cell: Cell, other: Cell, size: int, retention: dict[str, int], breaker: str
) -> None:
    moved = settled(cell, together, size, retention, breaker)
    assert moved == pytest.approx(settled(other, one_by_one, size, retention, breaker), abs=1)
    assert all(abs(by_us) > 1000 for by_us in moved.values())
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
