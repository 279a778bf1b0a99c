"""Limits that headers told hold, whatever calls larger than them reserve, use and give back."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from homa_shared.model.tokens import NO_TOKENS, NOTHING_USED, QuotaUse, Tokens
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.steps import stand_by
from tests.transitions.cell import Cell

#: Tokens a minute that headers tell, and what a job reserves and uses of them.
TOLD, RESERVED, USED = 6000, 10_192, 2500
SCOPE = "p/m"


def told(cell: Cell, limit: int = TOLD) -> None:
    """A reply's headers name a limit of tokens; nothing is configured."""
    cell.plan(adaptive=1)
    cell.submit("first")
    cell.settle(cell.claim(), limits=(0, limit), input=0, output=0, used=QuotaUse(1, NO_TOKENS))


def ahead_ms(cell: Cell) -> float:
    return float(cell.redis("HGET", cell.keys.scope(SCOPE), "t") or 0) / 1000 - cell.now()


def begun_earlier(cell: Cell, claims: list[Claim]) -> list[Claim]:
    for claim in claims:
        cell.redis("HINCRBY", cell.keys.job(claim.id), "as", -1000)
    return claims


def begin(cell: Cell, *ids: str) -> list[Claim]:
    cell.submit(*ids, tokens=(RESERVED, 0, 0))
    return list(cell.take(len(ids)).claims)


def test_a_call_larger_than_the_limit_stands_for_what_it_used(cell: Cell) -> None:
    told(cell)
    (claim,) = begin(cell, "a")
    assert ahead_ms(cell) == pytest.approx(60_000, abs=200)
    cell.settle(claim, used=QuotaUse(1, Tokens(USED)))
    assert ahead_ms(cell) == pytest.approx(60_000 * USED / TOLD, abs=200)
    assert begin(cell, "b") == []


def test_one_that_used_more_than_the_limit_stands_for_a_minute(cell: Cell) -> None:
    told(cell)
    (claim,) = begin(cell, "a")
    cell.settle(claim, used=QuotaUse(1, Tokens(2 * RESERVED)))
    assert ahead_ms(cell) == pytest.approx(60_000, abs=200)


@pytest.mark.parametrize(
    "give_back",
    [
        lambda cell, claim: cell.run(stand_by(cell.keys, (claim.id, claim.attempt), worker="w")),
        lambda cell, claim: cell.release(claim),
        lambda cell, claim: cell.requeue(claim, outcome="rate_limited", counts=False, used=NOTHING_USED),
    ],
    ids=["stand_by", "release", "refused"],
)
def test_one_that_was_not_made_wipes_no_debts_of_others(cell: Cell, give_back: Callable[[Cell, Claim], object]) -> None:
    told(cell)
    (claim,) = begin(cell, "a")
    # Twenty seconds of others.
    cell.redis("HINCRBYFLOAT", cell.keys.scope(SCOPE), "t", 20_000_000)
    give_back(cell, claim)
    assert ahead_ms(cell) == pytest.approx(20_000, abs=200)


def test_what_began_before_the_limit_was_told_took_nothing_that_could_go_back(cell: Cell) -> None:
    cell.plan(adaptive=1)
    early = begun_earlier(cell, begin(cell, "a", "b"))
    told(cell)
    (later,) = begin(cell, "c")
    for claim in early:
        cell.settle(claim, used=QuotaUse(1, Tokens(100)))
    assert ahead_ms(cell) == pytest.approx(60_000, abs=200)
    cell.settle(later, used=QuotaUse(1, Tokens(600)))
    assert ahead_ms(cell) == pytest.approx(6000, abs=200)


def test_what_began_under_a_higher_limit_gives_back_nothing_of_the_lower_one(cell: Cell) -> None:
    told(cell, 1_000_000)
    (early,) = begun_earlier(cell, begin(cell, "a"))
    cell.submit("x")
    cell.settle(cell.claim(), limits=(0, TOLD), input=0, output=0, used=QuotaUse(1, NO_TOKENS))
    cell.redis("HSET", cell.keys.scope(SCOPE), "t", (cell.now() + 40_000) * 1000)
    cell.settle(early, used=NOTHING_USED)
    assert ahead_ms(cell) == pytest.approx(40_000, abs=200)
