"""A thread for actors that is interrupted between two runs, at whatever moment, is still there for the next one."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from dramatiq.middleware import Interrupt

from homa_shared.broker import HomaBroker
from homa_workers.process.actor_threads import ActorThread, ActorThreads
from tests.patience import PATIENCE_S


@pytest.mark.parametrize("interrupted", [1, 2, 3])
async def test_one_interrupted_as_it_says_that_it_is_free_says_so_again(
    broker: HomaBroker, monkeypatch: pytest.MonkeyPatch, interrupted: int
) -> None:
    threads = ActorThreads(broker, most=1)
    told, tell = 0, threads._is_free

    def cut(thread: ActorThread) -> None:
        nonlocal told
        told += 1
        if told == interrupted:
            raise Interrupt("meant for an actor that is over")
        tell(thread)

    monkeypatch.setattr(threads, "_is_free", cut)
    for number in range(3):
        work = threads.submit(partial(int, number))
        assert await asyncio.wait_for(work.future, PATIENCE_S / 4) == number
    await threads.aclose()


async def test_one_that_says_so_again_and_again_runs_each_call_once(broker: HomaBroker) -> None:
    threads = ActorThreads(broker, most=1)
    ran: list[int] = []
    await threads.submit(lambda: None).future
    (thread,) = threads._threads
    for _ in range(5):
        thread.bell.put(None)
    for work in [threads.submit(partial(ran.append, number)) for number in range(20)]:
        await work.future
    assert ran == list(range(20))
    assert threads._idle.count(thread) <= 1
    await threads.aclose()
