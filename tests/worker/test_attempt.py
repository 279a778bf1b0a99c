"""A running attempt by itself: when a cancel reaches it, and how long its job has."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from homa_workers.attempt import RunningAttempt
from tests.worker.test_retry import claim


class Run:
    """An attempt as a task: calls for ever, then acknowledges for as long as it is held."""

    def __init__(self) -> None:
        self.attempt = RunningAttempt(claim())
        self.steps: list[str] = []
        self.held = asyncio.Event()
        self.task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        self.attempt.begin()
        self.steps.append("call")
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.steps.append("cut")
        self.attempt.end()
        await self.held.wait()
        self.steps.append("acknowledged")


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_cancel_reaches_it_after_its_first_step() -> None:
    run = Run()
    run.attempt.cancel()
    assert run.steps == []
    await turns()
    assert run.steps == ["call", "cut"]
    assert run.attempt.is_cancelled


async def test_told_again_nothing_changes() -> None:
    run = Run()
    await turns()
    for _ in range(20):
        run.attempt.cancel()
        await turns(1)
    run.held.set()
    await run.task
    assert run.steps == ["call", "cut", "acknowledged"]


async def test_once_its_outcome_is_known_it_is_not_cut() -> None:
    run = Run()
    await turns()
    run.task.cancel()
    await turns()
    run.attempt.cancel()
    await turns()
    run.held.set()
    await run.task
    assert run.steps == ["call", "cut", "acknowledged"]
    assert not run.attempt.is_cancelled


async def test_a_cancel_that_crosses_the_reply_does_not_cut_the_acknowledgement() -> None:
    run = Run()
    await turns()
    run.attempt.cancel()
    run.attempt.end()
    await turns()
    assert run.steps == ["call"]
    run.task.cancel()


def test_a_jobs_time_runs_from_its_claim() -> None:
    attempt = RunningAttempt(replace(claim(), left_ms=5000))
    assert attempt.left_s is not None
    assert 4 < attempt.left_s <= 5
    attempt.started_s -= 10
    assert attempt.left_s == 0
    assert RunningAttempt(claim()).left_s is None


def test_its_latency_is_kept_once_it_is_over() -> None:
    attempt = RunningAttempt(claim())
    attempt.started_s -= 2
    attempt.end()
    assert attempt.latency_ms >= 2000
    assert attempt.key == ("j1", 1)
