"""Event handlers run in a fake fleet, in the test's own process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import homa
from homa.events import JobFailed, JobSucceeded
from homa.testing import Answer, Refused, fake
from homa_shared.model.errors import ConfigError
from homa_shared.model.event_handlers import HANDLERS

MODEL = "openai:gpt-6-luna"


@pytest.fixture(autouse=True)
def no_handlers() -> Iterator[None]:
    HANDLERS.clear()
    yield
    HANDLERS.clear()


def test_a_handler_is_called_and_may_submit_jobs_of_its_own() -> None:
    seen: list[str] = []

    @homa.on(JobSucceeded)
    def follow_up(event: JobSucceeded) -> None:
        job = client.job(event.job)
        seen.append(job.result().text)
        if event.tags.get("first"):
            client.submit("second", model=MODEL)

    with fake({"first": "one", "second": "two"}, handlers=[follow_up]) as client:
        client.submit("first", model=MODEL, tags={"first": "yes"})
        client.drain()
        assert seen == ["one", "two"]


def test_a_failing_handler_is_tried_at_once_and_its_event_a_dead_letter() -> None:
    tried: list[str] = []

    @homa.on(JobFailed, tries=3)
    async def report(event: JobFailed) -> None:
        tried.append(event.job)
        raise ValueError(event.reason)

    with fake(Refused(), handlers=[report]) as client:
        job = client.submit("hello", model=MODEL)
        client.drain()
        [letter] = client.dead_events()
        assert tried == [job.id] * 3
        assert letter.tries == 3
        assert client.retry_dead_events(letter) == 1
        client.drain()
        assert tried == [job.id] * 6


async def test_the_async_client_waits_for_them_too() -> None:
    seen: list[Any] = []

    @homa.on(JobSucceeded)
    async def note(event: JobSucceeded) -> None:
        seen.append(event.job)

    async with fake(Answer("hi"), handlers=[note]) as client:
        job = await client.submit("hello", model=MODEL)
        client.drain()
        assert seen == [job.id]


def test_a_function_that_is_no_handler_is_named() -> None:
    def plain(event: object) -> None: ...

    with pytest.raises(ConfigError, match=r"plain.* is not an event handler: expected a function with @homa.on"):
        fake(handlers=[plain])
