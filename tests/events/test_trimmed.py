"""Events that are trimmed while a handler is behind are counted once, and told to who wants to know."""

from __future__ import annotations

from homa import on
from homa.events import Event, JobCancelled, Missed
from homa_shared.store.client import AsyncStore
from homa_shared.store.transitions.event_handlers import call_again, renew_events, take_events
from homa_workers.handlers.held import Held
from tests.commands_b.stand import Stand
from tests.events.fleet import HANDLERS, pending, row, trim, work


def collect(*kinds: type[Event]) -> list[Event]:
    seen: list[Event] = []

    @on(*kinds, name="h", since="-")
    async def handle(event: Event) -> None:
        seen.append(event)

    return seen


async def test_each_gap_is_told_once(stand: Stand) -> None:
    seen = collect(JobCancelled, Missed)
    stand.cancelled()
    await work(stand, "one", until=lambda: len(seen) == 1 and not pending(stand))
    for gap in (3, 4):
        for _ in range(gap + 2):
            stand.cancelled()
        trim(stand, 2)
        before = len(seen)
        await work(stand, "two", until=lambda: len(seen) == before + 3 and not pending(stand))  # noqa: B023
        [missed] = [event for event in seen[before:] if isinstance(event, Missed)]
        kept = [event for event in seen[before:] if not isinstance(event, Missed)]
        assert missed.n == gap
        assert missed.id == min(event.id for event in kept)
    assert row(stand).missed == 7
    assert row(stand).behind == 0


async def test_who_does_not_ask_is_not_called_for_a_gap(stand: Stand) -> None:
    seen = collect(JobCancelled)
    stand.cancelled()
    await work(stand, "one", until=lambda: seen and not pending(stand))
    for _ in range(5):
        stand.cancelled()
    trim(stand, 1)
    await work(stand, "one", until=lambda: len(seen) == 2 and not pending(stand))
    assert row(stand).missed == 4
    checks = [check["value"] for check in stand.json("doctor")["checks"] if check["check"] == "event handler h"]
    assert checks == ["4 events were trimmed before it was called"]


async def test_a_new_handler_from_the_oldest_misses_nothing(stand: Stand) -> None:
    for _ in range(5):
        stand.cancelled()
    trim(stand, 2)
    seen = collect(JobCancelled, Missed)
    await work(stand, "one", until=lambda: len(seen) == 2 and not pending(stand))
    assert row(stand).missed == 0


async def test_a_group_that_begins_at_an_id_says_that_it_cannot_tell(stand: Stand) -> None:
    seen: list[Event] = []
    stand.cancelled()
    first = next(stand.homa.events(after="-", follow=False)).id

    @on(JobCancelled, Missed, name="h", since=first)
    async def handle(event: Event) -> None:
        seen.append(event)

    store = stand.store
    store.wait("XGROUP", "CREATE", store.keys.events(), "h", first)
    for _ in range(4):
        stand.cancelled()
    trim(stand, 2)
    await work(stand, "one", until=lambda: len(seen) == 3 and not pending(stand))
    assert [event.n for event in seen if isinstance(event, Missed)] == [None]


async def test_an_event_that_is_trimmed_while_it_is_handled_is_put_back(stand: Stand) -> None:
    collect(JobCancelled)
    handler, keys = HANDLERS["h"], stand.store.keys
    stand.cancelled()
    [delivery] = stand.store.run(take_events(keys, handler, "one", 10)).deliveries
    trim(stand, 0)
    held = [delivery.place]
    found = stand.store.run(renew_events(keys, handler, "one", held, lease_ms=30_000, most=10, suspects=1))
    assert found.trimmed == held
    for _ in range(2):  # the second one after a reply that was lost
        assert not stand.store.run(call_again(keys, handler.name, "one", delivery))
    [again] = stand.store.run(take_events(keys, handler, "one", 10)).deliveries
    assert (again.stream, again.event, again.name) == (1, delivery.event, delivery.name)
    assert pending(stand) == 1


async def test_what_is_put_back_is_not_called_where_it_was_held(stand: Stand) -> None:
    """One that waited there for a free runner would be called twice."""
    collect(JobCancelled)
    handler, keys = HANDLERS["h"], stand.store.keys
    stand.cancelled()
    store = AsyncStore(stand.store.address, keys.namespace)
    held = Held(store, handler, "one")
    [delivery] = (await store.run(take_events(keys, handler, "one", 10))).deliveries
    held.add(delivery)
    trim(stand, 0)
    await held.renew([delivery.place], lease_s=30, most=10)
    await store.aclose()
    assert delivery not in held
    assert (row(stand).put_back, pending(stand)) == (1, 0)


async def test_an_event_that_is_trimmed_after_its_worker_was_lost_is_counted(stand: Stand) -> None:
    seen = collect(JobCancelled)
    stand.cancelled()
    keys, store = stand.store.keys, AsyncStore(stand.store.address, stand.store.keys.namespace)
    await store.run(take_events(keys, HANDLERS["h"], "lost", 10))
    await store.aclose()
    trim(stand, 0)
    await work(stand, "one", until=lambda: row(stand).missed == 1, lease_s=0.1)
    assert seen == []
    assert pending(stand) == 0
