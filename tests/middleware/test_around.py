"""Functions around calls: what they see and change, and that what they do can break no promise."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Usage
from homa_shared.model.records import State
from homa_workers.middleware import Call, CallNext, Completion, Middleware, Request, RunningAttempt, around
from homa_workers.middleware.around import Around
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.pipeline.exchange import Exchange
from homa_workers.providers.secrets import NO_SECRETS
from tests.steps.cell import MINI, Cell, by_schema, reply_of
from tests.worker.test_retry import claim

Body = Callable[[Request, CallNext], Coroutine[Any, Any, Completion]]


def text_of(view: Any) -> str:
    return str(reply_of(view)["body"]["choices"][0]["message"]["content"])


def said(view: Any) -> str:
    return str(reply_of(view)["error"]["message"])


def with_text(completion: Completion, text: str) -> Completion:
    choice = completion.body["choices"][0]
    message = {**choice["message"], "content": text}
    return replace(completion, body={**completion.body, "choices": [{**choice, "message": message}]})


class Sent(Middleware):
    """Notes the calls that are made."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def before_call(self, attempt: RunningAttempt, call: Call) -> None:
        self.calls.append(call)


async def worker(cell: Cell, *given: Around, **more: Any) -> Sent:
    sent = Sent()
    await cell.worker(middleware=[*given, lambda: sent], **more)
    return sent


# -- what they see and change -----------------------------------------------------------------------------------------


async def test_they_stand_around_the_call_by_order_and_change_its_reply(cell: Cell) -> None:
    seen: list[Any] = []

    def named(name: str, **options: Any) -> Around:
        @around(**options)
        async def one(request: Request, call_next: CallNext) -> Completion:
            seen.append((name, request.job, request.target, request.attempt, request.tags, request.streams))
            reply = await call_next(request)
            seen.append((name, reply.usage.output_tokens > 0))
            return with_text(reply, f"{reply.text}{name}")

        return one

    await worker(cell, named("b"), named("a", order=-1), named("c"), named("x", provider="anthropic"))
    job = await cell.ask("[[say:text]]")
    view = await cell.ended(job)
    assert text_of(view) == "textcba"
    facts = (job, MINI, 1, {}, False)
    assert seen == [("a", *facts), ("b", *facts), ("c", *facts), ("c", True), ("b", True), ("a", True)]
    assert view.job.cost_nano_usd == cell.bill_nano()
    await cell.check_money(job)


async def test_one_for_a_tag_leaves_other_jobs_alone(cell: Cell) -> None:
    def stamping(tag: str) -> Around:
        @around(tag=tag)
        async def stamp(request: Request, call_next: CallNext) -> Completion:
            reply = await call_next(request)
            return with_text(reply, f"{reply.text} {tag}")

        return stamp

    await worker(cell, stamping("team"), stamping("region=eu"))
    expected = {"team=a\nregion=eu": "text region=eu team", "region=us\nteam=b": "text team", "": "text"}
    for tags, text in expected.items():
        assert text_of(await cell.ended(await cell.ask("[[say:text]]", tags=tags))) == text


async def test_a_changed_call_is_what_is_sent_and_is_reserved_anew(cell: Cell) -> None:
    reserved: list[int] = []

    @around
    async def wordy(request: Request, call_next: CallNext) -> Completion:
        messages = request.messages
        messages[-1]["content"] += " and more" * 50
        return await call_next(request.replaced(messages=messages, params={**request.params, "max_tokens": 5000}))

    class Watch(Middleware):
        def before_call(self, attempt: RunningAttempt, call: Call) -> None:
            reserved.append(attempt.claim.bound or 0)

    sent = Sent()
    await cell.worker(middleware=[wordy, Watch, lambda: sent])
    job = await cell.ask("Hello", bound=1_000_000)
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert reserved[0] > 1_000_000, "its call was made with the reservation that it takes"
    (call,) = sent.calls
    assert call.messages[-1]["content"].endswith("and more and more")
    assert 5000 in call.params.values()
    await cell.check_money(job)


async def test_a_call_made_larger_than_its_budget_is_never_sent(cell: Cell) -> None:
    @around
    async def greedy(request: Request, call_next: CallNext) -> Completion:
        try:
            return await call_next(request.replaced(params={"max_tokens": 100_000}))
        except Exception:
            return request.answered("anyway")

    sent = await worker(cell, greedy)
    job = await cell.ask("Hello", bound=1_000_000, job_budget=1_000_000)
    view = await cell.ended(job)
    assert (view.job.state, reply_of(view)["error"]["kind"]) == (State.FAILED, "budget")
    assert "test_around" in said(view)
    assert "has changed its call" in said(view)
    assert sent.calls == []
    assert cell.bill_nano() == 0


async def test_what_it_changes_in_place_is_a_copy(cell: Cell) -> None:
    @around
    async def careless(request: Request, call_next: CallNext) -> Completion:
        request.messages[-1]["content"] = "x" * 10_000
        request.params["max_tokens"] = 100_000
        return await call_next(request)

    sent = await worker(cell, careless)
    assert (await cell.ended(await cell.ask("Hello"))).job.state is State.SUCCEEDED
    assert sent.calls[0].messages[-1]["content"] == "Hello"


# -- replies of their own ----------------------------------------------------------------------------------------------


@around
async def answering(request: Request, call_next: CallNext) -> Completion:
    if request.left_s is not None:
        await asyncio.sleep(0.1)
    return request.answered("from the middleware")


@pytest.mark.parametrize("deadline_ms", [0, 60_000], ids=["at once", "after its call stood by"])
async def test_a_reply_of_its_own_costs_nothing_and_the_ledger_says_so(cell: Cell, deadline_ms: int) -> None:
    sent = await worker(cell, answering)
    job = await cell.ask("Hello", deadline_ms=deadline_ms)
    view = await cell.ended(job)
    assert text_of(view) == "from the middleware"
    assert (sent.calls, cell.bill_nano(), view.job.cost_nano_usd) == ([], 0, 0)
    assert await cell.outcomes() == [(1, "answered", 0, 0)]
    assert reply_of(view)["notes"] == [f"middleware {answering.name} answered it: nothing was called"]
    assert (reply_of(view)["steps"], reply_of(view)["cost_nano"]) == (0, 0)
    await cell.check_money(job)


async def test_a_reply_of_its_own_must_fit_the_schema_like_any_other(cell: Cell) -> None:
    await worker(cell, answering)
    job = await cell.ask("Hello", params=by_schema())
    view = await cell.ended(job)
    assert (view.job.state, reply_of(view)["error"]["kind"]) == (State.FAILED, "middleware")
    assert answering.name in said(view)
    assert view.job.cost_nano_usd == 0


# -- what goes wrong ---------------------------------------------------------------------------------------------------


def before(raised: BaseException) -> Body:
    async def before_the_call(request: Request, call_next: CallNext) -> Completion:
        raise raised

    return before_the_call


def after(raised: BaseException) -> Body:
    async def after_the_call(request: Request, call_next: CallNext) -> Completion:
        await call_next(request)
        raise raised

    return after_the_call


async def nothing(request: Request, call_next: CallNext) -> Completion:
    return None  # type: ignore[return-value]


async def no_completion(request: Request, call_next: CallNext) -> Completion:
    return replace(await call_next(request), body={"choices": "none"})


async def no_json(request: Request, call_next: CallNext) -> Completion:
    reply = await call_next(request)
    reply.body["extra"] = object()
    return reply


async def twice(request: Request, call_next: CallNext) -> Completion:
    await call_next(request)
    return await call_next(request)


async def elsewhere(request: Request, call_next: CallNext) -> Completion:
    return await asyncio.create_task(call_next(request))


@pytest.mark.parametrize(
    ("body", "words", "calls"),
    [
        (before(ValueError("no such rule")), "raised ValueError: no such rule", 0),
        (before(SystemExit(1)), "raised SystemExit", 0),
        (before(ProviderError(ErrorKind.RATE_LIMITED, "slow down")), "raised ProviderError", 0),
        (nothing, "it returned None; expected a Completion", 0),
        (elsewhere, "in another task; expected its own", 0),
        (after(ValueError("no such rule")), "raised ValueError: no such rule, after its call", 1),
        (twice, "it called call_next a second time; expected one call", 1),
        (no_completion, "returned no reply: its body has choices 'none'", 1),
        (no_json, "returned no reply: Type is not JSON serializable", 1),
    ],
)
async def test_an_error_of_its_own_fails_the_job_with_its_name_and_what_was_called_is_charged(
    cell: Cell, lines: list[Any], body: Body, words: str, calls: int
) -> None:
    sent = await worker(cell, around(body))
    job = await cell.ask("[[say:a paid text]]")
    view = await cell.ended(job)
    assert (view.job.state, view.job.attempt, reply_of(view)["error"]["kind"]) == (State.FAILED, 1, "middleware")
    assert f"middleware {body.__module__}.{getattr(body, '__qualname__', '')} " in said(view)
    assert words in said(view)
    assert len(sent.calls) == calls
    assert view.job.cost_nano_usd == cell.bill_nano()
    assert bool(calls) == (cell.bill_nano() > 0)
    assert view.job.unresolved_nano_usd == 0
    if calls and body is not no_json:
        assert "a paid text" in str(reply_of(view)["body"]), "what was paid for is kept"
    await cell.check_money(job)
    assert any("hook" in line for line in lines if line["event"] == "defect"), "people who run the worker see it"


async def test_an_error_of_the_call_stands_whoever_catches_it(cell: Cell) -> None:
    @around
    async def soothing(request: Request, call_next: CallNext) -> Completion:
        try:
            return await call_next(request)
        except ProviderError:
            return request.answered("all is well")

    await worker(cell, soothing)
    job = await cell.ask("[[fault:503*1]] [[say:text]]")
    view = await cell.ended(job)
    assert (text_of(view), view.job.attempt) == ("text", 2), "it is tried again as ever"
    first = view.attempts[0]
    assert first.outcome == "overloaded"
    assert "soothing returned a reply in its place: the call's own error stands" in first.note["error"]


async def test_one_that_hides_an_error_behind_its_own_leaves_the_retry_to_the_call(cell: Cell) -> None:
    @around
    async def hiding(request: Request, call_next: CallNext) -> Completion:
        try:
            return await call_next(request)
        except ProviderError as error:
            raise KeyError("mine") from error

    await worker(cell, hiding)
    view = await cell.ended(await cell.ask("[[fault:503*1]] [[say:text]]"))
    assert (text_of(view), view.attempts[0].outcome) == ("text", "overloaded")
    assert "hiding raised KeyError" in view.attempts[0].note["error"]


async def test_its_usage_is_the_calls_whatever_it_says(cell: Cell) -> None:
    @around
    async def cheap(request: Request, call_next: CallNext) -> Completion:
        await call_next(request)
        return request.answered("for nothing")

    await worker(cell, cheap)
    job = await cell.ask("[[say:text]]")
    view = await cell.ended(job)
    assert text_of(view) == "for nothing"
    assert view.job.cost_nano_usd == cell.bill_nano() > 0


def test_what_is_no_middleware_is_refused_where_it_is_declared() -> None:
    with pytest.raises(TypeError, match="expected `async def middleware"):
        around(lambda request, call_next: call_next(request))
    with pytest.raises(ValueError, match="limit_s is 0; expected seconds above 0"):
        around(limit_s=0)


async def test_a_call_leaves_nothing_for_the_collector() -> None:
    """What thousands of calls a minute leave in circles stays in memory, with their replies, until it comes by."""
    reply = Completion({"choices": [{"message": {"content": "Yes"}}]}, Usage(1, 1))

    @around
    async def through(request: Request, call_next: CallNext) -> Completion:
        return await call_next(request)

    async def send(attempt: RunningAttempt, call: Call, changed_by: str) -> Completion:
        await asyncio.sleep(0)
        return reply

    def never(attempt: RunningAttempt) -> asyncio.TimerHandle:
        raise AssertionError("no middleware waits")

    attempt = RunningAttempt(claim())
    gc.disable()
    try:
        exchange = Exchange(attempt, Call("m", []), [through] * 3, send, never, WorkerLog("w"), NO_SECRETS)
        left = weakref.ref(exchange)
        assert await exchange.reply() is reply
        del exchange
        assert left() is None
    finally:
        gc.enable()
