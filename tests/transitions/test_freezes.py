"""What a provider says of its limits slows the fleet for minutes: odd waits and odd headers never stop it for good."""

from __future__ import annotations

from itertools import pairwise

import pytest

from homa_shared.model.constants import LEAST_BURST_MS
from homa_shared.model.tokens import NO_TOKENS, QuotaUse, Tokens
from homa_shared.store import reads
from homa_shared.store.transitions.attempts import Claim
from tests.transitions.cell import MODEL, Cell

DAY_MS = 86_400_000


def refuse(cell: Cell, claim: Claim, freeze_ms: int) -> None:
    cell.requeue(claim, outcome="rate_limited", freeze_ms=freeze_ms, counts=False, note='{"error": "slow down"}')


def pass_ms(cell: Cell, scope: str, ms: int) -> None:
    """So much time passes for a scope."""
    key = cell.keys.scope(scope)
    for name in ("frozen", "frozen_at", "probe", "told_at"):
        if value := float(cell.redis("HGET", key, name) or 0):
            cell.redis("HSET", key, name, value - ms)
    cell.redis("HDEL", key, "r", "t")


def frozen_ms(cell: Cell, scope: str) -> int:
    return next(row.frozen_ms for row in cell.run(reads.limits(cell.keys)) if row.scope == scope)


def test_a_freeze_of_a_day_lets_one_call_through_each_minute(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    cell.submit("a", "b", "c")
    refuse(cell, cell.claim(), DAY_MS)
    answer = cell.take()
    assert answer.claims == []
    assert 59_000 < (answer.wait_ms or 0) <= 60_000
    pass_ms(cell, scope, 60_000)
    assert len(cell.taken()) == 1
    assert cell.taken() == []


@pytest.mark.parametrize(
    ("holds", "least_ms"),
    [({"rpd": 1}, 3_000_000), ({"conc": 1}, 1000), ({"tpm": 6000}, 25_000)],
    ids=["day", "slots", "debt"],
)
def test_a_probe_that_something_else_holds_has_nobody_ask_each_moment(
    cell: Cell, holds: dict[str, int], least_ms: int
) -> None:
    scope = cell.plan(rpm=6000, dayend=cell.now() + 3_600_000, quota="p", **holds)
    cell.submit("a", "b", tokens=(3000, 0, 0))
    claim = cell.claim()
    # Its probe is due.
    cell.redis("HSET", cell.keys.scope(scope), "frozen", cell.now() + DAY_MS, "frozen_at", cell.now(), "probe", 1)
    answer = cell.take(worker="v")
    assert answer.claims == []
    assert least_ms <= (answer.wait_ms or 0)
    cell.settle(claim)


def test_a_probe_that_is_refused_leaves_the_freeze_as_it_is(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    cell.submit("a", "b")
    refuse(cell, cell.claim(), DAY_MS)
    pass_ms(cell, scope, 60_000)
    refuse(cell, cell.claim(), -1)
    assert frozen_ms(cell, scope) > DAY_MS / 2
    assert cell.taken() == []


def test_a_probe_that_gets_through_ends_the_freeze(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    cell.submit("a", "b", "c")
    refuse(cell, cell.claim(), DAY_MS)
    pass_ms(cell, scope, 60_000)
    cell.redis("DEL", cell.keys.bell("p"))
    cell.settle(cell.claim())
    assert frozen_ms(cell, scope) == 0
    assert cell.redis("LLEN", cell.keys.bell("p")) > 0
    assert "scope.unfrozen" in cell.events()
    assert len(cell.taken()) >= 1


def test_a_call_that_was_in_flight_when_the_freeze_began_does_not_end_it(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    cell.submit("a", "b")
    first, second = cell.claim(), cell.claim()
    refuse(cell, first, DAY_MS)
    cell.settle(second)
    assert frozen_ms(cell, scope) > DAY_MS / 2


def test_jobs_still_go_on_to_their_fallback_while_a_scope_is_frozen_for_long(cell: Cell) -> None:
    cell.plan(rpm=6000)
    cell.submit("a")
    cell.submit("b", fallbacks_left=1, lane="bulk")
    refuse(cell, cell.claim(), DAY_MS)
    assert [claim.id for _, claim in cell.take().diverts] == ["b"]


def test_a_freeze_is_an_event_and_told_with_what_made_it(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    cell.submit("a", "b")
    refuse(cell, cell.claim(), DAY_MS)
    event = next(one for one in cell.run(reads.latest_events(cell.keys, 10)) if one.name == "scope.frozen")
    assert (event.target, event.job) == (scope, "a")
    told = f"{MODEL} refused a, which asked for 86400 s: slow down"
    assert event.detail == f"for {DAY_MS} ms: {told}"
    rows = [row for row in cell.run(reads.limits(cell.keys)) if row.scope == scope]
    assert {row.frozen_why for row in rows} == {told}
    why = cell.run(reads.why(cell.keys, "b"))
    assert why is not None
    assert why.holds[0].detail == f"frozen: {told}"


@pytest.mark.parametrize("limits", [{"rpm": 60_000}, {"adaptive": 1}])
def test_refusals_in_a_row_without_a_wait_rest_for_ever_longer(cell: Cell, limits: dict[str, int]) -> None:
    scope = cell.plan(**limits)
    cell.submit("a")
    rests = []
    for _ in range(12):
        refuse(cell, cell.claim(), 0)
        rests.append(frozen_ms(cell, scope))
        pass_ms(cell, scope, 120_000)
    assert 50 < rests[0] <= 100
    assert all(later > before for before, later in pairwise(rests[:10]))
    assert 59_000 < rests[-1] <= 60_000


def test_a_call_that_gets_through_ends_the_row(cell: Cell) -> None:
    scope = cell.plan(rpm=60_000)
    cell.submit("a", "b", "c")
    for _ in range(4):
        refuse(cell, cell.claim(), 0)
        pass_ms(cell, scope, 120_000)
    cell.settle(cell.claim())
    refuse(cell, cell.claim(), 0)
    assert frozen_ms(cell, scope) <= 100


def test_refusals_of_calls_in_flight_together_are_one_of_the_row(cell: Cell) -> None:
    scope = cell.plan(rpm=60_000)
    cell.submit(*(f"j{i}" for i in range(8)))
    claims = cell.take(8).claims
    for claim in claims:
        refuse(cell, claim, 0)
    assert frozen_ms(cell, scope) <= 100


def test_a_limit_of_one_token_told_by_headers_fails_no_job(cell: Cell) -> None:
    scope = cell.plan(tpm=1_000_000)
    cell.submit("a", "b", "c", tokens=(500, 0, 0))
    cell.settle(cell.claim(), limits=(0, 1), input=0, output=0, used=QuotaUse(1, NO_TOKENS))
    cell.redis("HDEL", cell.keys.scope(scope), "t")
    assert cell.taken() == ["b"]
    answer = cell.take()
    assert answer.claims == []
    assert 0 < (answer.wait_ms or 0) <= 60_000
    assert cell.state("c") == "queued"


def test_a_limit_below_what_its_own_reply_took_is_not_believed(cell: Cell) -> None:
    cell.plan(tpm=1_000_000)
    cell.submit("a", "b", tokens=(500, 0, 0))
    cell.settle(cell.claim(), limits=(0, 1), input=400, output=50)
    assert cell.taken() == ["b"]


def test_limits_of_headers_fade_within_minutes(cell: Cell) -> None:
    scope = cell.plan(rpm=600)
    cell.submit("a", "b")
    cell.settle(cell.claim(), limits=(60, 0))
    pass_ms(cell, scope, 300_000)
    assert next(row.limit for row in cell.run(reads.limits(cell.keys)) if row.dimension == "rpm") == 600


def test_limits_that_a_release_before_kept_for_ever_hold_nobody(cell: Cell) -> None:
    scope = cell.plan(tpm=1_000_000)
    cell.redis("HSET", cell.keys.scope(scope), "htpm", 1)
    cell.submit("a", "b", tokens=(500, 0, 0))
    assert len(cell.taken()) == 2


def test_debts_under_a_told_limit_add_up_to_a_minute_at_most(cell: Cell) -> None:
    scope = cell.plan(tpm=1_000_000)
    cell.submit(*(f"j{i}" for i in range(20)), tokens=(100, 0, 0))
    claims = cell.take(20).claims
    cell.settle(claims[0], limits=(0, 1), input=0, output=0)
    for claim in claims[1:]:
        cell.settle(claim, used=QuotaUse(1, Tokens(5000)))
    ahead_ms = float(cell.redis("HGET", cell.keys.scope(scope), "t")) / 1000 - cell.now()
    assert ahead_ms <= 60_001


def refused_below_the_limit(cell: Cell, scope: str) -> None:
    """A call is refused, and the freeze is over."""
    refuse(cell, cell.claim(), 0)
    pass_ms(cell, scope, 120_000)


def test_a_provider_that_refuses_calls_below_the_limit_gets_smaller_bursts(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    cell.submit(*(f"j{n}" for n in range(60)))
    refused_below_the_limit(cell, scope)
    row = next(row for row in cell.run(reads.limits(cell.keys)) if row.scope == scope)
    assert row.state == "bursts of 250 of 500 ms: refused below the limit"
    assert len(cell.taken(60)) in (25, 26)
    for _ in range(9):
        cell.redis("HDEL", cell.keys.scope(scope), "r")
        refused_below_the_limit(cell, scope)
    assert float(cell.redis("HGET", cell.keys.scope(scope), "tight")) == pytest.approx(LEAST_BURST_MS, abs=0.1)


def test_small_bursts_grow_again_in_calm_minutes(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    cell.submit(*(f"j{n}" for n in range(60)))
    refused_below_the_limit(cell, scope)
    cell.redis("HINCRBYFLOAT", cell.keys.scope(scope), "tight_at", -600_000)
    assert next(row for row in cell.run(reads.limits(cell.keys)) if row.scope == scope).state == ""
    assert len(cell.taken(60)) in (50, 51)


def test_calls_in_flight_when_the_first_was_refused_halve_the_burst_once(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    cell.submit(*(f"j{n}" for n in range(5)))
    for claim in cell.take(5).claims:
        refuse(cell, claim, 1000)
    assert float(cell.redis("HGET", cell.keys.scope(scope), "tight")) == 250


def test_a_short_freeze_that_becomes_a_long_one_is_told_and_probed(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    cell.submit("a", "b", "c")
    first, second = cell.take(2).claims
    refuse(cell, first, 5000)
    refuse(cell, second, DAY_MS)
    assert cell.events().count("scope.frozen") == 2
    pass_ms(cell, scope, 60_000)
    assert len(cell.taken()) == 1


def test_a_long_freeze_that_an_earlier_release_left_is_probed_too(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    cell.redis("HSET", cell.keys.scope(scope), "frozen", cell.now() + 30 * DAY_MS)
    cell.submit("a", "b")
    claim = cell.claim()
    assert cell.taken() == []
    cell.settle(claim)
    assert frozen_ms(cell, scope) == 0
