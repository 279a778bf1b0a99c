"""Whatever a handler does, its worker goes on, and its event is handled or told as dead."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from homa import on
from homa.events import JobCancelled
from homa_shared.model.errors import ConfigError
from homa_workers.handlers import calls
from tests.commands_b.stand import Stand
from tests.events.fleet import HANDLERS, letters, pending, work

Function = Callable[[JobCancelled], Any]


class Odd(BaseException):
    """No Exception."""


def raises(error: BaseException) -> Iterator[Function]:
    def sync(event: JobCancelled) -> None:
        raise error

    async def soon(event: JobCancelled) -> None:
        await asyncio.sleep(0)
        raise error

    yield sync
    if not isinstance(error, StopIteration):  # a coroutine cannot
        yield soon


class Mute(Exception):
    """Has no words."""

    def __str__(self) -> str:
        raise ValueError("none")


ERRORS = [
    Mute(),
    SystemExit(3),
    KeyboardInterrupt(),
    Odd("x"),
    asyncio.CancelledError(),
    StopIteration(),
    TimeoutError("mine"),
]


@pytest.mark.parametrize("function", [f for error in ERRORS for f in raises(error)])
async def test_whatever_is_raised_is_the_calls_error(stand: Stand, function: Function) -> None:
    on(JobCancelled, name="h", since="-", tries=2, concurrency=1)(function)
    for _ in range(2):
        stand.cancelled()
    await work(stand, "one", until=lambda: len(letters(stand)) == 2 and not pending(stand))
    assert {letter.tries for letter in letters(stand)} == {2}


async def test_a_sync_call_that_hangs_is_told_and_holds_neither_the_others_nor_the_end(stand: Stand) -> None:
    release, handled = threading.Event(), list[str]()

    @on(JobCancelled, name="h", since="-", tries=1, concurrency=2, time_limit_s=0.2)
    def handle(event: JobCancelled) -> None:
        if event.job == first:
            release.wait(60)
        handled.append(event.job)

    first, *others = [stand.cancelled() for _ in range(4)]
    await work(stand, "one", until=lambda: len(handled) == 3 and len(letters(stand)) == 1 and not pending(stand))
    release.set()
    assert set(others) <= set(handled)
    assert letters(stand)[0].error == "not through within 0.2 s (CancelledError)"


async def test_where_each_thread_hangs_another_worker_takes_over(stand: Stand) -> None:
    release, where = threading.Event(), dict[str, int]()
    lock = threading.Lock()

    @on(JobCancelled, name="h", since="-", tries=5, concurrency=1, time_limit_s=0.1)
    def handle(event: JobCancelled) -> None:
        with lock:
            where[event.job] = where.get(event.job, 0) + 1
            hangs = len(where) == 1 and where[event.job] == 1
        if hangs:
            release.wait(60)

    for _ in range(3):
        stand.cancelled()
    await work(stand, "one", "two", until=lambda: len(where) == 3 and not pending(stand), lease_s=0.3)
    release.set()
    assert letters(stand) == []


async def test_an_async_call_that_swallows_its_cancellation_is_left(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "_END_S", 0.1)
    release, handled = asyncio.Event(), list[str]()

    @on(JobCancelled, name="h", since="-", tries=1, concurrency=1, time_limit_s=0.1)
    async def handle(event: JobCancelled) -> None:
        while event.job == first and not release.is_set():
            with suppress(asyncio.CancelledError):
                await release.wait()
        handled.append(event.job)

    first, second = stand.cancelled(), stand.cancelled()

    def told() -> bool:
        if letters(stand):
            release.set()
        return second in handled and not pending(stand)

    await work(stand, "one", until=told)
    assert "goes on though it was cancelled" in letters(stand)[0].error


async def test_a_sync_function_that_returns_something_to_await_is_awaited(stand: Stand) -> None:
    handled: list[str] = []

    async def real(event: JobCancelled) -> None:
        await asyncio.sleep(0)
        handled.append(event.job)

    @on(JobCancelled, name="h", since="-")
    @functools.wraps(real)
    def handle(event: JobCancelled) -> Awaitable[None]:
        return real(event)

    class Handling:
        async def __call__(self, event: JobCancelled) -> None:
            await real(event)

    on(JobCancelled, name="g", since="-")(Handling())
    job = stand.cancelled()
    await work(stand, "one", until=lambda: len(handled) == 2)
    assert handled == [job, job]


async def test_a_call_runs_no_longer_than_its_limit_and_is_tried_again(stand: Stand) -> None:
    tried: list[str] = []

    @on(JobCancelled, name="h", since="-", time_limit_s=0.05)
    async def handle(event: JobCancelled) -> None:
        tried.append(event.job)
        if len(tried) < 3:
            await asyncio.sleep(3600)

    job = stand.cancelled()
    await work(stand, "one", until=lambda: len(tried) == 3 and not pending(stand))
    assert tried == [job] * 3
    assert letters(stand) == []


def test_a_name_that_is_taken_is_refused_with_both_places() -> None:
    def first(event: JobCancelled) -> None: ...

    def second(event: JobCancelled) -> None: ...

    on(JobCancelled, name="h")(first)
    with pytest.raises(ConfigError) as refused:
        on(JobCancelled, name="h")(second)
    for function in (first, second):
        assert f"{__file__}:{function.__code__.co_firstlineno}" in str(refused.value)
    # A module that is loaded again.
    on(JobCancelled, name="h", tries=7)(first)
    assert HANDLERS["h"].tries == 7


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"kinds": ("job.suceeded",)}, r"'job.suceeded'.*did you mean homa.events.JobSucceeded\?"),
        ({"kinds": (dict,)}, "there is no such type of event"),
        ({"kinds": ()}, "names no type of event"),
        ({"tag": "team"}, "expected key=value"),
        ({"tries": 0}, "expected a whole number above 0"),
        ({"tries": 1.5}, "expected a whole number above 0"),
        ({"time_limit_s": float("nan")}, "expected seconds above 0"),
        ({"concurrency": True}, "expected a whole number above 0"),
        ({"since": "yesterday"}, "expected the id of an event"),
        ({"name": "two words"}, "expected a name= without blanks"),
    ],
)
def test_a_wrong_declaration_is_named(given: dict[str, Any], words: str) -> None:
    kinds = given.pop("kinds", (JobCancelled,))
    with pytest.raises(ConfigError, match=words):
        on(*kinds, **given)(lambda event: None)


def test_a_generator_is_refused() -> None:
    def handle(event: JobCancelled) -> Iterator[None]:
        yield

    with pytest.raises(ConfigError, match="is a generator"):
        on(JobCancelled)(handle)


async def test_a_long_error_is_kept_in_part(stand: Stand) -> None:
    @on(JobCancelled, name="h", since="-", tries=1)
    async def handle(event: JobCancelled) -> None:
        raise ValueError("x" * 1_000_000)

    stand.cancelled()
    await work(stand, "one", until=lambda: letters(stand))
    assert len(letters(stand)[0].error) < 2100
