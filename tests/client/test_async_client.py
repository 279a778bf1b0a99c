"""The same through `AsyncHoma`; what a loop adds: many waiters, async sources, other loops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from homa import AsyncHoma, Homa, InvalidRequest, JobCancelled, ResultTimeout, UnknownModel
from homa_shared.model.records import State
from homa_shared.settings.model import Settings
from homa_shared.store import reads
from homa_shared.store.client import Store
from tests.client.conftest import FakeWorker, echo
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

Workers = Callable[..., FakeWorker]
MODEL = "openai:gpt-6-luna"


@pytest.fixture
async def ahoma(settings: Settings) -> AsyncIterator[AsyncHoma]:
    async with AsyncHoma(settings=settings) as client:
        yield client


def waiting(store: Store) -> int:
    """Jobs that nobody has taken yet."""
    return len(store.run(reads.jobs(store.keys, state=State.QUEUED)).jobs)


async def test_a_submitted_job_is_answered(ahoma: AsyncHoma, workers: Workers) -> None:
    workers(echo)
    job = await ahoma.submit("Hello", model=MODEL)
    assert (await job.result(timeout=PATIENCE_S)).text == "Hello"
    assert await job.state() is State.SUCCEEDED
    assert (await job.view()).job.id == job.id
    assert repr(job) == f"<AsyncJob {job.id}>"


async def test_hundreds_wait_on_one_connection(ahoma: AsyncHoma, workers: Workers, store: Store) -> None:
    worker = workers(lambda claim, request: None, start=False)
    jobs = await asyncio.gather(*(ahoma.submit(str(i), model=MODEL) for i in range(300)))
    waiting = [asyncio.create_task(job.result(timeout=PATIENCE_S)) for job in jobs]
    subscribed = 0
    while subscribed < 300:
        await asyncio.sleep(0.01)
        subscribed = len(store._client.pubsub_channels(f"{store.keys.prefix}end:*"))
    clients = [c for c in store._client.client_list() if c["name"] == "homa-client-wait" and int(c["sub"]) >= 300]
    assert len(clients) == 1
    while worker.step():
        pass
    for claim in worker.claims:
        worker.settle(claim, "ok")
    assert [reply.text for reply in await asyncio.gather(*waiting)] == ["ok"] * 300


async def test_a_stream_is_iterated(ahoma: AsyncHoma, workers: Workers) -> None:
    workers(echo)
    assert [piece async for piece in ahoma.stream("Hi", model=MODEL)] == ["Hi"]


async def test_a_streams_job_is_submitted_before_its_first_piece_is_asked_for(
    ahoma: AsyncHoma, workers: Workers, store: Store
) -> None:
    stream = ahoma.stream("Hi", model=MODEL)
    await asyncio.to_thread(eventually, lambda: waiting(store) == 1)
    workers(echo)
    assert [piece async for piece in stream] == ["Hi"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_a_stream_that_nobody_reads_is_submitted_before_its_client_closes(
    settings: Settings, store: Store
) -> None:
    async with AsyncHoma(settings=settings) as client:
        client.stream("Hi", model=MODEL)
    assert waiting(store) == 1


async def test_what_submitting_a_stream_raises_comes_with_its_first_piece_or_its_close(ahoma: AsyncHoma) -> None:
    with pytest.raises(UnknownModel):
        await anext(ahoma.stream("Hi", model="nobody:x"))
    stream = ahoma.stream("Hi", model="nobody:x")
    with pytest.raises(UnknownModel):
        await stream.aclose()
    await stream.aclose()
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    with pytest.raises(InvalidRequest, match="prompt is empty"):
        ahoma.stream("", model=MODEL)


async def test_a_stream_that_is_closed_early_leaves_its_job(ahoma: AsyncHoma, store: Store) -> None:
    stream = ahoma.stream("Hi", model=MODEL)
    await stream.aclose()
    assert waiting(store) == 1


def test_a_stream_made_outside_of_a_loop_is_submitted_by_the_one_that_reads_it(
    settings: Settings, workers: Workers, store: Store
) -> None:
    client = AsyncHoma(settings=settings)
    stream = client.stream("Hi", model=MODEL)
    assert waiting(store) == 0
    workers(echo)

    async def read() -> list[str]:
        async with client:
            return [piece async for piece in stream]

    assert asyncio.run(read()) == ["Hi"]


async def test_a_batch_takes_an_async_iterable(ahoma: AsyncHoma, workers: Workers) -> None:
    workers(echo)

    async def requests() -> AsyncIterator[str]:
        for i in range(300):
            yield f"prompt {i}"

    batch = await ahoma.submit_batch(requests(), model=MODEL)
    lines = [line async for line in batch.results(timeout=PATIENCE_S)]
    assert sorted(int(line.custom_id) for line in lines) == list(range(300))
    assert (await batch.wait(timeout=PATIENCE_S)).succeeded == 300
    assert (await (await ahoma.submit_batch(["x"], model=MODEL)).wait(timeout=PATIENCE_S)).total == 1


async def test_a_batch_is_paused_resumed_and_cancelled(ahoma: AsyncHoma) -> None:
    filling = await ahoma.open_batch(model=MODEL)
    await filling.add(["a", "b"])
    await filling.flush()
    await filling.batch.pause("lunch")
    assert (await filling.batch.progress()).paused == "lunch"
    await filling.batch.resume()
    batch = await filling.seal()
    with pytest.raises(ResultTimeout):
        await batch.wait(timeout=0.05)
    await batch.cancel()
    assert repr(batch) == f"<AsyncBatch {filling.id}>"


async def test_a_wrong_line_cancels_the_batch(ahoma: AsyncHoma) -> None:
    with pytest.raises(InvalidRequest, match="request 1") as caught:
        await ahoma.submit_batch(["good", ""], model=MODEL)
    assert "was cancelled" in caught.value.__notes__[0]


async def test_cancel_takes_a_handle_or_an_id(ahoma: AsyncHoma) -> None:
    job = await ahoma.submit("Hi", model=MODEL)
    assert await ahoma.cancel(job) == "cancelled"
    assert await ahoma.cancel(job.id) == "cancelled"
    with pytest.raises(JobCancelled):
        await job.result()
    assert ahoma.count("Hello world", model=MODEL).tokens == 2


async def test_a_waiter_that_is_cancelled_leaves_the_others_waiting(ahoma: AsyncHoma, workers: Workers) -> None:
    job = await ahoma.submit("Hi", model=MODEL)
    first, second = (asyncio.create_task(job.result(timeout=PATIENCE_S)) for _ in range(2))
    await asyncio.sleep(0.1)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    workers(echo)
    assert (await second).text == "Hi"


def test_one_client_serves_one_loop_after_another(settings: Settings) -> None:
    client = AsyncHoma(settings=settings)

    async def submit() -> str:
        async with client:
            return (await client.submit("Hi", model=MODEL)).id

    assert asyncio.run(submit()) != asyncio.run(submit())


async def test_the_blocking_client_works_inside_a_running_loop(settings: Settings, workers: Workers) -> None:
    workers(echo)
    with Homa(settings=settings) as homa:
        assert homa.submit("Hi", model=MODEL).result(timeout=PATIENCE_S).text == "Hi"
