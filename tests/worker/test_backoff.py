"""Pauses between tries."""

from __future__ import annotations

import pytest

from homa_shared.backoff import Backoff


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(first_s=0.1, longest_s=1.0, jitter=0)
    assert [backoff.pause_s(failures) for failures in range(1, 7)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


@pytest.mark.parametrize(("drawn", "pause_s"), [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0)])
def test_jitter_draws_from_the_upper_half(drawn: float, pause_s: float) -> None:
    assert Backoff(first_s=2.0, longest_s=60.0).pause_s(1, lambda: drawn) == pause_s


def test_jitter_may_be_the_whole_pause() -> None:
    assert Backoff(first_s=2.0, longest_s=60.0, jitter=1.0).pause_s(2, lambda: 0.25) == 1.0


def test_any_number_of_failures_has_a_pause() -> None:
    assert Backoff(first_s=0.1, longest_s=2.0, jitter=0).pause_s(10_000) == 2.0
    assert Backoff(first_s=0.1, longest_s=2.0, jitter=0).pause_s(0) == 0.1
