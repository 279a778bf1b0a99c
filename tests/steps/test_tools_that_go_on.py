"""Async tools that do not end as they should: a job, a stop and the loop that all jobs share go on without them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import orjson
import pytest

from homa_shared.calls.tools import make_tool
from homa_workers import stepwise
from homa_workers.tools import Toolbox
from tests.patience import PATIENCE_S


class Deaf:
    """Has a function for a tool that goes on, however often it is cancelled in the time of a test."""

    def __init__(self) -> None:
        self.began, self.swallowed, self.is_over = asyncio.Event(), 0, False

    async def go_on(self) -> None:
        self.began.set()
        while self.swallowed < 10 and not self.is_over:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                self.swallowed += 1


async def run(function: Any, timeout_s: float = 3600.0) -> Any:
    work = Toolbox().run(make_tool(function, name="it", timeout_s=timeout_s), "{}")
    return orjson.loads(await asyncio.wait_for(work, PATIENCE_S))


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stepwise, "CUT_S", 0.05)


async def test_one_that_goes_on_beyond_its_limit_is_left() -> None:
    deaf = Deaf()
    assert await run(deaf.go_on, timeout_s=0.05) == {"error": "it did not end within 0.05 s"}
    await asyncio.sleep(0)
    assert deaf.swallowed == 1


@pytest.mark.parametrize("wait", [asyncio.create_task, asyncio.gather, lambda work: asyncio.wait_for(work, 3600)])
async def test_one_that_waits_for_what_goes_on_is_left(
    wait: Callable[[Coroutine[Any, Any, None]], Awaitable[Any]],
) -> None:
    deaf = Deaf()

    async def waits() -> None:
        await wait(deaf.go_on())

    assert await run(waits, timeout_s=0.05) == {"error": "it did not end within 0.05 s"}
    deaf.is_over = True
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_whoever_is_cancelled_does_not_wait_for_one_that_goes_on() -> None:
    deaf = Deaf()
    calling = asyncio.create_task(Toolbox().run(make_tool(deaf.go_on, name="it", timeout_s=3600), "{}"))
    await deaf.began.wait()
    calling.cancel()
    done, _ = await asyncio.wait([calling], timeout=PATIENCE_S)
    assert done
    assert calling.cancelled()
    assert deaf.swallowed == 1


async def test_what_one_returns_as_it_is_cut_is_its_result() -> None:
    async def partial() -> list[str]:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            return ["half"]
        return ["whole"]

    assert await run(partial, timeout_s=0.01) == ["half"]


async def test_one_that_would_end_the_process_ends_itself() -> None:
    async def leaves() -> None:
        raise SystemExit(3)

    assert await run(leaves) == {"error": "RuntimeError: SystemExit: 3"}


async def test_one_whose_own_work_was_cancelled_is_told_to_the_model() -> None:
    async def gives_up() -> None:
        raise asyncio.CancelledError

    assert await run(gives_up) == {"error": "RuntimeError: it awaited something that was cancelled"}
