"""Jitter stays below the time between two ticks, whatever the season."""

from __future__ import annotations

import pytest

from homa.submit.schedule_definition import check_jitter
from homa_shared.model.errors import InvalidRequest
from homa_shared.schedules.timing import Cron, Every, Once, Timing
from tests.schedules.stand import DAY, HOUR, MINUTE, ms

BERLIN = "Europe/Berlin"
#: Of each: the least time between two ticks.
APART = [
    (Cron("0 7 * * *", BERLIN), DAY),
    (Cron("0 7 * * 1-5", BERLIN), DAY),
    (Cron("0 1,2,3 * * *", BERLIN), HOUR),
    (Cron("*/7 * * * *", BERLIN), 4 * MINUTE),
    (Every(90 * MINUTE, 0), 90 * MINUTE),
]


@pytest.mark.parametrize("now_ms", [ms(2026, 1, 10), ms(2026, 3, 28, 12), ms(2026, 10, 24, 12)])
@pytest.mark.parametrize(("timing", "least"), APART, ids=[timing.words() for timing, _ in APART])
def test_jitter_is_shorter_than_the_time_between_two_ticks(timing: Timing, least: int, now_ms: int) -> None:
    check_jitter(timing, least - 1, now_ms)
    with pytest.raises(InvalidRequest, match=r"has ticks \w+ apart: expected less than that"):
        check_jitter(timing, least, now_ms)


def test_one_moment_may_have_any_jitter() -> None:
    check_jitter(Once(ms(2026, 3, 2)), 30 * DAY, ms(2026, 3, 1))
