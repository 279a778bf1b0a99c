"""Functions around calls that go wrong with intent: the ledger stays the bill, and no slot is lost."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from homa_shared.calls.reply import Usage
from homa_shared.model.records import State
from homa_workers.middleware import Call, CallNext, Completion, Middleware, Request, RunningAttempt, around
from tests.middleware.test_around import said, text_of, worker
from tests.steps.cell import Cell, until

OTHERS = {"model": "gpt-6-terra", "messages": [{"role": "user", "content": "x" * 5000}]}


@pytest.mark.parametrize("name", OTHERS)
async def test_no_parameter_takes_the_place_of_the_model_or_the_messages(cell: Cell, name: str) -> None:
    @around
    async def dear(request: Request, call_next: CallNext) -> Completion:
        return await call_next(request.replaced(params={**request.params, name: OTHERS[name]}))

    sent = await worker(cell, dear)
    view = await cell.ended(await cell.ask("Hello"))
    assert view.job.state is State.FAILED
    assert f"parameters have '{name}'" in said(view)
    assert sent.calls == []
    assert cell.bill_nano() == 0


@pytest.mark.parametrize("name", OTHERS)
async def test_nor_does_one_of_adapt_call(cell: Cell, name: str) -> None:
    class Dear(Middleware):
        def adapt_call(self, attempt: RunningAttempt, call: Call) -> Call:
            return replace(call, params={**call.params, name: OTHERS[name]})

    sent = await worker(cell, Dear)  # type: ignore[arg-type]
    job = await cell.ask("Hello")
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert name not in sent.calls[0].params
    await cell.check_money(job)


async def test_a_request_of_its_own_making_is_for_the_same_model(cell: Cell) -> None:
    @around
    async def dear(request: Request, call_next: CallNext) -> Completion:
        other = Request(request._attempt, Call("gpt-6-terra", request.messages, {"max_tokens": 5}))
        return await call_next(other)

    sent = await worker(cell, dear)
    view = await cell.ended(await cell.ask("Hello"))
    assert "changed the model to 'gpt-6-terra'" in said(view)
    assert sent.calls == []


@pytest.mark.parametrize("called", [False, True], ids=["before its call", "after it"])
async def test_one_that_goes_on_when_it_is_cut_off_is_left_and_its_job_ends(cell: Cell, called: bool) -> None:
    ends: list[str] = []

    @around(limit_s=0.05)
    async def deaf(request: Request, call_next: CallNext) -> Completion:
        reply = await call_next(request) if called else request.answered("")
        while len(ends) < 10:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                ends.append("swallowed")
        return reply

    await worker(cell, deaf)
    view = await cell.ended(await cell.ask("Hello"))
    assert view.job.state is State.FAILED
    assert "deaf did not end within 0.05 s beside the call" in said(view)
    assert view.job.cost_nano_usd == cell.bill_nano()
    assert ends == ["swallowed"]


async def test_one_that_waits_for_a_task_that_goes_on_is_left_and_its_job_ends(cell: Cell) -> None:
    free = asyncio.Event()

    async def goes_on() -> None:
        while not free.is_set():
            with suppress(asyncio.CancelledError):
                await free.wait()

    @around(limit_s=0.05)
    async def waits(request: Request, call_next: CallNext) -> Completion:
        await asyncio.gather(goes_on())
        return await call_next(request)

    await worker(cell, waits)
    view = await cell.ended(await cell.ask("Hello"))
    assert "waits did not end within 0.05 s beside the call" in said(view)
    assert cell.bill_nano() == 0
    free.set()


@pytest.mark.parametrize("hook", ["adapt_call", "before_call", "after_call", "attempt_ended"])
async def test_a_hook_that_goes_on_when_it_is_cut_off_is_left_and_its_job_succeeds(cell: Cell, hook: str) -> None:
    ends: list[str] = []

    async def goes_on(*_: Any) -> None:
        while len(ends) < 10:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                ends.append("swallowed")

    deaf = type("Deaf", (Middleware,), {hook: lambda self, *facts: goes_on(), "hook_s": 0.05})
    await cell.worker(middleware=[deaf])
    view = await cell.ended(await cell.ask("Hello"))
    assert view.job.state is State.SUCCEEDED
    await until(lambda: len(ends) == 1)
    assert (await cell.ended(await cell.ask("Hello"))).job.state is State.SUCCEEDED


async def test_a_stopped_worker_does_not_wait_for_one_that_goes_on(cell: Cell) -> None:
    waits = asyncio.Event()

    @around(limit_s=0.1)
    async def deaf(request: Request, call_next: CallNext) -> Completion:
        waits.set()
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)

    await worker(cell, deaf)
    await cell.ask("Hello")
    await waits.wait()
    await asyncio.wait_for(cell.close(), 30)


async def test_usage_and_price_are_those_of_the_call_whatever_its_reply_says_by_then(cell: Cell) -> None:
    @around
    async def liar(request: Request, call_next: CallNext) -> Completion:
        reply = await call_next(request)
        reply.body["usage"] = {"prompt_tokens": 0, "completion_tokens": 0}
        return replace(reply, usage=Usage(), metered=False)

    await worker(cell, liar)
    view = await cell.ended(await cell.ask("[[say:text]]"))
    assert text_of(view) == "text"
    assert view.job.cost_nano_usd == cell.bill_nano() > 0


@pytest.mark.parametrize("kind", [SystemExit, GeneratorExit, asyncio.CancelledError, StopIteration])
async def test_what_is_no_exception_ends_its_job_and_no_more(cell: Cell, kind: type[BaseException]) -> None:
    @around(tag="bad")
    async def bad(request: Request, call_next: CallNext) -> Completion:
        raise kind("x")

    await worker(cell, bad)
    job = await cell.ask("Hello", tags="bad=1")
    assert "bad raised" in said(await cell.ended(job))
    assert (await cell.ended(await cell.ask("Hello"))).job.state is State.SUCCEEDED


async def test_two_calls_at_once_are_none(cell: Cell) -> None:
    @around
    async def both(request: Request, call_next: CallNext) -> Completion:
        replies: list[Any] = await asyncio.gather(call_next(request), call_next(request))
        return replies[0]  # type: ignore[no-any-return]

    await worker(cell, both)
    assert "in another task" in said(await cell.ended(await cell.ask("Hello")))
    assert cell.bill_nano() == 0
