"""What nobody came to know of an attempt's cost: it stands unresolved for ever, or settings say what becomes of it."""

from __future__ import annotations

import pytest

from homa_shared.calls.failures import Charge
from homa_shared.model.records import State
from homa_shared.settings.fleet import Fleet
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import ReportResult
from homa_shared.store.transitions.fleet import write_fleet
from tests.transitions.cell import BOUND, COST, MODEL, Cell, budget

DAY_MS = 86_400_000


def ambiguous(cell: Cell, job_id: str, **more: object) -> None:
    """A job that failed after an attempt whose outcome nobody knows."""
    cell.submit(job_id, **more)
    cell.fail(cell.claim(), outcome="ambiguous", charge=Charge.UNRESOLVED)


def age(cell: Cell, job_id: str, ms: int = DAY_MS) -> None:
    cell.redis("ZADD", cell.keys.unresolved(), cell.now() - ms, f"{job_id}:1")


def policy(cell: Cell, after: str = "24h", counts_as: str = "bound", *, seen: int = 0) -> None:
    """The setting, as `homa apply` writes it."""
    fleet = Fleet.model_validate({"unresolved": {"after": after, "as": counts_as}})
    cell.run(write_fleet(cell.keys, fleet, seen=seen))


def open_attempts(cell: Cell) -> list[str]:
    return [name for name, _ in cell.run(reads.unresolved(cell.keys))]


def spent(cell: Cell) -> tuple[int, int]:
    table = cell.run(reads.costs(cell.keys, "provider"))
    return table.nano_usd, table.unresolved_nano_usd


def test_without_a_policy_it_stays_unresolved(cell: Cell) -> None:
    ambiguous(cell, "a")
    age(cell, "a", 20 * DAY_MS)
    cell.sweep()
    assert open_attempts(cell) == ["a:1"]
    assert spent(cell) == (0, BOUND)


def test_a_record_with_unresolved_cost_outlives_the_retention_of_results(cell: Cell) -> None:
    fleet = Fleet.model_validate({"retention": {"results": "1h", "ledger": "5d"}})
    cell.run(write_fleet(cell.keys, fleet, seen=0))
    cell.submit("good")
    cell.settle(cell.claim())
    ambiguous(cell, "open")
    assert cell.redis("PTTL", cell.keys.job("good")) <= 3_600_000
    for key in (cell.keys.job("open"), cell.keys.attempts("open")):
        assert cell.redis("PTTL", key) > 5 * DAY_MS
    assert cell.run(admin.resolve(cell.keys, "open", 1, COST, {"by": "me"})) == "ok"
    assert cell.redis("PTTL", cell.keys.job("open")) <= 3_600_000
    assert cell.redis("PTTL", cell.keys.attempts("open")) <= 3_600_000


def test_a_total_budget_gets_its_part_back_when_the_ledgers_retention_ends(cell: Cell) -> None:
    cell.budget(1000)
    ambiguous(cell, "a")
    assert cell.redis("HGET", cell.keys.budget("b"), "unres") == b"100"
    age(cell, "a", 31 * DAY_MS)
    cell.sweep()
    assert open_attempts(cell) == []
    assert (cell.redis("HGET", cell.keys.budget("b"), "unres"), spent(cell)) == (b"0", (BOUND, 0))
    assert cell.redis("HGET", cell.keys.budget("b"), "spent") == b"100"
    told = [event.detail for event in cell.run(reads.latest_events(cell.keys, 20)) if event.name == "attempt.resolved"]
    assert told == ["attempt 1 as bound: the retention of the ledger has ended"]


def test_what_a_total_budget_has_spent_never_expires_and_a_days_does(cell: Cell) -> None:
    for period in ("total", "day"):
        cell.budget(1000, name=period, period=period)
        cell.submit(f"in-{period}")
        cell.settle(cell.claim())
    rows = cell.redis("SMEMBERS", cell.keys.budgets())
    ttl = {name.decode()[:3]: cell.redis("PTTL", cell.keys.budget(name.decode())) for name in rows}
    assert ttl["tot"] == -1
    assert ttl["day"] > 0
    cell.config(budgets=[])
    cell.redis("HDEL", cell.keys.beat(), "trimmed")
    cell.sweep()
    assert cell.redis("PTTL", cell.keys.budget("total")) > 0, "of a budget that is gone"


def test_as_bound_it_counts_as_spent(cell: Cell) -> None:
    policy(cell)
    ambiguous(cell, "a")
    ambiguous(cell, "young")
    age(cell, "a")
    cell.sweep()
    assert open_attempts(cell) == ["young:1"]
    assert spent(cell) == (BOUND, BOUND)
    job = cell.job("a")
    assert (job.state, job.cost_nano_usd, job.unresolved_nano_usd) == (State.FAILED, BOUND, 0)
    (attempt,) = cell.view("a").attempts
    assert (attempt.charge, attempt.nano_usd) == ("actual", BOUND)
    assert cell.events()[-1] == "attempt.resolved"


def test_as_none_it_is_dropped(cell: Cell) -> None:
    policy(cell, counts_as="none")
    ambiguous(cell, "a")
    age(cell, "a")
    cell.sweep()
    assert open_attempts(cell) == []
    assert spent(cell) == (0, 0)


def test_its_budget_is_told(cell: Cell) -> None:
    policy(cell, counts_as="none")
    cell.budget(BOUND)
    ambiguous(cell, "a")
    cell.submit("next")
    assert cell.taken() == [], "spent and unresolved leave no room"
    age(cell, "a")
    cell.sweep()
    (row,) = cell.run(reads.budgets(cell.keys))
    assert (row.spent_nano_usd, row.unresolved_nano_usd) == (0, 0)


def test_a_call_without_a_known_price_stays_unpriced(cell: Cell) -> None:
    policy(cell)
    ambiguous(cell, "a", bound=None)
    age(cell, "a")
    cell.sweep()
    assert open_attempts(cell) == []
    table = cell.run(reads.costs(cell.keys, "provider"))
    assert (table.nano_usd, table.unpriced) == (0, 1), "never free"


def test_a_late_reply_in_time_comes_before_the_policy(cell: Cell) -> None:
    policy(cell)
    cell.submit("a")
    claim = cell.claim()
    cell.lose(claim)
    assert cell.settle(claim) is ReportResult.LATE
    cell.sweep()
    assert spent(cell) == (COST, 0)
    assert cell.state("a") is State.SUCCEEDED


@pytest.mark.parametrize("counts_as", ["bound", "none"])
def test_a_reply_that_comes_after_the_policy_replaces_it_once(cell: Cell, counts_as: str) -> None:
    policy(cell, counts_as=counts_as)
    cell.budget(10 * BOUND)
    cell.submit("a", max_attempts=1)
    claim = cell.claim()
    cell.lose(claim)
    age(cell, "a")
    cell.sweep()
    assert spent(cell) == (BOUND if counts_as == "bound" else 0, 0)
    for _ in range(3):
        cell.settle(claim, worker="w", target=MODEL)
    assert spent(cell) == (COST, 0)
    assert budget(cell) == (COST, 0, 0)
    assert cell.job("a").cost_nano_usd == COST
    (attempt,) = cell.view("a").attempts
    assert (attempt.charge, attempt.nano_usd) == ("actual", COST)
    lines = [(line.outcome, line.nano_usd) for line in cell.run(reads.ledger(cell.keys))]
    assert sum(nano for _, nano in lines) == COST
    assert [outcome for outcome, _ in lines] == ["lost", "resolved", "succeeded"], "each correction is a line"


def test_a_reply_that_comes_after_a_person_replaces_it_and_ends_a_job_that_lives(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.lose(claim)
    assert cell.run(admin.resolve(cell.keys, "a", 1, 5)) == "ok"
    assert spent(cell) == (5, 0)
    assert cell.settle(claim) is ReportResult.LATE
    assert (cell.state("a"), spent(cell)) == (State.SUCCEEDED, (COST, 0))
    assert cell.settle(claim) is ReportResult.OK
    assert cell.run(admin.resolve(cell.keys, "a", 1, 9)) == "stale", "what the worker knows stands"
    assert spent(cell) == (COST, 0)


def test_a_late_word_that_nothing_was_charged_replaces_it_as_well(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.lose(claim)
    cell.run(admin.resolve(cell.keys, "a", 1, 5))
    assert cell.requeue(claim, outcome="rate_limited") is ReportResult.LATE
    assert spent(cell) == (0, 0)
    assert cell.requeue(claim, outcome="rate_limited") is ReportResult.STALE


def test_a_late_reply_without_a_price_leaves_what_a_person_read_in_the_bill(cell: Cell) -> None:
    cell.submit("a", bound=None)
    claim = cell.claim()
    cell.lose(claim)
    cell.run(admin.resolve(cell.keys, "a", 1, 5))
    assert cell.settle(claim, nano=None) is ReportResult.LATE
    table = cell.run(reads.costs(cell.keys, "provider"))
    assert (table.nano_usd, table.unpriced) == (5, 0)


def test_a_late_price_replaces_unpriced(cell: Cell) -> None:
    policy(cell)
    cell.submit("a", bound=None)
    claim = cell.claim()
    cell.lose(claim)
    age(cell, "a")
    cell.sweep()
    assert cell.settle(claim) is ReportResult.LATE
    table = cell.run(reads.costs(cell.keys, "provider"))
    assert (table.nano_usd, table.unpriced) == (COST, 0)


def test_more_than_a_slice_is_done_in_the_next(cell: Cell) -> None:
    policy(cell)
    for n in range(7):
        ambiguous(cell, f"j{n}")
        age(cell, f"j{n}")
    cell.sweep(slice_size=3)
    assert open_attempts(cell) == []
    assert spent(cell) == (7 * BOUND, 0)


def test_an_attempt_whose_record_is_gone_leaves_the_index(cell: Cell) -> None:
    policy(cell)
    cell.redis("ZADD", cell.keys.unresolved(), 1, "gone:1")
    cell.sweep()
    assert open_attempts(cell) == []


def test_taking_the_policy_back_keeps_what_is_open(cell: Cell) -> None:
    policy(cell)
    cell.run(write_fleet(cell.keys, Fleet(), seen=1))
    ambiguous(cell, "a")
    age(cell, "a")
    cell.sweep()
    assert open_attempts(cell) == ["a:1"]
    assert cell.job("a").target == MODEL


def test_a_late_reply_to_an_unpriced_call_is_taken(cell: Cell) -> None:
    cell.submit("a", bound=None)
    claim = cell.claim()
    cell.lose(claim)
    assert cell.settle(claim, nano=None) is ReportResult.LATE
    assert cell.state("a") is State.SUCCEEDED
