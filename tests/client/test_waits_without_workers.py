"""Whoever waits where no worker lives is told, and a deadline ends the wait all the same."""

from __future__ import annotations

import logging
from collections.abc import Callable

import pytest

from homa import AsyncHoma, Homa, JobExpired, ResultTimeout
from homa.client import unserved
from homa_shared.model.records import State
from homa_shared.settings.model import Settings
from homa_shared.store.client import Store
from homa_shared.store.transitions.admin import expire_overdue
from tests.client.conftest import FakeWorker, echo
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

Workers = Callable[..., FakeWorker]
MODEL = "openai:gpt-6-luna"


@pytest.fixture
def _looking_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unserved, "LOOK_EACH_S", 0.0)


def warnings_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_deadline_ends_a_wait_for_a_result(homa: Homa) -> None:
    job = homa.submit("Hi", model=MODEL, deadline_s=0.3)
    with pytest.raises(JobExpired, match="its deadline passed while it waited in the queue openai, which no live"):
        job.result(timeout=PATIENCE_S)
    assert job.state() is State.EXPIRED


def test_a_deadline_ends_a_wait_for_a_stream(homa: Homa) -> None:
    with pytest.raises(JobExpired):
        list(homa.stream("Hi", model=MODEL, deadline_s=0.3))


@pytest.mark.parametrize("method", ["wait", "results"])
def test_a_deadline_ends_a_wait_for_a_batch(homa: Homa, method: str) -> None:
    batch = homa.submit_batch(["a", "b"], model=MODEL, deadline_s=0.2)
    ends = batch.wait(PATIENCE_S).expired if method == "wait" else len(list(batch.results(timeout=PATIENCE_S)))
    assert (ends, batch.progress().expired) == (2, 2)


async def test_a_deadline_ends_an_awaited_result(settings: Settings) -> None:
    async with AsyncHoma(settings=settings) as homa:
        job = await homa.submit("Hi", model=MODEL, deadline_s=0.3)
        with pytest.raises(JobExpired):
            await job.result(timeout=PATIENCE_S)


def test_what_runs_is_left_to_its_worker(homa: Homa, store: Store, workers: Workers) -> None:
    worker = workers(lambda claim, request: None, start=False)
    job = homa.submit("Hi", model=MODEL, deadline_s=0.3)
    eventually(worker.step)
    with pytest.raises(ResultTimeout, match="it is running"):
        job.result(timeout=0.8)
    store.run(expire_overdue(store.keys))
    assert job.state() is State.RUNNING
    worker.settle(worker.claims[0], "late")
    assert job.result(timeout=PATIENCE_S).text == "late"


def test_what_is_not_overdue_stays(homa: Homa, store: Store, workers: Workers) -> None:
    jobs = [homa.submit("a", model=MODEL), homa.submit("b", model=MODEL, deadline_s=600)]
    assert not store.run(expire_overdue(store.keys))
    assert [job.state() for job in jobs] == [State.QUEUED, State.QUEUED]
    workers(echo)
    assert [job.result(timeout=PATIENCE_S).text for job in jobs] == ["a", "b"]


@pytest.mark.usefixtures("_looking_at_once")
def test_a_stream_without_a_worker_says_so(homa: Homa, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(JobExpired):
        list(homa.stream("Hi", model=MODEL, deadline_s=0.5))
    assert ["no live worker serves the queue openai" in text for text in warnings_of(caplog)] == [True]


@pytest.mark.usefixtures("_looking_at_once")
def test_each_wait_is_told_once(homa: Homa, caplog: pytest.LogCaptureFixture) -> None:
    job = homa.submit("Hi", model=MODEL)
    for _ in range(2):
        with pytest.raises(ResultTimeout):
            job.result(timeout=1.5)
    assert len(warnings_of(caplog)) == 2


def test_the_timeout_of_a_batch_names_the_queue_that_nobody_serves(homa: Homa) -> None:
    batch = homa.submit_batch(["a", "b"], model=MODEL)
    for wait in (lambda: batch.wait(0.2), lambda: list(batch.results(timeout=0.2))):
        with pytest.raises(ResultTimeout, match=r"no live worker serves the queue openai: start one with `homa worker"):
            wait()
