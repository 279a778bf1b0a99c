"""Tokens that a provider reads from its prompt cache and does not count are not reserved, once it holds them."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.request import Option
from homa_shared.model.tokens import PrefixTokens, QuotaUse, Tokens
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.steps import Leave, next_step
from tests.transitions.cell import MODEL, Cell

DIGEST = "ab12"
#: Input tokens of each job, and of the prefix that all share.
INPUT, SHARED = 1000, 900
TOKENS = {"tokens": (INPUT + 10, INPUT, 10), "prefix": PrefixTokens(SHARED, DIGEST)}


def plan(cell: Cell, exempts: int = 1, **limits: Any) -> None:
    """A hundred input tokens a second, ten seconds of which may be used at once: one whole prompt."""
    row = {"name": MODEL, "account": "p", "quota": "p/m", "real": MODEL, "exempts": exempts}
    row |= {"account_limits": {"conc": None}, "quota_limits": {"itpm": 6000, "burst": 10_000} | limits}
    cell.run(admin.write_plans(cell.keys, [row]))


def used(cell: Cell) -> float:
    """Input tokens by which the limiter is ahead of the present; below zero where it is behind."""
    return (float(cell.redis("HGET", cell.keys.scope("p/m"), "i")) / 1000 - cell.now()) / 10


def answered(cell: Cell, *, cached: int = 0, written: int = 0) -> None:
    """The first job of the prefix is through."""
    cell.submit("first", **TOKENS)
    fresh = INPUT - cached
    cell.settle(cell.claim(), cached=cached, written=written, used=QuotaUse(1, Tokens(fresh + 3, fresh, 3)))


def is_warm(cell: Cell) -> bool:
    return bool(cell.redis("EXISTS", cell.keys.shared_prefix(MODEL, DIGEST)))


def rest(cell: Cell) -> None:
    """The bucket is full again."""
    cell.redis("HDEL", cell.keys.scope("p/m"), "i", "t")


def test_a_cold_prefix_is_reserved_whole(cell: Cell) -> None:
    plan(cell)
    cell.submit("a", "b", **TOKENS)
    assert cell.taken() == ["a"], "there is room for one whole prompt"
    assert "xt" not in cell.job("a").raw


@pytest.mark.parametrize("kept", [{"written": SHARED}, {"cached": SHARED}, {"cached": 300, "written": 300}])
def test_once_it_was_read_or_written_only_the_rest_is(cell: Cell, kept: dict[str, int]) -> None:
    plan(cell)
    answered(cell, **kept)
    rest(cell)
    cell.submit(*(f"j{n}" for n in range(20)), **TOKENS)
    taken = cell.taken(20)
    assert 10 <= len(taken) < 20, "there is room for ten rests of a prompt"
    assert cell.job(taken[0]).raw["xt"] == SHARED


def test_what_was_not_reserved_is_counted_where_it_was_not_cached(cell: Cell) -> None:
    plan(cell, burst=60_000)
    answered(cell, written=SHARED)
    rest(cell)
    cell.submit("a", "b", **TOKENS)
    claim = cell.claim()
    assert used(cell) <= 200
    cell.settle(claim, used=QuotaUse(1, Tokens(INPUT + 3, INPUT, 3)))
    assert used(cell) >= 500
    assert "xt" not in cell.job("a").raw
    assert not is_warm(cell), "the provider has forgotten it"
    cell.settle(cell.claim(), cached=SHARED, used=QuotaUse(1, Tokens(103, 100, 3)))
    assert is_warm(cell)


def test_what_was_not_reserved_is_not_given_back(cell: Cell) -> None:
    plan(cell, burst=60_000)
    answered(cell, written=SHARED)
    rest(cell)
    cell.submit("a", **TOKENS)
    claim = cell.claim()
    cell.settle(claim, cached=SHARED, used=QuotaUse(1, Tokens(103, 100, 3)))
    assert used(cell) >= -400


def test_other_prefixes_and_targets_stay_cold(cell: Cell) -> None:
    plan(cell)
    answered(cell, written=SHARED)
    rest(cell)
    cell.submit("a", **(TOKENS | {"prefix": PrefixTokens(SHARED, "cd34")}))
    cell.taken()
    assert "xt" not in cell.job("a").raw


def test_providers_that_count_all_tokens_reserve_all(cell: Cell) -> None:
    plan(cell, exempts=0)
    answered(cell, written=SHARED)
    rest(cell)
    cell.submit("a", **TOKENS)
    cell.taken()
    assert "xt" not in cell.job("a").raw


def test_a_reply_without_the_prefix_leaves_it_cold(cell: Cell) -> None:
    plan(cell)
    answered(cell, cached=100)
    assert not is_warm(cell)


def test_a_failed_call_says_nothing_of_it(cell: Cell) -> None:
    plan(cell)
    answered(cell, written=SHARED)
    cell.submit("a", **TOKENS)
    rest(cell)
    cell.fail(cell.claim())
    assert is_warm(cell)


def test_it_is_taken_for_granted_for_four_minutes(cell: Cell) -> None:
    plan(cell)
    answered(cell, written=SHARED)
    assert 200_000 < cell.redis("PTTL", cell.keys.shared_prefix(MODEL, DIGEST)) <= 240_000


def test_a_second_call_of_an_attempt_is_reserved_whole(cell: Cell) -> None:
    plan(cell, burst=60_000)
    answered(cell, written=SHARED)
    rest(cell)
    cell.submit("a", **TOKENS)
    claim = cell.claim()
    need = Option(MODEL, 100, (INPUT + 20, INPUT + 10, 10))
    assert cell.run(next_step(cell.keys, (claim.id, claim.attempt), 1, need, worker="w")).leave is Leave.OK
    assert used(cell) >= 500
    assert "xt" not in cell.job("a").raw


def test_why_knows_it(cell: Cell) -> None:
    plan(cell)
    answered(cell, written=SHARED)
    cell.redis("HSET", cell.keys.scope("p/m"), "i", (cell.now() + 8000) * 1000)
    cell.submit("a", **TOKENS)
    warm = cell.run(reads.why(cell.keys, "a"))
    cell.redis("DEL", cell.keys.shared_prefix(MODEL, DIGEST))
    cold = cell.run(reads.why(cell.keys, "a"))
    assert warm is not None
    assert cold is not None
    assert [hold.kind for hold in cold.holds] == ["limit"]
    assert [hold.kind for hold in warm.holds] == []


def test_a_retry_by_hand_knows_its_prefix(cell: Cell) -> None:
    plan(cell)
    cell.submit("a", **TOKENS)
    cell.fail(cell.claim())
    cell.run(admin.retry(cell.keys, "a", "a2"))
    record = cell.job("a2").raw
    assert (record["pk"], record["pt"]) == (DIGEST, SHARED)
