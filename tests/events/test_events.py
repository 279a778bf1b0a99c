"""Events as types: the table knows all that the scripts tell, and readers resume by id and are told of gaps."""

from __future__ import annotations

import asyncio
import re
import threading
from pathlib import Path

import pytest

import homa.events
from homa import AsyncHoma, Homa, InvalidRequest
from homa.events import Event, JobCancelled, JobSucceeded, Missed, OtherEvent
from homa_shared.model import event_kinds, events
from homa_shared.store.reads.event_page import Position, event_page
from tests.commands_b.stand import MODEL, Stand

SCRIPTS = Path(events.__file__).parents[1] / "store" / "scripts"
_OF_SCHEDULES = re.compile(r"tell\(s, '([a-z_]+)'")
_NAME = re.compile(r"'((?:job|attempt|batch|budget|breaker|scope|queue|fleet|webhook)\.[a-z]+)'")


def told_by_scripts() -> set[str]:
    """Names of events in the scripts' source, and those that are put together from a job's state."""
    found = {name for path in SCRIPTS.rglob("*.lua") for name in _NAME.findall(path.read_text())}
    ends = {f"job.{state}" for state in ("succeeded", "failed", "cancelled", "expired")}
    found |= {f"schedule.{what}" for path in SCRIPTS.rglob("*.lua") for what in _OF_SCHEDULES.findall(path.read_text())}
    return (found | ends | {"job.deferred", "job.rerouted"}) - {"job.released"}


def test_the_table_has_every_event_that_scripts_tell_and_no_other() -> None:
    assert set(event_kinds.KINDS) == told_by_scripts()


def test_each_type_of_the_model_is_public_and_all_that_have_a_name_are_in_the_table() -> None:
    types = {name: one for name, one in vars(events).items() if isinstance(one, type) and issubclass(one, Event)}
    assert {name: getattr(homa.events, name) for name in homa.events.__all__} == types
    # Those that others are made of, and those that no entry of the stream is read as.
    unnamed = {Event, events.JobEvent, events.ScheduleEvent, OtherEvent, Missed}
    assert set(types.values()) - unnamed == set(event_kinds.KINDS.values())


@pytest.mark.parametrize("name", sorted(event_kinds.KINDS))
def test_each_kind_is_read_with_all_its_fields(name: str) -> None:
    detail = {"budget.used": "team:a 80%", "fleet.changed": "version 7"}.get(name, "nightly: why")
    stored = {
        "event": name,
        "job": "j",
        "target": MODEL,
        "batch": "",
        "tenant": "t",
        "detail": detail,
        "tags": "a=b=c\nd=",
    }
    event = event_kinds.decode("1700000000000-0", stored)
    assert type(event) is event_kinds.KINDS[name]
    assert event.at.year == 2023
    if isinstance(event, events.JobEvent):
        assert (event.job, event.target, event.batch, event.tags) == ("j", MODEL, None, {"a": "b=c", "d": ""})
    if isinstance(event, events.ScheduleEvent):
        assert (event.schedule, event.tenant, event.reason) == ("nightly", "t", "why")
    if isinstance(event, events.BudgetMark):
        assert (event.budget, event.percent) == ("team:a", 80)


@pytest.mark.parametrize("fields", [{}, {"n": ""}, {"n": "many"}])
def test_a_gap_that_cannot_be_read_is_told_as_it_is(fields: dict[str, str]) -> None:
    assert event_kinds.decode("5-0", {"event": "missed", **fields}) == OtherEvent(
        id="5-0", name="missed", fields=fields
    )


def test_what_this_release_does_not_know_is_told_as_it_is() -> None:
    assert event_kinds.decode("5-0", {"event": "job.dreamt", "job": "j"}) == OtherEvent(
        id="5-0", name="job.dreamt", fields={"job": "j"}
    )
    assert isinstance(event_kinds.decode("5-0", {"event": "budget.used", "detail": "in another form"}), OtherEvent)


def test_a_reader_resumes_behind_an_id_and_chooses_kinds(stand: Stand) -> None:
    first = stand.succeeded(tags={"team": "a"}, tenant="acme")
    stand.cancelled()
    last = stand.succeeded()
    done = list(stand.homa.events(after="-", kinds=[JobSucceeded], follow=False))
    assert [event.job for event in done if isinstance(event, JobSucceeded)] == [first, last]
    assert isinstance(done[0], JobSucceeded)
    assert (done[0].tenant, done[0].tags, done[0].target) == ("acme", {"team": "a"}, MODEL)
    rest = list(stand.homa.events(after=done[0].id, follow=False))
    assert [type(event) for event in rest] == [JobCancelled, JobSucceeded]
    assert list(stand.homa.events(follow=False)) == []


def test_live_events_reach_threads_and_loops(stand: Stand) -> None:
    stand.succeeded()
    seen: list[Event] = []

    def follow() -> None:
        seen.append(next(stand.homa.events(after=newest)))

    newest = list(stand.homa.events(after="-", follow=False))[-1].id
    thread = threading.Thread(target=follow, daemon=True)
    thread.start()
    job = stand.cancelled()
    thread.join(30)
    assert [event.job for event in seen if isinstance(event, JobCancelled)] == [job]

    async def loop() -> Event:
        async with AsyncHoma(settings=stand.homa._context.settings) as homa:
            return await anext(homa.events(after=newest))

    assert asyncio.run(loop()) == seen[0]


def test_a_trimmed_stream_is_told(stand: Stand) -> None:
    store = stand.store
    for _ in range(5):
        stand.cancelled()
    total = len(list(stand.homa.events(after="-", follow=False)))
    page = store.run(event_page(store.keys, Position("-"), 2))
    store.wait("XTRIM", store.keys.events(), "MAXLEN", 2)
    late = store.run(event_page(store.keys, page.position, 10))
    assert isinstance(late.events[0], Missed)
    assert late.events[0].n == total - 2 - 2
    assert len(late.events) == 3
    assert store.run(event_page(store.keys, late.position, 10)).events == []
    resumed = list(stand.homa.events(after=page.events[-1].id, kinds=[JobSucceeded], follow=False))
    assert resumed == [Missed(id=late.events[1].id, n=None)]
    assert not any(isinstance(event, Missed) for event in stand.homa.events(after="-", follow=False))


@pytest.mark.parametrize("after", ["yesterday", "1-", 5])
def test_a_wrong_id_is_refused_at_once(after: str) -> None:
    with pytest.raises(InvalidRequest, match="expected the id of an event"):
        Homa().events(after=after)


def test_a_wrong_kind_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"'job\.failed' is not a type of event"):
        Homa().events(kinds=["job.failed"])  # type: ignore[list-item]


def test_a_batch_that_goes_on_or_is_cancelled_is_told_once(stand: Stand) -> None:
    batch = stand.homa.submit_batch(["a"], model=MODEL)
    batch.pause("later")
    for _ in range(2):
        batch.resume()
    for _ in range(2):
        batch.cancel()
    kinds = (events.BatchPaused, events.BatchResumed, events.BatchCancelled)
    told = list(stand.homa.events(after="-", kinds=kinds, follow=False))
    assert [type(event) for event in told] == list(kinds)
