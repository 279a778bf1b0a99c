"""Turns of one period fall together, within a period and a millisecond of any moment."""

from __future__ import annotations

import pytest

from homa_workers import pace


@pytest.mark.parametrize("phase_s", [0.0, 0.37, 0.999])
@pytest.mark.parametrize("period_s", [0.1, 0.5, 1.0, 5.0, 30.0])
def test_whoever_asks_when_is_told_the_same_moment(
    monkeypatch: pytest.MonkeyPatch, phase_s: float, period_s: float
) -> None:
    monkeypatch.setattr(pace, "_PHASE_S", phase_s)
    began = 1_000.0 * period_s - phase_s
    turns = set()
    for part in (0.1, 0.25, 0.5, 0.9):
        now = began + part * period_s
        monkeypatch.setattr(pace.time, "monotonic", lambda now=now: now)
        pause_s = pace.until_turn(period_s)
        assert 0 < pause_s <= period_s + 0.001
        turns.add(round(now + pause_s, 6))
    assert turns == {round(began + period_s, 6)}


def test_a_timer_that_rings_early_makes_no_second_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace, "_PHASE_S", 0.0)
    monkeypatch.setattr(pace.time, "monotonic", lambda: 99.9999)
    assert pace.until_turn(1.0) == pytest.approx(1.0001)


def test_turns_of_a_multiple_fall_on_turns_of_the_period(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pace.time, "monotonic", lambda: 1234.5678)
    ends = [1234.5678 + pace.until_turn(period_s) + pace._PHASE_S for period_s in (0.5, 1.0, 5.0)]
    assert all(min(end % 0.5, 0.5 - end % 0.5) < 1e-6 for end in ends)
