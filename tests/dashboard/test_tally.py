"""What ended in the last minute is summed by second, whatever the number of lines; quotas say why the rest is idle."""

from __future__ import annotations

from homa.gateway.dashboard.tally import CURVE_MS, STEP_MS, WINDOW_MS, Tally
from homa_shared.store.reads.money import LedgerLine

NOW = 1_800_000_000_000


def line(at_ms: int, target: str = "p:m", outcome: str = "succeeded") -> LedgerLine:
    return LedgerLine(f"{at_ms}-0", "j", 1, target, "", "", outcome, 10, 5, 0, 100, 0, 0)


def test_lines_of_the_last_minute_count_by_target_and_older_ones_no_more() -> None:
    tally = Tally()
    tally.begin(NOW - WINDOW_MS)
    tally.add([line(NOW - 50_000), line(NOW - 40_000, "q:m"), line(NOW, outcome="overloaded")], NOW)
    assert {target: sums.requests for target, sums in tally.by_target().items()} == {"p:m": 2, "q:m": 1}
    assert (tally.total().answered, tally.total().input_tokens, tally.total().nano_usd) == (2, 30, 300)
    tally.add([], NOW + 30_000)
    assert tally.total().requests == 1


def test_what_the_cache_answered_is_answered_and_used_no_quota() -> None:
    tally = Tally()
    tally.begin(NOW - WINDOW_MS)
    tally.add([line(NOW, outcome="cached")], NOW)
    assert tally.by_target() == {}
    assert tally.total().answered == 1


def test_sums_reach_back_as_far_as_every_line_was_read() -> None:
    tally = Tally()
    tally.begin(NOW)
    assert tally.window_ms(NOW + 5000) == 5000
    assert tally.window_ms(NOW + WINDOW_MS * 3) == WINDOW_MS


def test_a_curve_has_a_point_for_each_step_that_is_over_also_for_an_empty_one() -> None:
    tally = Tally()
    tally.begin(NOW)
    assert tally.curve(NOW + STEP_MS) == []
    tally.add([line(NOW + STEP_MS * 2)], NOW + STEP_MS * 2)
    points = [sums.requests for sums in tally.curve(NOW + STEP_MS * 6)]
    assert points.count(1) == 1
    assert len(points) in (4, 5)
    assert len(tally.curve(NOW + CURVE_MS * 5)) == CURVE_MS // STEP_MS
