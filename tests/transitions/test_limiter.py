"""The limiter: short bursts, an even pace, refunds while they count, debts, freezes, rates that find themselves."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from homa_shared.model.records import State
from homa_shared.model.tokens import QuotaUse, Tokens
from homa_shared.quota.plan_rows import zone_offsets
from homa_shared.store import reads
from tests.transitions.cell import OTHER, Cell


def tat_ahead_ms(cell: Cell, scope: str, dimension: str) -> float:
    """How far a dimension's theoretical arrival time lies ahead of the store's clock, ms."""
    return float(cell.redis("HGET", cell.keys.scope(scope), dimension)) / 1000 - cell.now()


def field(cell: Cell, scope: str, name: str) -> float:
    return float(cell.redis("HGET", cell.keys.scope(scope), name))


def row(cell: Cell, scope: str, dimension: str) -> reads.LimitRow:
    return next(r for r in cell.run(reads.limits(cell.keys)) if (r.scope, r.dimension) == (scope, dimension))


def test_a_burst_is_half_a_second_of_quota(cell: Cell) -> None:
    cell.plan(rpm=1200)
    cell.submit(*(f"j{i}" for i in range(50)))
    answer = cell.take(50)
    assert len(answer.claims) == 10
    assert 0 < (answer.wait_ms or 0) <= 50


def test_quota_comes_back_at_its_pace(cell: Cell) -> None:
    scope = cell.plan(rpm=600)
    cell.submit(*(f"j{i}" for i in range(50)))
    assert len(cell.taken(50)) == 5
    # 300 ms pass: at ten a second that is three more.
    cell.redis("HSET", cell.keys.scope(scope), "r", field(cell, scope, "r") - 300_000)
    assert len(cell.taken(50)) in (3, 4)


def test_tokens_are_reserved_in_their_own_dimensions(cell: Cell) -> None:
    scope = cell.plan(itpm=6000, otpm=60_000, burst=1000)
    cell.submit("a", tokens=(0, 60, 100))
    cell.take()
    assert tat_ahead_ms(cell, scope, "i") == pytest.approx(600, abs=60)
    assert tat_ahead_ms(cell, scope, "o") == pytest.approx(100, abs=60)


def test_unused_quota_goes_back(cell: Cell) -> None:
    scope = cell.plan(tpm=60_000)
    cell.submit("a", tokens=(400, 0, 0))
    cell.settle(cell.claim(), used=QuotaUse(1, Tokens(100, 0, 0)))
    assert tat_ahead_ms(cell, scope, "t") == pytest.approx(100, abs=60)


def test_quota_of_a_window_that_has_passed_does_not_come_back(cell: Cell) -> None:
    scope = cell.plan(tpm=60_000)
    cell.submit("a", tokens=(400, 0, 0))
    claim = cell.claim()
    cell.redis("HSET", cell.keys.job("a"), "as", cell.now() - 61_000)
    cell.settle(claim, used=QuotaUse(1, Tokens(100, 0, 0)))
    assert tat_ahead_ms(cell, scope, "t") == pytest.approx(400, abs=60)


def test_what_was_used_beyond_the_reservation_always_counts(cell: Cell) -> None:
    scope = cell.plan(tpm=60_000)
    cell.submit("a", tokens=(400, 0, 0))
    claim = cell.claim()
    cell.redis("HSET", cell.keys.job("a"), "as", cell.now() - 61_000)
    cell.settle(claim, used=QuotaUse(1, Tokens(900, 0, 0)))
    assert tat_ahead_ms(cell, scope, "t") == pytest.approx(900, abs=60)


def test_a_request_larger_than_the_burst_goes_into_debt(cell: Cell) -> None:
    scope = cell.plan(tpm=6000)
    cell.submit("a", "b", tokens=(3000, 0, 0))
    assert cell.taken() == ["a"]
    assert tat_ahead_ms(cell, scope, "t") == pytest.approx(30_000, abs=100)
    assert 29_000 < (cell.take(worker="v").wait_ms or 0) <= 30_000


def test_a_request_larger_than_the_limit_fails_clearly(cell: Cell) -> None:
    scope = cell.plan(tpm=6000)
    cell.submit("a", tokens=(6001, 0, 0))
    cell.submit("b", tokens=(10, 0, 0))
    assert cell.taken() == ["b"]
    assert cell.state("a") is State.FAILED
    assert cell.error("a")["kind"] == "too_large"
    assert f"more tpm than the limit of {scope}" in cell.error("a")["message"]


def test_all_dimensions_are_reserved_or_none(cell: Cell) -> None:
    scope = cell.plan(rpm=6000, tpm=600)
    cell.submit("a", "b", tokens=(300, 0, 0))
    assert cell.taken() == ["a"]
    before = field(cell, scope, "r")
    assert cell.taken() == []
    assert field(cell, scope, "r") == before


def test_headers_may_lower_a_limit_and_never_raise_it(cell: Cell) -> None:
    scope = cell.plan(rpm=600)
    cell.submit("a", "b")
    cell.settle(cell.claim(), limits=(60, 0))
    assert row(cell, scope, "rpm").limit == 60
    cell.redis("HDEL", cell.keys.scope(scope), "r")
    cell.settle(cell.claim(), limits=(6000, 0))
    assert row(cell, scope, "rpm").limit == 600


def test_a_429_freezes_the_scope_for_everybody(cell: Cell) -> None:
    scope = cell.plan(rpm=6000)
    cell.plan(OTHER, rpm=6000)
    cell.submit("a", "b")
    cell.submit("c", target=OTHER)
    cell.requeue(cell.claim(), outcome="rate_limited", freeze_ms=20_000)
    answer = cell.take(worker="w2")
    assert [c.id for c in answer.claims] == ["c"]
    assert 19_000 < (answer.wait_ms or 0) <= 20_000
    assert 19_000 < row(cell, scope, "rpm").frozen_ms <= 20_000
    assert row(cell, scope, "rpm").available == 0


def test_a_shorter_freeze_does_not_shorten_a_longer_one(cell: Cell) -> None:
    scope = cell.plan(rpm=60_000)
    cell.submit("a", "b")
    first, second = cell.take(2).claims
    cell.requeue(first, outcome="rate_limited", freeze_ms=20_000)
    until = field(cell, scope, "frozen")
    cell.requeue(second, outcome="rate_limited", freeze_ms=-1)
    assert field(cell, scope, "frozen") == until


def test_after_a_freeze_quota_opens_slowly(cell: Cell) -> None:
    scope = cell.plan(rpm=600)
    cell.redis("HSET", cell.keys.scope(scope), "frozen", cell.now(), "ramp", 5000)
    cell.submit("a", "b", "c")
    # At a tenth of ten a second one call stands for a second, larger than the burst: one goes, into debt.
    assert cell.taken() == ["a"]
    assert tat_ahead_ms(cell, scope, "r") > 500
    cell.redis("HSET", cell.keys.scope(scope), "frozen", cell.now() - 6000)
    cell.redis("HDEL", cell.keys.scope(scope), "r")
    cell.submit(*(f"j{i}" for i in range(20)))
    assert len(cell.taken(20)) == 5


def test_without_a_limit_the_rate_grows_while_work_waits(cell: Cell) -> None:
    scope = cell.plan(adaptive=1)
    cell.submit(*(f"j{i}" for i in range(3000)))
    cell.take(100)
    cell.take(100)
    cell.redis(
        "HSET", cell.keys.scope(scope), "rate", 20, "grown", cell.now() - 1000, "r", (cell.now() + 60_000) * 1000
    )
    cell.take(1)
    assert field(cell, scope, "rate") == pytest.approx(40, rel=0.05)


def test_a_429_cuts_a_rate_that_found_itself(cell: Cell) -> None:
    scope = cell.plan(adaptive=1)
    cell.redis("HSET", cell.keys.scope(scope), "rate", 100)
    cell.submit("a", "b")
    first, second = cell.take(2).claims
    cell.requeue(first, outcome="rate_limited", freeze_ms=-1)
    assert field(cell, scope, "rate") == pytest.approx(70)
    # The same event tells itself by several calls: it cuts once.
    cell.requeue(second, outcome="rate_limited", freeze_ms=-1)
    assert field(cell, scope, "rate") == pytest.approx(70)


def test_the_second_cut_goes_by_what_was_accepted_in_between(cell: Cell) -> None:
    scope = cell.plan(adaptive=1)
    cell.submit("a")
    claim = cell.claim()
    cell.redis("HSET", cell.keys.scope(scope), "rate", 100, "cut_at", cell.now() - 2000, "cut_acc", 0, "acc", 100)
    cell.requeue(claim, outcome="rate_limited", freeze_ms=-1)
    assert field(cell, scope, "rate") == pytest.approx(49, rel=0.02)


def test_after_a_cut_the_rate_probes_gently(cell: Cell) -> None:
    scope = cell.plan(adaptive=1)
    now = cell.now()
    cell.submit("a")
    ahead = (now + 60_000) * 1000
    cell.redis("HSET", cell.keys.scope(scope), "rate", 100, "cut_at", now - 5000, "grown", now - 1000, "r", ahead)
    cell.take(1)
    assert 100 < field(cell, scope, "rate") < 101


def test_requests_a_day_are_counted_in_a_window_that_turns(cell: Cell) -> None:
    scope = cell.plan(rpd=2, dayend=cell.now() + 3_600_000)
    cell.submit("a", "b", "c", "d")
    assert cell.taken() == ["a", "b"]
    assert (row(cell, scope, "rpd").used, row(cell, scope, "rpd").available) == (2, 0)
    assert (cell.take(worker="v").wait_ms or 0) > 3_500_000
    cell.redis("HSET", cell.keys.scope(scope), "dayend", cell.now() - 1)
    assert cell.taken() == ["c", "d"]
    assert field(cell, scope, "dayend") > cell.now() + 86_000_000


def test_a_day_whose_end_nobody_told_ends_at_midnight_utc(cell: Cell) -> None:
    scope = cell.plan(rpd=1)
    cell.submit("a", "b")
    assert cell.taken() == ["a"]
    assert field(cell, scope, "dayend") % 86_400_000 == 0


def test_a_call_that_was_never_sent_counts_against_no_day(cell: Cell) -> None:
    cell.plan(rpd=1)
    cell.submit("a")
    cell.release(cell.claim())
    assert cell.taken() == ["a"]


def test_no_more_run_at_once_than_there_are_slots(cell: Cell) -> None:
    cell.plan(conc=2)
    cell.submit("a", "b", "c")
    first, _ = cell.take().claims
    answer = cell.take(worker="v")
    assert (answer.claims, answer.wait_ms) == ([], 1000)
    cell.redis("DEL", cell.keys.bell("p"))
    cell.settle(first)
    # Who sleeps for the lack of a slot is woken.
    assert cell.redis("LLEN", cell.keys.bell("p")) == 1
    assert cell.taken() == ["c"]


def test_an_attempt_gives_its_slots_back_once(cell: Cell) -> None:
    scope = cell.plan(conc=5, rpm=6000)
    cell.submit("a", "b")
    first, _ = cell.take().claims
    cell.settle(first)
    cell.settle(first)
    cell.fail(first)
    assert cell.numbers(cell.keys.scope("p"))["busy"] == 1
    assert cell.numbers(cell.keys.scope(scope))["busy"] == 1


def test_a_limit_that_is_gone_from_the_plan_is_gone(cell: Cell) -> None:
    cell.plan(rpm=60)
    cell.submit("a", "b")
    assert cell.taken() == ["a"]
    cell.plan()
    assert cell.taken() == ["b"]


def test_over_a_minute_the_quota_is_met_and_not_passed(cell: Cell) -> None:
    """Real time, in small: two seconds at 3000 a minute are a hundred calls, and half a second's burst."""
    cell.plan(rpm=3000, burst=100)
    cell.submit(*(f"j{i}" for i in range(200)))
    begin = time.monotonic()
    given = 0
    while (passed := time.monotonic() - begin) < 1:
        answer = cell.take(50)
        given += len(answer.claims)
        assert given <= 50 * (time.monotonic() - begin) + 5 + 1
        time.sleep(min(0.02, (answer.wait_ms or 1) / 1000))
    assert given >= 50 * passed - 2


@pytest.mark.parametrize("hours", [1, -1, 8])
def test_a_day_whose_end_moved_with_the_clocks_ends_when_told(cell: Cell, hours: int) -> None:
    turned = cell.now() + 40_000_000
    scope = cell.plan(rpd=2, dayend=turned)
    cell.submit("a")
    cell.taken()
    cell.plan(rpd=2, dayend=turned + hours * 3_600_000)
    assert field(cell, scope, "dayend") == turned + hours * 3_600_000
    assert row(cell, scope, "rpd").used == 1, "it is the same day"


@pytest.mark.parametrize("zone", ["UTC", "America/Los_Angeles", "Asia/Kathmandu", "Pacific/Auckland"])
@pytest.mark.parametrize("wrong_days", [0, 3, -200])
def test_a_zones_midnight_goes_by_the_stores_clock(cell: Cell, zone: str, wrong_days: int) -> None:
    mine = datetime.now(UTC) + timedelta(days=wrong_days)
    scope = cell.plan(rpd=2, dayend=zone_offsets(zone, mine))
    local = datetime.fromtimestamp(cell.now() / 1000, ZoneInfo(zone))
    midnight = datetime.combine(local.date() + timedelta(days=1), datetime.min.time(), tzinfo=ZoneInfo(zone))
    assert field(cell, scope, "dayend") == midnight.timestamp() * 1000


@pytest.mark.parametrize("change_h", [-2, 2])
def test_a_midnight_behind_a_change_of_the_clocks_has_its_own_offset(cell: Cell, change_h: int) -> None:
    """Now it is UTC; from five minutes on another offset holds."""
    now = cell.now()
    scope = cell.plan(rpd=2, dayend=[[0, 0], [now + 300_000, change_h * 3_600_000]])
    midnight = (now // 86_400_000 + 1) * 86_400_000
    assert field(cell, scope, "dayend") == midnight - change_h * 3_600_000


@pytest.mark.parametrize("days", [1, -1])
def test_whose_clock_is_a_day_ahead_or_behind_moves_no_day(cell: Cell, days: int) -> None:
    end = cell.now() + 40_000_000
    scope = cell.plan(rpd=2, dayend=end)
    cell.plan(rpd=2, dayend=end + days * 86_400_000)
    assert field(cell, scope, "dayend") == end


def test_what_was_not_sent_yesterday_makes_no_room_today(cell: Cell) -> None:
    scope = cell.plan(rpd=5, dayend=cell.now() + 3_600_000)
    cell.submit("a", "b")
    claim = cell.claim()
    cell.redis("HSET", cell.keys.scope(scope), "dayend", cell.now() - 1)
    cell.claim()
    cell.redis("HSET", cell.keys.job("a"), "as", cell.now() - 3_600_000)
    cell.redis("HSET", cell.keys.scope(scope), "dayend", cell.now() + 86_400_000 - 1_800_000)
    cell.release(claim)
    assert row(cell, scope, "rpd").used == 1


def test_requests_that_were_refused_before_the_last_one_count(cell: Cell) -> None:
    scope = cell.plan(rpm=600, tpm=60_000, rpd=100)
    cell.submit("a", tokens=(400, 0, 0))
    cell.settle(cell.claim(), used=QuotaUse(2))
    assert tat_ahead_ms(cell, scope, "r") == pytest.approx(200, abs=60)
    assert tat_ahead_ms(cell, scope, "t") == pytest.approx(400, abs=60), "its tokens stand as they were reserved"
    assert field(cell, scope, "dayn") == 2
