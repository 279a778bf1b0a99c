"""A process that submits under a name hears of all its jobs' ends on one channel, and reads all streams at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import redis

from homa.client.job_flows import JobFlows
from homa.client.results import Reply
from homa.client.streams import Piece, follow
from homa.drivers.aio import AwaitingDriver
from homa.drivers.context import Context, client_context
from homa.drivers.effects import Emit, Flow
from homa.submit.asked import AcceptedJob, ask_for
from homa.submit.submitter import Submitter
from homa_shared.calls.request import JobRequest
from homa_shared.model.ids import new_nonce
from homa_shared.settings.model import Settings
from homa_shared.store.transitions.attempts import Claim
from tests.client.conftest import FakeWorker, echo
from tests.fixtures.store import eventually

MODEL = "openai:gpt-6-luna"


class Named:
    """A process that submits under a name."""

    def __init__(self, settings: Settings) -> None:
        self.context: Context = replace(client_context(settings=settings), announced_to=new_nonce())
        self.driver, self.submitter = AwaitingDriver(self.context), Submitter(self.context)

    async def submit(self, prompt: str, **options: Any) -> AcceptedJob:
        return await self.driver.run(self.submitter.accept(ask_for({"prompt": prompt, "model": MODEL, **options})))

    async def outcome(self, job: AcceptedJob) -> Any:
        return await self.driver.run(JobFlows(self.context.keys, job.job_id).outcome(30, announced=job.is_new))

    async def text(self, job: AcceptedJob) -> list[Piece]:
        def flow() -> Flow[None]:
            reply = yield from follow(self.context.keys, job.job_id, None, announced=True)
            yield Emit(reply)

        found = [item async for item in self.driver.iterate(flow())]
        assert isinstance(found[-1], Reply)
        return found[:-1]


async def test_an_end_is_heard_on_one_channel_for_any_number_of_jobs(
    settings: Settings, workers: Callable[..., FakeWorker], redis_client: redis.Redis
) -> None:
    process = Named(settings)
    worker = workers(echo, start=False)
    jobs = [await process.submit(f"p{number}") for number in range(5)]
    waiting = [asyncio.create_task(process.outcome(job)) for job in jobs]
    await asyncio.sleep(0)
    channels = [name.decode() for name in redis_client.pubsub_channels(f"*{settings.namespace}*")]
    assert channels == [process.context.keys.channel_ends(process.context.announced_to)]
    await asyncio.to_thread(worker.step)
    assert [(await each).text for each in waiting] == [f"p{number}" for number in range(5)]
    await process.driver.aclose()


async def test_an_end_before_anybody_waits_is_not_missed(
    settings: Settings, workers: Callable[..., FakeWorker]
) -> None:
    process = Named(settings)
    worker = workers(echo, start=False)
    job = await process.submit("early")
    await asyncio.to_thread(worker.step)
    await asyncio.sleep(0.05)
    async with asyncio.timeout(0.9):  # within less than the first look
        assert (await process.outcome(job)).text == "early"
    await process.driver.aclose()


async def test_a_failure_and_a_cancel_are_announced_too(settings: Settings, workers: Callable[..., FakeWorker]) -> None:
    process = Named(settings)

    def answer(claim: Claim, request: JobRequest) -> tuple[str, str]:
        return ("invalid_request", "no")

    worker = workers(answer, start=False)
    failed, cancelled = await process.submit("a"), await process.submit("b", delay_s=600)
    waiting = [asyncio.create_task(process.outcome(job)) for job in (failed, cancelled)]
    await asyncio.to_thread(worker.step)
    await process.driver.run(JobFlows(process.context.keys, cancelled.job_id).cancel())
    assert [(await each).state for each in waiting] == ["failed", "cancelled"]
    await process.driver.aclose()


async def test_a_key_that_was_used_before_is_waited_for_by_its_own_channel(
    settings: Settings, workers: Callable[..., FakeWorker]
) -> None:
    one, other = Named(settings), Named(settings)
    worker = workers(echo, start=False)
    first, second = await one.submit("same", key="k"), await other.submit("same", key="k")
    assert (first.job_id, first.is_new, second.is_new) == (second.job_id, True, False)
    waiting = [asyncio.create_task(one.outcome(first)), asyncio.create_task(other.outcome(second))]
    await asyncio.sleep(0.1)
    await asyncio.to_thread(worker.step)
    assert [(await each).text for each in waiting] == ["same", "same"]
    await one.driver.aclose()
    await other.driver.aclose()


async def test_a_lost_message_is_made_up_for_by_a_look(
    settings: Settings, workers: Callable[..., FakeWorker], redis_client: redis.Redis
) -> None:
    process = Named(settings)
    worker = workers(echo, start=False)
    job = await process.submit("lost")
    waiting = asyncio.create_task(process.outcome(job))
    await asyncio.sleep(0.05)
    redis_client.client_kill_filter(_type="pubsub")
    await asyncio.to_thread(worker.step)
    assert (await waiting).text == "lost"
    await process.driver.aclose()


async def test_streams_of_many_jobs_are_read_on_one_connection(
    settings: Settings, workers: Callable[..., FakeWorker], redis_client: redis.Redis
) -> None:
    process = Named(settings)
    worker = workers(lambda claim, request: None, start=False)
    jobs = [await process.submit(f"p{number}", stream=True) for number in range(8)]
    reading = [asyncio.create_task(process.text(job)) for job in jobs]
    await asyncio.to_thread(worker.step)
    for piece in ("one ", "two ", "three"):
        for claim in worker.claims:
            await asyncio.to_thread(worker.delta, claim, t=piece)

    def readers() -> int:
        return sum(row["cmd"] == "xread" for row in redis_client.client_list())

    await asyncio.to_thread(eventually, lambda: readers() == 1)
    for claim in worker.claims:
        await asyncio.to_thread(worker.settle, claim, "one two three")
    for read in reading:
        assert "".join(await read) == "one two three"
    await process.driver.aclose()


async def test_one_stream_has_two_readers_who_began_at_different_times(
    settings: Settings, workers: Callable[..., FakeWorker]
) -> None:
    process = Named(settings)
    worker = workers(lambda claim, request: None, start=False)
    job = await process.submit("p", stream=True)
    first = asyncio.create_task(process.text(job))
    await asyncio.to_thread(worker.step)
    await asyncio.to_thread(worker.delta, worker.claims[0], t="one ")
    await asyncio.sleep(0.1)
    second = asyncio.create_task(process.text(job))
    await asyncio.to_thread(worker.delta, worker.claims[0], t="two")
    await asyncio.sleep(0.05)
    await asyncio.to_thread(worker.settle, worker.claims[0], "one two")
    assert "".join(await first) == "".join(await second) == "one two"
    await process.driver.aclose()
