"""Handlers are called at least once for stored events, by one of the workers, and again after a failure."""

from __future__ import annotations

import asyncio

import pytest

from homa import on
from homa.events import Event, JobCancelled, JobFailed, JobSucceeded
from homa_shared.model.errors import ConfigError
from homa_shared.store.transitions.event_handlers import take_events
from homa_workers.handlers.modules import import_handlers
from tests.commands_b.stand import MODEL, Stand
from tests.docs.pages import ROOT, blocks
from tests.events.fleet import HANDLERS, letters, pending, row, until, work, workers


async def test_two_workers_share_what_a_handler_wants(stand: Stand) -> None:
    seen: list[str] = []

    @on(JobSucceeded, tag="team=a", name="h", since="0")
    async def handle(event: JobSucceeded) -> None:
        seen.append(event.job)

    jobs = [stand.succeeded(tags={"team": "a"}) for _ in range(6)]
    stand.succeeded(tags={"team": "b"})
    stand.cancelled()
    await work(stand, "one", "two", until=lambda: len(seen) >= 6 and not pending(stand))
    assert sorted(seen) == sorted(jobs)


async def test_a_failure_is_tried_again_and_at_last_a_dead_letter(stand: Stand) -> None:
    tried: list[str] = []

    @on(JobCancelled, name="h", since="0", tries=2)
    def handle(event: JobCancelled) -> None:
        tried.append(event.id)
        raise ValueError("broken")

    stand.cancelled()
    await work(stand, "one", until=lambda: letters(stand) and not pending(stand))
    assert len(tried) == 2
    assert [(one.name, one.error, one.tries) for one in letters(stand)] == [(tried[0], "ValueError: broken", 2)]


async def test_a_lost_workers_event_is_claimed_and_a_hanging_call_cut(stand: Stand) -> None:
    calls: list[str] = []

    @on(JobCancelled, name="h", since="0", time_limit_s=0.2)
    async def handle(event: Event) -> None:
        calls.append(event.id)
        if len(calls) == 1:
            await asyncio.sleep(3600)

    stand.cancelled()
    events = stand.store.keys.events()
    stand.store.wait("XGROUP", "CREATE", events, "h", "0")
    stand.store.wait("XREADGROUP", "GROUP", "h", "lost", "STREAMS", events, ">")
    await work(stand, "one", until=lambda: len(calls) >= 2 and not pending(stand), lease_s=0.2)
    assert len(set(calls)) == 1


def test_what_cannot_be_a_handler_is_named() -> None:
    with pytest.raises(ConfigError, match="expected types from homa"):
        on("job.failed")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="cannot be called with an event alone"):
        on(JobCancelled)(lambda: None)
    with pytest.raises(ConfigError, match="--handlers no_such_module"):
        import_handlers(["no_such_module"])


async def test_a_group_that_is_gone_is_made_anew(stand: Stand) -> None:
    seen: list[str] = []

    @on(JobCancelled, name="h", since="0")
    async def handle(event: JobCancelled) -> None:
        seen.append(event.id)
        if len(seen) == 1:
            stand.store.wait("XGROUP", "DESTROY", stand.store.keys.events(), "h")

    stand.cancelled()
    await work(stand, "one", until=lambda: len(seen) >= 2)
    assert len(set(seen)) == 1


async def test_the_handler_of_the_page_is_called(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    _, example = [block for block in blocks(ROOT / "docs" / "events.md") if block.language == "python"]
    text = example.text.replace("tries=5", 'tries=5, name="h", since="0"')
    exec(compile(text, "docs/events.md", "exec"), {"__name__": "reports"})
    job = stand.failed(tags={"team": "search"})
    printed: list[str] = []

    def told() -> bool:
        printed.append(capsys.readouterr().out)
        return job in "".join(printed) and not pending(stand)

    await work(stand, "one", until=told)
    assert f"{job} it broke" in "".join(printed)


async def test_an_event_reaches_a_worker_that_waits_for_it(stand: Stand) -> None:
    seen: list[str] = []

    @on(JobCancelled, name="h")
    async def handle(event: JobCancelled) -> None:
        seen.append(event.job)

    async with workers(stand, "one", lease_s=600):
        for number in range(1, 6):
            job = stand.cancelled()
            await until(lambda: len(seen) == number and not pending(stand))  # noqa: B023
            assert seen[-1] == job
            await asyncio.sleep(0.05)  # it waits again


async def test_an_event_that_was_cut_in_the_middle_of_a_character_is_told_all_the_same(stand: Stand) -> None:
    seen: list[Event] = []

    @on(Event, name="h", since="-")
    async def handle(event: Event) -> None:
        seen.append(event)

    fields = ("job", "j", "target", MODEL, "batch", "", "tenant", "", "detail", "é".encode()[:1])
    stand.redis("XADD", stand.store.keys.events(), "*", "event", "job.failed", *fields)
    await work(stand, "one", until=lambda: seen and not pending(stand))
    assert isinstance(seen[0], JobFailed)
    assert seen[0].reason == "\ufffd"


async def test_a_worker_that_is_never_idle_takes_over_what_another_left(stand: Stand) -> None:
    seen: list[str] = []

    @on(JobCancelled, name="h", since="-", concurrency=2)
    async def handle(event: JobCancelled) -> None:
        seen.append(event.job)
        await asyncio.sleep(0.01)

    left = stand.cancelled()
    stand.store.run(take_events(stand.store.keys, HANDLERS["h"], "lost", 1))
    for _ in range(400):
        stand.cancelled()
    await work(stand, "one", until=lambda: left in seen, lease_s=0.1)
    assert len(seen) < 400


async def test_consumers_of_workers_that_are_gone_are_removed(stand: Stand) -> None:
    @on(JobCancelled, name="h", since="-")
    async def handle(event: JobCancelled) -> None: ...

    stand.cancelled()
    # It holds nothing; one that holds something stays, since its events would go with it.
    stand.store.run(take_events(stand.store.keys, HANDLERS["h"], "holds", 1))
    stand.store.run(take_events(stand.store.keys, HANDLERS["h"], "idle", 1))
    assert row(stand).consumers == 2
    await work(stand, "one", until=lambda: not pending(stand) and row(stand).consumers == 1, lease_s=0.1)


async def test_a_worker_that_drains_finishes_its_calls_and_gives_the_rest_back(stand: Stand) -> None:
    began, ended, go = list[str](), list[str](), asyncio.Event()

    @on(JobCancelled, name="h", since="-", concurrency=1)
    async def handle(event: JobCancelled) -> None:
        began.append(event.job)
        await go.wait()
        ended.append(event.job)

    async with workers(stand, "one", lease_s=600) as [group]:
        for _ in range(3):
            stand.cancelled()
        await until(lambda: began)
        finishing = asyncio.create_task(group.finish())
        await asyncio.sleep(0.05)
        assert not finishing.done()
        go.set()
        await finishing
    assert ended == began[:1]
    # No lease has ended: what was given back is taken at once.
    await work(stand, "two", until=lambda: len(ended) == 3 and not pending(stand), lease_s=600)
    assert len(began) == 3


async def test_a_worker_that_stops_at_once_cuts_its_calls_and_no_try_is_counted(stand: Stand) -> None:
    began: list[str] = []

    @on(JobCancelled, name="h", since="-", tries=1)
    async def handle(event: JobCancelled) -> None:
        began.append(event.job)
        if len(began) == 1:
            await asyncio.sleep(3600)

    stand.cancelled()
    async with workers(stand, "one", lease_s=600) as [group]:
        await until(lambda: began)
        group.stop_now()
    await work(stand, "two", until=lambda: len(began) == 2 and not pending(stand), lease_s=600)
    assert letters(stand) == []
