"""Dead letters are listed, retried and dropped, by command and in Python; handlers that nobody runs are told."""

from __future__ import annotations

import pytest

from homa import AsyncHoma, InvalidRequest, on
from homa.client.management.event_handlers import UNSERVED_S
from homa.events import JobCancelled, JobSucceeded
from tests.commands_b.stand import Stand
from tests.events.fleet import HANDLERS, letters, pending, row, trim, work


def failing(heal: list[str], tries: int = 1) -> list[str]:
    """A handler `h` that fails until `heal` is not empty; the jobs that it handled."""
    handled: list[str] = []

    @on(JobCancelled, name="h", since="-", tries=tries)
    def handle(event: JobCancelled) -> None:
        if not heal:
            raise RuntimeError(f"no room for {event.job}")
        handled.append(event.job)

    return handled


async def died(stand: Stand, count: int) -> None:
    await work(stand, "one", until=lambda: len(letters(stand)) == count and not pending(stand))


async def test_letters_are_listed_retried_and_dropped(stand: Stand) -> None:
    heal: list[str] = []
    handled = failing(heal)
    jobs = [stand.cancelled() for _ in range(3)]
    await died(stand, 3)
    found = list(stand.homa.dead_events())
    assert [one.event.job for one in found if isinstance(one.event, JobCancelled)] == jobs
    assert {(one.handler, one.tries, one.error) for one in found} == {
        ("h", 1, f"RuntimeError: no room for {job}") for job in jobs
    }
    assert [one.id for one in found] == [one.event.id for one in found]
    assert stand.homa.retry_dead_events(found[0]) == 1
    assert stand.homa.drop_dead_events(found[1].id, handler="h") == 1
    assert row(stand).put_back == 1
    heal.append("yes")
    await work(stand, "two", until=lambda: handled)
    assert handled == [jobs[0]]
    assert [one.id for one in stand.homa.dead_events(limit=5)] == [found[2].id]
    assert stand.store.wait("XLEN", stand.store.keys.handler_events("h")) == 0


async def test_a_retried_letter_that_fails_again_is_a_letter_again(stand: Stand) -> None:
    failing([], tries=2)
    stand.cancelled()
    await died(stand, 1)
    before = next(stand.homa.dead_events())
    assert stand.homa.retry_dead_events(everything=True) == 1
    await died(stand, 1)
    after = next(stand.homa.dead_events())
    assert (after.id, after.event, after.tries) == (before.id, before.event, 2)


async def test_the_oldest_letter_makes_room_and_that_is_told(stand: Stand) -> None:
    failing([])
    for _ in range(4):
        stand.cancelled()
    stand.redis("HSET", stand.store.keys.config(), "events.dead", 2)
    await work(stand, "one", until=lambda: row(stand).dropped == 2 and not pending(stand))
    assert len(letters(stand)) == 2
    checks = {check["value"] for check in stand.json("doctor")["checks"] if check["check"] == "event handler h"}
    assert checks == {"2 dead letters", "2 dead letters made room for newer ones"}


async def test_far_fewer_letters_than_there_were_are_kept_after_all(stand: Stand) -> None:
    """As many as one command takes go at a time: Lua passes on some 8000 words."""
    failing([])
    for _ in range(10):
        stand.cancelled()
    keys, was = stand.store.keys, 9000
    for number in range(0, was, 1000):
        names = [f"{number + i}-0" for i in range(1000)]
        stand.redis("HSET", keys.dead_letters("h"), *(part for name in names for part in (name, "{}")))
        stand.redis("ZADD", keys.dead_index("h"), *(part for name in names for part in (1, name)))
    stand.redis("HSET", keys.config(), "events.dead", 2)
    await work(stand, "one", until=lambda: row(stand).dropped == was + 10 - 2 and not pending(stand))
    assert stand.redis("HLEN", keys.dead_letters("h")) == 2


async def test_the_commands_do_the_same(stand: Stand) -> None:
    heal: list[str] = []
    handled = failing(heal)
    jobs = [stand.cancelled() for _ in range(3)]
    await died(stand, 3)
    shown = stand.json("events", "dead", "--handler", "h")["dead"]
    assert [one["job"] for one in shown] == jobs
    assert shown[0]["error"] == f"RuntimeError: no room for {jobs[0]}"
    assert jobs[2] in stand.said("events", "dead").stdout
    assert stand.json("events", "drop", shown[2]["id"]) == {"dropped": 1}
    assert stand.said("events", "retry", "--all").stdout == "2 retried\n"
    heal.append("yes")
    await work(stand, "two", until=lambda: len(handled) == 2)
    assert sorted(handled) == sorted(jobs[:2])
    assert "there is no dead letter" in stand.said("events", "dead").stderr
    [listed] = stand.json("events", "handlers")["handlers"]
    assert (listed["handler"], listed["served"], listed["dead"], listed["behind"]) == ("h", True, 0, 0)
    assert "h" in stand.said("events", "handlers").stdout


async def test_what_is_not_there_is_named(stand: Stand) -> None:
    failing([])
    stand.cancelled()
    await died(stand, 1)
    for arguments, words in (
        (("retry",), "expected ids, or all of them"),
        (("retry", "1-0"), "'1-0' is no dead letter"),
        (("drop", "--all", "1-0"), "expected ids, or all of them"),
        (("dead", "--handler", "hh"), "did you mean 'h'?"),
        (("forget", "other"), "expected one of h"),
        (("forget", "h"), "a worker runs event handler 'h'"),
    ):
        said = stand.said("events", *arguments)
        assert said.status == 2
        assert words in said.stderr
    with pytest.raises(InvalidRequest, match="no event handler 'none'"):
        stand.homa.drop_dead_events(handler="none", everything=True)
    assert len(letters(stand)) == 1


async def test_the_async_client_has_the_same_methods(stand: Stand) -> None:
    handled = failing(heal := [])
    stand.cancelled()
    await died(stand, 1)
    async with AsyncHoma(settings=stand.settings) as homa:
        assert [info.name for info in await homa.event_handlers()] == ["h"]
        [letter] = [one async for one in homa.dead_events()]
        assert await homa.retry_dead_events(letter) == 1
        heal.append("yes")
        await work(stand, "two", until=lambda: handled)
        assert await homa.drop_dead_events(everything=True) == 0
        unseen(stand)
        await homa.forget_event_handler("h")
        assert await homa.event_handlers() == ()


def unseen(stand: Stand) -> None:
    """No worker has looked after the handler for a while."""
    stand.redis("ZINCRBY", stand.store.keys.handlers(), -2000 * UNSERVED_S, "h")


async def test_a_handler_that_nobody_runs_is_told_and_forgotten(stand: Stand) -> None:
    failing([])
    stand.cancelled()
    await died(stand, 1)
    unseen(stand)
    for _ in range(2):
        stand.cancelled()
    [info] = stand.homa.event_handlers()
    assert (info.is_served, info.behind) == (False, 2)
    found = [check for check in stand.json("doctor")["checks"] if check["check"] == "event handler h"]
    assert "no worker runs it" in found[0]["value"]
    assert "2 events wait" in found[0]["value"]
    assert "`homa events forget h`" in found[0]["what_to_do"]
    assert stand.said("events", "forget", "h").stdout == "h is forgotten\n"
    assert stand.homa.event_handlers() == ()
    assert stand.redis("KEYS", f"{stand.store.keys.prefix}e[hrdi]*") == []


async def test_a_group_holds_nothing_but_what_workers_were_given(stand: Stand) -> None:
    """A handler that nobody runs does not grow: what is trimmed leaves the stream whatever its group has read."""
    failing([])
    stand.cancelled()
    await died(stand, 1)
    for _ in range(20):
        stand.cancelled()
    trim(stand, 3)
    assert stand.store.wait("XLEN", stand.store.keys.events()) == 3
    assert row(stand).pending == 0


async def test_a_retried_letter_that_the_handler_is_no_longer_for_stays_one(stand: Stand) -> None:
    failing([])
    stand.cancelled()
    await died(stand, 1)
    stand.homa.retry_dead_events(everything=True)
    HANDLERS.clear()
    on(JobSucceeded, name="h")(lambda event: None)
    await died(stand, 1)
    assert letters(stand)[0].error == "the handler is no longer for such an event"
