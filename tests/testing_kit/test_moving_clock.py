"""The clock of a fake fleet: it jumps over what would only be waited for, and is moved for what a test wants to see."""

from __future__ import annotations

import os
import time

import pytest

from homa import JobExpired
from homa.testing import Answer, RateLimited, fake
from homa_shared.store.scripts import clock_may_be_moved, script

LUNA = "openai:gpt-6-luna"


def test_a_delay_ends_when_the_clock_is_moved_and_not_by_itself() -> None:
    with fake("ok") as homa:
        job = homa.submit("later", model=LUNA, delay_s=3600)
        homa.drain()
        homa.assert_called(times=0)
        homa.advance(3599)
        homa.assert_called(times=0)
        homa.advance(2)
        assert job.result(1).text == "ok"


def test_a_retry_is_not_jumped_to_over_the_beginning_of_another_job() -> None:
    with fake({"first": [RateLimited(retry_after_s=100), "ok"], "second": "ok"}) as homa:
        first = homa.submit("first", model=LUNA)
        homa.submit("second", model="anthropic:claude-haiku-5-5", delay_s=50)
        time.sleep(0.1)
        homa.assert_called("second", times=0)
        homa.advance(51)
        assert first.result(5).text == "ok", "with nothing before it any more, it is jumped to"


def test_a_deadline_passes_with_the_clock() -> None:
    with fake("ok") as homa:
        job = homa.submit("never", model=LUNA, delay_s=7200, deadline_s=3600)
        homa.advance(3601)
        with pytest.raises(JobExpired):
            job.result(1)


def test_a_day_ends_and_its_budget_with_it() -> None:
    budget = {"day": {"cap_usd": "0.0008", "period": "day", "scope": "all", "on_exceed": "defer"}}
    with fake(Answer("ok", output_tokens=900), settings={"budgets": budget}) as homa:
        jobs = [homa.submit("x", model=LUNA, max_tokens=1000) for _ in range(3)]
        homa.drain()
        assert len(homa.calls) == 1
        homa.advance(86_400)
        assert len(homa.calls) == 2
        homa.advance(86_400)
        assert {job.result(5).text for job in jobs} == {"ok"}


def test_without_jumps_time_passes_as_ever() -> None:
    with fake({"*": [RateLimited(retry_after_s=30), "ok"]}, time="passes") as homa:
        job = homa.submit("x", model=LUNA)
        homa.drain()
        assert len(homa.calls) == 1
        homa.advance(31)
        assert job.result(5).text == "ok"
        assert len(homa.calls) == 2


def test_two_fakes_have_clocks_of_their_own_and_leave_none_behind() -> None:
    plain = script("take").sha
    url = os.environ.get("HOMA_REDIS_URL")
    with fake("outer") as outer:
        with fake("inner") as inner:
            inner.advance(10_000)
            assert inner.submit("x", model=LUNA).result(5).text == "inner"
        job = outer.submit("x", model=LUNA, delay_s=5000)
        outer.drain()
        outer.assert_called(times=0)
        outer.advance(5001)
        assert job.result(5).text == "outer"
        assert script("take").sha != plain
    assert not clock_may_be_moved()
    assert script("take").sha == plain
    assert os.environ.get("HOMA_REDIS_URL") == url
