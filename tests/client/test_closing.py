"""A client that one thread closes while others wait: they go on waiting, on connections of their own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from homa import Batch, Homa, Job
from homa.testing import FakeCall, fake
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

MODEL = "openai:gpt-6-luna"

WAITS: dict[str, Callable[[Job[None], Batch], object]] = {
    "result": lambda job, _: job.result(PATIENCE_S).text,
    "stream": lambda job, _: "".join(job.stream()),
    "wait": lambda _, batch: batch.wait(PATIENCE_S).succeeded,
    "results": lambda _, batch: len(list(batch.results(timeout=PATIENCE_S))),
}


@pytest.mark.parametrize("name", WAITS)
def test_threads_that_wait_go_on_when_another_closes_the_client(name: str) -> None:
    closed = threading.Event()

    def answer(_: FakeCall) -> str:
        assert closed.wait(PATIENCE_S)
        return "ok"

    with fake(answer) as fleet, Homa() as homa, ThreadPoolExecutor(3) as threads:
        job, batch = homa.submit("x", model=MODEL, stream=True), homa.submit_batch(["x"] * 2, model=MODEL)
        waiting = [threads.submit(WAITS[name], job, batch) for _ in range(3)]
        eventually(lambda: len(fleet.calls) == 3)
        for _ in range(3):
            homa.close()
        closed.set()
        assert [wait.result(PATIENCE_S) for wait in waiting] == [
            2 if name.startswith(("wait", "results")) else "ok"
        ] * 3
