"""Good replies wait a moment for others, and never for nothing; each is told until the store has it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from homa_shared.model.errors import StoreUnavailable
from homa_shared.model.records import State
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op
from homa_shared.store.transitions.attempts import SETTLED_AT_ONCE, ReportResult, Settlement, settle_one
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.process.worker import HomaWorker
from homa_workers.store_io.group_commit import LARGE_BYTES, MOST_BYTES, GroupCommit
from homa_workers.store_io.persist import persist
from tests.worker.cell import Cell, until

OK = ReportResult.OK
#: Longer than any test: what is sent before was not waited for.
FOR_EVER_S = 3600.0


class Scribe:
    """A store that notes which jobs it was told of, call by call, and answers as it is told to."""

    def __init__(
        self, answers: Callable[[list[str]], Any] | None = None, alone: Callable[[list[str]], Any] | None = None
    ) -> None:
        self.keys = Keys("t")
        self.calls: list[list[str]] = []
        #: What its caller told of as defects.
        self.defects: list[BaseException] = []
        self._answers, self._alone = answers, alone

    async def run(self, op: Op[Any]) -> Any:
        assert op.script is not None
        jobs = [str(part) for part in op.commands[0][4::4]]
        self.calls.append(jobs)
        await asyncio.sleep(0)
        if op.script.name == "settle":
            return self._alone(jobs) if self._alone else OK
        return self._answers(jobs) if self._answers else [OK] * len(jobs)


def group(store: Scribe, in_flight: int = 1000, gather_s: float = FOR_EVER_S) -> GroupCommit:
    log = WorkerLog("w", [lambda error, claim: store.defects.append(error)])
    return GroupCommit(store, gather_s, lambda: in_flight, log)  # type: ignore[arg-type]


def reply(job: str, size: int = 10) -> Settlement:
    return Settlement((job, 1), b"x" * size, b"{}")


def told(commit: GroupCommit, *jobs: str, size: int = 10) -> list[asyncio.Task[ReportResult]]:
    return [asyncio.create_task(commit.settle(reply(job, size))) for job in jobs]


async def test_a_reply_that_nothing_else_is_in_flight_beside_is_told_at_once_by_itself() -> None:
    store = Scribe()
    assert await group(store, in_flight=1).settle(reply("a")) is OK
    assert store.calls == [["a"]]


async def test_the_last_reply_in_flight_waits_for_nobody() -> None:
    store = Scribe()
    assert await asyncio.gather(*told(group(store, in_flight=3), "a", "b", "c")) == [OK] * 3
    assert store.calls == [["a", "b", "c"]]


async def test_replies_wait_for_others_for_a_while() -> None:
    store = Scribe()
    commit = group(store, gather_s=0.01)
    assert await asyncio.gather(*told(commit, "a", "b")) == [OK] * 2
    assert await asyncio.gather(*told(commit, "c", "d")) == [OK] * 2
    assert store.calls == [["a", "b"], ["c", "d"]]


async def test_without_a_while_each_is_told_at_once() -> None:
    store = Scribe()
    await asyncio.gather(*told(group(store, gather_s=0), "a", "b"))
    assert store.calls == [["a"], ["b"]]


async def test_no_call_tells_of_more_than_a_script_of_a_few_milliseconds_takes() -> None:
    store = Scribe()
    await asyncio.gather(*told(group(store), *(f"j{i}" for i in range(2 * SETTLED_AT_ONCE))))
    assert [len(jobs) for jobs in store.calls] == [SETTLED_AT_ONCE] * 2


async def test_a_call_is_bounded_by_bytes_and_a_large_reply_goes_alone() -> None:
    store = Scribe()
    size = MOST_BYTES // 10
    waiting = told(group(store), *(f"j{i}" for i in range(10)), size=size)
    assert await asyncio.gather(*waiting) == [OK] * 10
    assert [len(jobs) for jobs in store.calls] == [10]
    assert await group(store).settle(reply("large", LARGE_BYTES)) is OK
    assert store.calls[1:] == [["large"]]


async def test_what_has_to_be_told_by_itself_is() -> None:
    store = Scribe(lambda jobs: [None if job == "b" else OK for job in jobs])
    assert await asyncio.gather(*told(group(store, in_flight=3), "a", "b", "c")) == [OK] * 3
    assert store.calls == [["a", "b", "c"], ["b"]]


async def test_where_the_script_fails_each_is_told_by_itself() -> None:
    def fails(jobs: list[str]) -> None:
        raise ValueError("a defect")

    store = Scribe(fails)
    assert await asyncio.gather(*told(group(store, in_flight=2), "a", "b")) == [OK] * 2
    assert store.calls == [["a", "b"], ["a"], ["b"]]
    assert list(map(str, store.defects)) == ["a defect"]


async def test_one_that_fails_by_itself_is_told_once_and_its_teller_hears_why() -> None:
    def fails(jobs: list[str]) -> None:
        raise ValueError("a defect")

    store = Scribe(alone=fails)
    with pytest.raises(ValueError, match="a defect"):
        await group(store, in_flight=1).settle(reply("a"))
    assert store.calls == [["a"]]


@pytest.mark.parametrize("count", [0, 1, 3])
async def test_where_answers_are_missing_or_too_many_each_is_told_by_itself(count: int) -> None:
    store = Scribe(lambda jobs: [OK] * count)
    assert await asyncio.gather(*told(group(store, in_flight=2), "a", "b")) == [OK] * 2
    assert store.calls == [["a", "b"], ["a"], ["b"]]
    assert list(map(str, store.defects)) == [f"settle_many: {count} answers to 2 replies"]


async def test_everybody_hears_that_the_store_is_away_and_may_tell_again() -> None:
    away = [StoreUnavailable("away")]

    def answer(jobs: list[str]) -> list[ReportResult]:
        if away:
            raise away.pop()
        return [OK] * len(jobs)

    store = Scribe(answer)
    commit = group(store, in_flight=2)
    heard = await asyncio.gather(*told(commit, "a", "b"), return_exceptions=True)
    assert [type(error) for error in heard] == [StoreUnavailable] * 2
    assert await asyncio.gather(*told(commit, "a", "b")) == [OK] * 2


async def test_what_is_gathered_is_sent_on_the_order_to() -> None:
    store = Scribe()
    commit = group(store)
    waiting = told(commit, "a", "b")
    await asyncio.sleep(0)
    commit.flush()
    assert await asyncio.gather(*waiting) == [OK] * 2
    commit.flush()
    assert store.calls == [["a", "b"]]


async def test_cancelling_one_sends_all_that_are_gathered_it_included() -> None:
    store = Scribe()
    first, second = told(group(store), "a", "b")
    await asyncio.sleep(0)
    first.cancel()
    assert await second is OK
    assert first.cancelled()
    assert store.calls == [["a", "b"]]


async def test_one_that_was_cancelled_is_not_sent_again_when_it_is_told_again() -> None:
    store = Scribe()
    commit = group(store)
    first, second = told(commit, "a", "b")
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    assert await asyncio.gather(commit.settle(reply("a")), second) == [OK] * 2
    assert store.calls == [["a", "b"]]


@pytest.mark.parametrize("turns", range(6))
async def test_whenever_it_is_cancelled_its_answer_is_there_when_it_is_told_again(turns: int) -> None:
    store = Scribe()
    commit = group(store)
    first = told(commit, "a")[0]
    await asyncio.sleep(0)
    commit.flush()
    for _ in range(turns):
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    if first.cancelled():
        assert await commit.settle(reply("a")) is OK
    assert store.calls == [["a"]]


async def test_one_that_was_cancelled_while_the_store_went_away_hears_of_it_and_may_tell_again() -> None:
    away = [StoreUnavailable("away")]

    def answer(jobs: list[str]) -> list[ReportResult]:
        if away:
            raise away.pop()
        return [OK] * len(jobs)

    store = Scribe(answer)
    commit = group(store)
    first, second = told(commit, "a", "b")
    await asyncio.sleep(0)
    first.cancel()
    heard = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(error) for error in heard] == [asyncio.CancelledError, StoreUnavailable]
    with pytest.raises(StoreUnavailable):
        await commit.settle(reply("a"))
    again = told(commit, "a")[0]
    await asyncio.sleep(0)
    commit.flush()
    assert await again is OK


async def test_who_tells_until_it_is_taken_tells_once_and_waits_for_nothing_when_cancelled() -> None:
    store = Scribe()
    commit, one = group(store), reply("a")
    op = settle_one(store.keys, one)
    telling = asyncio.create_task(
        persist(store, op, WorkerLog("w"), None, lambda: commit.settle(one))  # type: ignore[arg-type]
    )
    await asyncio.sleep(0)
    telling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await telling
    assert store.calls == [["a"]]


async def test_where_there_is_no_loop_to_send_on_what_is_gathered_is_sent_later() -> None:
    store = Scribe()
    commit = group(store, gather_s=0.01)
    waiting = told(commit, "a", "b")
    await asyncio.sleep(0)
    with pytest.raises(RuntimeError, match="no running event loop"):
        await asyncio.to_thread(commit.flush)
    assert await asyncio.gather(*waiting) == [OK] * 2


async def test_once_the_worker_is_to_stop_nothing_waits_for_others() -> None:
    store = Scribe()
    commit = group(store)
    waiting = told(commit, "a", "b")
    await asyncio.sleep(0)
    commit.stop_gathering()
    assert await asyncio.gather(*waiting) == [OK] * 2
    assert await commit.settle(reply("c")) is OK
    assert store.calls == [["a", "b"], ["c"]]


# -- in a worker ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 7, 50])
async def test_jobs_that_end_together_succeed_at_the_price_of_the_bill(cell: Cell, count: int) -> None:
    cell.simulator.configure(latency_ms=150)
    await cell.worker("openai", HOMA_SETTLE_GATHER_MS="100")
    for job in await cell.submit_many(count):
        assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert sum(line.nano_usd for line in await cell.ledger()) == cell.bill_nano()
    assert len(await cell.ledger()) == count


async def gathering(cell: Cell) -> tuple[HomaWorker, asyncio.Task[None], str]:
    """A worker in the midst of a long job that has gathered the reply of a quick one; its serving, the quick job."""
    (worker,) = (await cell.process("openai", HOMA_SETTLE_GATHER_MS="1000")).workers
    assert worker._pipeline is not None
    commit = worker._pipeline.group
    commit._gather_s = FOR_EVER_S
    serving = cell.serve(worker)
    await cell.submit("[[latency:60000]]")
    quick = await cell.submit("[[latency:10]]")
    await until(lambda: len(commit._gathered) == 1)
    return worker, serving, quick


async def test_a_worker_that_drains_sends_what_it_has_gathered(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=60_000)
    worker, serving, quick = await gathering(cell)
    worker.drain()
    assert (await cell.ended(quick)).job.state is State.SUCCEEDED
    assert not serving.done()
    worker.stop_now()


async def test_a_worker_that_stops_at_once_loses_no_gathered_reply(cell: Cell) -> None:
    worker, serving, quick = await gathering(cell)
    worker.stop_now()
    assert (await cell.ended(quick)).job.state is State.SUCCEEDED
    await serving
    assert [line.outcome for line in await cell.ledger() if line.job == quick] == ["succeeded"]
