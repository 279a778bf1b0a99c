"""Streamed text reaches the job's stream piece by piece; the reply arrives whole, whatever becomes of the stream."""

from __future__ import annotations

import asyncio

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Delta, Usage, message_text
from homa_shared.model.errors import StoreUnavailable
from homa_shared.model.records import State
from homa_shared.store.operation import Op, mapping, read
from homa_shared.store.transitions import admin
from homa_workers.providers.base import Emit
from tests.fixtures.stopwatch import Stopwatch
from tests.worker.cell import HAIKU, MINI, Cell, reply_of, until

BOTH = (MINI, HAIKU)


async def entries(cell: Cell, job: str) -> list[tuple[int, str, str]]:
    """The job's stream as (attempt, field, value)."""
    op = read((("XRANGE", cell.keys.deltas(job), "-", "+"),), lambda r: [mapping(flat) for _, flat in r[0]])
    found = await cell.store.run(op)
    return [(int(e["a"]), *next((k, v) for k, v in e.items() if k != "a")) for e in found]


def text_of(found: list[tuple[int, str, str]], attempt: int) -> str:
    return "".join(value for number, field, value in found if number == attempt and field == "t")


async def test_pieces_appear_while_the_call_runs_and_add_up_to_the_reply(cell: Cell) -> None:
    cell.simulator.configure(token_ms=10)
    await cell.worker()
    job = await cell.submit("[[tokens:80]]", stream=True)

    async def some() -> bool:
        return any(field == "t" for _, field, _ in await entries(cell, job))

    await until(some)
    assert await cell.state(job) is State.RUNNING
    view = await cell.ended(job)
    found = await entries(cell, job)
    assert text_of(found, 1) == message_text(reply_of(view)["body"])
    assert (found[0], found[-1]) == ((1, "e", "started"), (1, "e", "done"))
    assert len(found) > 4
    assert reply_of(view)["cost_nano"] == cell.bill_nano()


async def test_a_broken_stream_begins_anew_at_the_same_target(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[tokens:60]] [[fault:silent_end*1]]", stream=True, targets=BOTH)
    view = await cell.ended(job)
    found = await entries(cell, job)
    assert [target for target, _, _ in await cell.history(job)] == [MINI, MINI]
    assert [entry for entry in found if entry[1] == "e"] == [
        (1, "e", "started"),
        (1, "e", "broken"),
        (2, "e", "restarted"),
        (2, "e", "done"),
    ]
    assert text_of(found, 1)
    assert text_of(found, 2) == message_text(reply_of(view)["body"])
    first = view.attempts[0]
    assert (first.charge, first.unresolved_nano_usd) == ("unresolved", 50_000_000)


async def test_after_the_first_delivered_token_nothing_switches_target(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[tokens:60]] [[fault:silent_end@openai]]", stream=True, targets=BOTH, max_attempts=3)
    view = await cell.ended(job)
    assert view.job.state is State.FAILED
    assert [target for target, _, _ in await cell.history(job)] == [MINI] * 3


async def test_a_stream_that_brought_nothing_yet_may_switch(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[fault:503@openai]]", stream=True, targets=BOTH)
    assert reply_of(await cell.ended(job))["provider"] == "anthropic"


async def test_cancelling_a_stream_leaves_at_least_what_was_delivered_unresolved(cell: Cell) -> None:
    cell.simulator.configure(token_ms=20)
    await cell.worker()
    job = await cell.submit("[[tokens:900]]", stream=True, bound=1, params={"max_tokens": 1000})

    async def plenty() -> bool:
        return len(text_of(await entries(cell, job), 1)) > 80

    await until(plenty)
    await cell.store.run(admin.cancel(cell.keys, [job]))
    view = await cell.ended(job)
    assert view.job.state is State.CANCELLED
    assert view.job.unresolved_nano_usd > 80 / 4 * 250, "the floor is the price of the tokens delivered"
    assert (await entries(cell, job))[-1] == (1, "e", "broken")


async def test_a_stream_past_its_time_is_cut_and_charged_at_what_it_delivered_or_more(cell: Cell) -> None:
    cell.simulator.configure(token_ms=20)
    await cell.worker()
    job = await cell.submit("[[tokens:900]]", stream=True, bound=1, deadline_ms=800, params={"max_tokens": 1000})
    view = await cell.ended(job)
    assert view.job.state is State.EXPIRED
    assert view.job.unresolved_nano_usd > 1


async def test_a_reply_survives_a_deadline_that_passes_while_the_stream_is_closed(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await cell.process()
    run = process.store.run

    async def slow_stream(op: Op[object]) -> object:
        if any(command[0] == "XADD" for command in op.commands):
            await asyncio.sleep(0.5)
        return await run(op)

    monkeypatch.setattr(process.store, "run", slow_stream)
    cell.serve(process.workers[0])
    view = await cell.ended(await cell.submit("[[tokens:20]]", stream=True, deadline_ms=400))
    assert view.job.state is State.SUCCEEDED


async def test_a_store_that_takes_no_deltas_costs_the_reply_nothing(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await cell.process()
    run = process.store.run

    async def deaf(op: Op[object]) -> object:
        if any(command[0] == "XADD" for command in op.commands):
            raise StoreUnavailable("away")
        return await run(op)

    monkeypatch.setattr(process.store, "run", deaf)
    cell.serve(process.workers[0])
    view = await cell.ended(await cell.submit("[[tokens:20]]", stream=True))
    assert message_text(reply_of(view)["body"])
    assert await entries(cell, view.job.id) == []


async def test_only_the_first_choices_text_is_streamed(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await cell.worker()
    assert worker._pipeline is not None

    async def two_choices(call: Call, emit: Emit) -> Completion:
        await emit(Delta("yes"))
        await emit(Delta("no", choice=1))
        await emit(Delta(reasoning="hm"))
        return Completion({"choices": []}, Usage(1, 1))

    monkeypatch.setattr(worker._pipeline.provider, "stream", two_choices)
    job = await cell.submit(stream=True)
    await cell.ended(job)
    assert text_of(await entries(cell, job), 1) == "yes"


async def test_the_first_piece_is_not_held_back(cell: Cell, stopwatch: Stopwatch) -> None:
    cell.simulator.configure(latency_ms=50, token_ms=50)
    await cell.worker()
    job = await cell.submit("[[tokens:200]]", stream=True)

    async def begun() -> bool:
        return bool(text_of(await entries(cell, job), 1))

    stopwatch.start()
    await until(begun)
    assert stopwatch.s < 2
    await cell.store.run(admin.cancel(cell.keys, [job]))
    await cell.ended(job)


async def test_half_an_emoji_costs_no_reply_neither_this_ones_nor_a_neighbours(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await cell.worker()

    async def cut_off(call: Call, emit: Emit) -> Completion:
        await emit(Delta("well \ud83d"))
        body = {"choices": [{"message": {"content": "well \ud83d"}, "finish_reason": "length"}]}
        return Completion(body, Usage(3, 4))

    assert worker._pipeline is not None
    monkeypatch.setattr(worker._pipeline.provider, "stream", cut_off)
    jobs = [await cell.submit(stream=True), await cell.submit()]
    views = [await cell.ended(job) for job in jobs]
    assert [view.job.state for view in views] == [State.SUCCEEDED] * 2
    assert message_text(reply_of(views[0])["body"]) == "well \ufffd"
    assert text_of(await entries(cell, jobs[0]), 1) == "well \ufffd"


async def test_an_emoji_whose_halves_come_in_two_pieces_is_put_together(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await cell.worker()

    async def halves(call: Call, emit: Emit) -> Completion:
        await emit(Delta("a \ud83d"))
        await emit(Delta("\ude00 b"))
        body = {"choices": [{"message": {"content": "a \ud83d\ude00 b"}, "finish_reason": "stop"}]}
        return Completion(body, Usage(3, 4))

    assert worker._pipeline is not None
    monkeypatch.setattr(worker._pipeline.provider, "stream", halves)
    job = await cell.submit(stream=True)
    assert message_text(reply_of(await cell.ended(job))["body"]) == "a 😀 b"
    assert text_of(await entries(cell, job), 1) == "a 😀 b"


async def test_an_error_in_no_valid_unicode_is_told_all_the_same(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    worker = await cell.worker()

    async def broken(call: Call) -> Completion:
        raise ProviderError(ErrorKind.INVALID_REQUEST, "no \ud83d", status=400, partial_text="half \ud83d")

    assert worker._pipeline is not None
    monkeypatch.setattr(worker._pipeline.provider, "complete", broken)
    view = await cell.ended(await cell.submit())
    assert view.job.state is State.FAILED
    assert reply_of(view)["error"]["message"] == "no \ufffd"
