"""A job's way through a worker when nothing goes wrong."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from homa_shared.calls.reply import Call, Completion, Usage
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.operation import mapping, read
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.submit import Common, Entry, submit
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware.base import Middleware
from tests.worker.cell import BOUND, HAIKU, MINI, Cell, reply_of, until


async def test_a_reply_is_stored_with_its_cost_and_the_ledger_says_what_the_provider_bills(cell: Cell) -> None:
    await cell.worker()
    job = await cell.submit("[[say:A short answer]]")
    view = await cell.ended(job)
    reply = reply_of(view)
    assert view.job.state is State.SUCCEEDED
    assert reply["body"]["choices"][0]["message"]["content"] == "A short answer"
    assert (reply["provider"], reply["model"], reply["attempts"]) == ("openai", "gpt-6-luna", 1)
    assert reply["cost_nano"] == view.job.cost_nano_usd == cell.bill_nano() > 0
    assert view.job.unresolved_nano_usd == 0
    assert [(line.outcome, line.nano_usd) for line in await cell.ledger()] == [("succeeded", cell.bill_nano())]
    assert view.request is None, "a request is dropped as soon as its reply is stored"


class Held(Middleware):
    """Notes what an attempt holds of its request when its call begins: as it was stored, and as it is sent."""

    def __init__(self) -> None:
        self.seen: list[tuple[bytes, Any]] = []

    def before_call(self, attempt: RunningAttempt, call: Call) -> None:
        self.seen.append((attempt.claim.request, call.messages[0]["content"]))


async def test_a_call_in_flight_holds_its_request_once(cell: Cell) -> None:
    held = Held()
    await cell.worker(middleware=[lambda: held])
    assert (await cell.ended(await cell.submit("Hello"))).job.state is State.SUCCEEDED
    assert held.seen == [(b"", "Hello")]


async def test_many_jobs_cost_what_the_bill_says(cell: Cell) -> None:
    jobs = [await cell.submit(f"Document {n}") for n in range(150)]
    await cell.worker(concurrency=40)
    for job in jobs:
        assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert sum(line.nano_usd for line in await cell.ledger()) == cell.bill_nano()
    counters = await cell.counters()
    assert (counters["submitted"], counters["succeeded"], counters["live"]) == (150, 150, 0)
    assert cell.simulator.stats.max_in_flight <= 40


async def test_each_provider_has_a_worker_of_its_own_in_one_process(cell: Cell) -> None:
    process = await cell.process("openai", "anthropic")
    assert [worker.queues_served() for worker in process.workers] == [["openai"], ["anthropic"]]
    for worker in process.workers:
        cell.serve(worker)
    mini, haiku = await cell.submit(), await cell.submit(targets=(HAIKU,))
    assert reply_of(await cell.ended(mini))["provider"] == "openai"
    assert reply_of(await cell.ended(haiku))["provider"] == "anthropic"


async def test_an_unpriced_model_says_so_and_never_counts_as_free(cell: Cell) -> None:
    worker = await cell.worker()
    target = "openai:model-without-a-price"
    await worker._book.ensure_plans([target])  # type: ignore[union-attr]
    job = await cell.submit(targets=(target,), bound=None)
    view = await cell.ended(job)
    assert reply_of(view)["cost_nano"] is None
    assert [(line.nano_usd, line.unpriced) for line in await cell.ledger()] == [(0, 1)]


async def test_a_price_that_cannot_be_found_does_not_lose_the_reply(cell: Cell, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    worker = await cell.worker()

    def broken(target: str, completion: object) -> int:
        raise ZeroDivisionError(target)

    monkeypatch.setattr(worker._book, "price", broken)
    view = await cell.ended(await cell.submit())
    assert view.job.state is State.SUCCEEDED
    assert [line.unpriced for line in await cell.ledger()] == [1]


async def test_a_request_of_a_newer_release_is_handed_back_uncalled(cell: Cell) -> None:
    await cell.worker()
    request = orjson.dumps({"v": 99, "what": "a newer release wrote"})
    await cell.store.run(submit(cell.keys, Common("openai", "default", MINI), [Entry("jnew", request, bound=1)]))
    view = await cell.reaches("jnew", State.DUE)
    assert view.job.raw["tr"] == 0, "it was not tried"
    assert (cell.simulator.stats.received, await cell.ledger()) == (0, [])


async def test_what_is_no_request_fails_and_costs_nothing(cell: Cell) -> None:
    worker = await cell.worker(HOMA_PROVIDERS__OPENAI__LIMITS__RPD="9")
    await cell.store.run(submit(cell.keys, Common("openai", "default", MINI), [Entry("jbad", b"{}", bound=1)]))
    view = await cell.ended("jbad")
    assert view.job.state is State.FAILED
    assert "unreadable request" in reply_of(view)["error"]["message"]
    assert (view.job.cost_nano_usd, view.job.unresolved_nano_usd) == (0, 0)
    assert worker._book is not None
    plan = worker._book.plan(MINI)
    assert plan is not None
    used = read((("HGET", cell.keys.scope(plan.quota_scope), "dayn"),), lambda replies: int(replies[0]))
    assert await cell.store.run(used) == 0


async def test_a_worker_wakes_for_a_job_long_before_its_longest_sleep(cell: Cell) -> None:
    await cell.worker()
    first = await cell.submit()
    await cell.ended(first)
    async with asyncio.timeout(2):
        await cell.ended(await cell.submit())


async def test_a_paused_worker_takes_nothing_until_it_is_resumed(cell: Cell) -> None:
    worker = await cell.worker()
    await cell.ended(await cell.submit())
    worker.pause()
    job = await cell.submit()

    async def awake() -> bool:
        return (await cell.store.run(reads.workers(cell.keys)))[0].live

    await until(awake)
    worker.resume()
    assert (await cell.ended(job)).job.state is State.SUCCEEDED


async def test_a_worker_tells_the_fleet_of_itself_and_signs_off(cell: Cell) -> None:
    process = await cell.process(concurrency=7)
    served = cell.serve(process.workers[0])

    async def seen() -> bool:
        rows = await cell.store.run(reads.workers(cell.keys))
        return bool(rows) and rows[0].facts["concurrency"] == 7 and rows[0].live

    await until(seen)
    process.drain()
    await served
    assert await cell.store.run(reads.workers(cell.keys)) == []


async def test_settings_of_the_fleet_are_followed_within_a_beat(cell: Cell) -> None:
    worker = await cell.worker()
    fleet = worker._book.fleet  # type: ignore[union-attr]
    limits = {**fleet.content(), "version": fleet.version}
    limits["providers"]["openai"]["limits"] = {"rpm": 120}
    changed = type(fleet).model_validate(limits)
    assert await cell.store.run(admin.write_fleet(cell.keys, changed, seen=fleet.version)) == fleet.version + 1

    async def limited() -> bool:
        scope = read((("HGETALL", cell.keys.scope("openai/gpt-6-luna")),), lambda r: mapping(r[0]))
        return (await cell.store.run(scope)).get("rpm") == "120"

    await until(limited)
    assert worker._book.fleet.version == fleet.version + 1  # type: ignore[union-attr]
    assert (await cell.ended(await cell.submit())).job.state is State.SUCCEEDED


async def test_settings_that_a_newer_release_wrote_leave_the_old_ones_in_force(cell: Cell) -> None:
    worker = await cell.worker()
    await cell.store.run(read((("SET", cell.keys.fleet(), '{"version": 9, "tenants": "what?"}'),), lambda _: None))
    assert (await cell.ended(await cell.submit())).job.state is State.SUCCEEDED
    assert worker._book.fleet.version != 9  # type: ignore[union-attr]


@pytest.mark.parametrize("count", ["12", 1.5, -5, 10**30, None])
async def test_a_usage_that_is_none_leaves_the_cost_open_and_loses_no_reply(
    cell: Cell, monkeypatch: pytest.MonkeyPatch, count: Any
) -> None:
    worker = await cell.worker()

    async def odd(call: Call) -> Completion:
        body = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}
        return Completion(body, Usage(count, 3))

    assert worker._pipeline is not None
    monkeypatch.setattr(worker._pipeline.provider, "complete", odd)
    view = await cell.ended(await cell.submit(tokens=(300, 100, 200)))
    assert view.job.state is State.SUCCEEDED
    assert [(line.nano_usd, line.unresolved_nano_usd) for line in await cell.ledger()] == [(0, BOUND)]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("tokens", "kept"), [(3, 0), (300, 1)])
async def test_only_a_reply_that_is_complete_is_kept_for_equal_jobs(
    cell: Cell, stream: bool, tokens: int, kept: int
) -> None:
    job = await cell.submit("[[tokens:20]]", stream=stream, params={"max_tokens": tokens})
    await cell.store.run(read((("HSET", cell.keys.job(job), "ck", "c0ffee"),), lambda r: r[0]))
    await cell.worker()
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert reply_of(view)["body"]["choices"][0]["finish_reason"] == ("stop" if kept else "length")
    assert (await cell.store.run(reads.cache_stats(cell.keys)))["entries"] == kept
