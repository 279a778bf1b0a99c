"""A record is what unresolved cost is settled by: it is kept until that is done, whatever settings say meanwhile."""

from __future__ import annotations

import pytest

from homa_shared.calls.failures import Charge
from homa_shared.settings.fleet import Fleet
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.fleet import write_fleet
from tests.transitions.cell import BOUND, COST, Cell

DAY_MS = 86_400_000


def settings(cell: Cell, *, seen: int = 0, after: str | None = None, ledger: str = "5d") -> None:
    """As `homa apply` writes them."""
    policy = {} if after is None else {"unresolved": {"after": after, "as": "bound"}}
    fleet = Fleet.model_validate({"retention": {"results": "1h", "ledger": ledger}, **policy})
    cell.run(write_fleet(cell.keys, fleet, seen=seen))


def ambiguous(cell: Cell, job_id: str, bound: int | None = BOUND) -> None:
    """A job that failed after an attempt whose outcome nobody knows."""
    cell.submit(job_id, bound=bound)
    cell.fail(cell.claim(), outcome="ambiguous", charge=Charge.UNRESOLVED)


def again(cell: Cell, claim: Claim) -> Claim:
    """The next attempt, after one whose outcome nobody knows."""
    cell.requeue(claim, outcome="ambiguous", charge=Charge.UNRESOLVED)
    return cell.claim()


def kept_days(cell: Cell, job_id: str) -> float:
    of_both = [cell.redis("PTTL", key) / DAY_MS for key in (cell.keys.job(job_id), cell.keys.attempts(job_id))]
    assert of_both[0] == pytest.approx(of_both[1], abs=0.01)
    return float(of_both[0])


def test_it_outlives_a_patience_that_is_longer_than_the_ledger_is_kept(cell: Cell) -> None:
    settings(cell, after="60d")
    ambiguous(cell, "a")
    assert kept_days(cell, "a") > 60


@pytest.mark.parametrize("longer", [{"after": "60d"}, {"ledger": "60d"}], ids=["after", "ledger"])
def test_it_outlives_a_patience_that_grew_since(cell: Cell, longer: dict[str, str]) -> None:
    settings(cell)
    ambiguous(cell, "a")
    cell.submit("lives")
    living = again(cell, cell.claim())
    assert kept_days(cell, "a") < 7
    settings(cell, seen=1, **longer)
    cell.redis("HDEL", cell.keys.beat(), "trimmed")
    cell.sweep()
    assert kept_days(cell, "a") > 60
    assert cell.redis("PTTL", cell.keys.job("lives")) == -1
    cell.settle(living)


@pytest.mark.parametrize("bound", [BOUND, None], ids=["priced", "unpriced"])
def test_one_that_ends_by_a_later_attempt_is_kept_as_well(cell: Cell, bound: int | None) -> None:
    settings(cell)
    cell.submit("a", bound=bound)
    cell.fail(again(cell, cell.claim()))
    assert kept_days(cell, "a") > 5


def test_it_is_kept_until_the_last_of_its_attempts_is_settled(cell: Cell) -> None:
    settings(cell)
    cell.submit("a", bound=None)
    cell.fail(again(cell, again(cell, cell.claim())))
    assert cell.run(admin.purge(cell.keys, ["a"])) == 0
    assert cell.run(admin.resolve(cell.keys, "a", 1, COST)) == "ok"
    assert kept_days(cell, "a") > 5
    assert cell.run(admin.resolve(cell.keys, "a", 2, COST)) == "ok"
    assert kept_days(cell, "a") < 1
    assert cell.run(admin.purge(cell.keys, ["a"])) == 1


def test_one_whose_cost_is_settled_before_it_ends_is_kept_like_others(cell: Cell) -> None:
    settings(cell)
    cell.submit("a", bound=None)
    claim = again(cell, cell.claim())
    cell.run(admin.resolve(cell.keys, "a", 1, COST))
    cell.fail(claim)
    assert kept_days(cell, "a") < 1


def test_a_record_of_an_earlier_release_is_kept_for_its_sum(cell: Cell) -> None:
    """It counts no attempts."""
    settings(cell)
    cell.submit("a")
    claim = again(cell, cell.claim())
    cell.redis("HDEL", cell.keys.job("a"), "uo")
    cell.fail(claim)
    assert kept_days(cell, "a") > 5
    assert cell.run(admin.resolve(cell.keys, "a", 1, COST)) == "ok"
    assert kept_days(cell, "a") < 1
