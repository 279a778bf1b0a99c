"""Schedules from Python: made with all checks or not at all, looked at, paused, run, backfilled, deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from homa import AsyncHoma, Homa, InvalidRequest
from homa_shared.settings.model import load_settings
from homa_shared.store import reads
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.transitions.fleet import read_fleet, write_fleet
from homa_workers.schedules.ticker import Ticker

MODEL = "openai:gpt-6-luna"


@pytest.fixture
def homa(store_url: str, namespace: str, tmp_path: Any) -> Iterator[Homa]:
    env = {"HOMA_REDIS_URL": store_url, "HOMA_NAMESPACE": namespace, "HOMA_PROVIDERS__OPENAI__API_KEY": "sk-test"}
    with Homa(settings=load_settings(env=env, cwd=tmp_path)) as client:
        yield client


async def turn(homa: Homa, store_url: str, namespace: str) -> None:
    """A worker looks after schedules until nothing is to be done."""
    store = AsyncStore(StoreAddress.parse(store_url), namespace, role="test")
    ticker = Ticker(store, "w", 30_000, hold_ms=1)
    while await ticker.turn() == 0.0:
        pass
    await store.aclose()


def test_a_schedule_is_made_once_and_looked_at(homa: Homa) -> None:
    schedule = homa.schedule(
        "digest",
        "What came from {{since}} to {{until}}?",
        cron="0 7 * * *",
        tz="Europe/Berlin",
        model=MODEL,
        max_tokens=50,
        budget_usd=5,
        tags={"team": "a"},
    )
    again = homa.schedule(
        "digest",
        "What came from {{since}} to {{until}}?",
        cron="0 7 * * *",
        tz="Europe/Berlin",
        model=MODEL,
        max_tokens=50,
        budget_usd=5,
        tags={"team": "a"},
    )
    (view,) = homa.schedules()
    assert view.id == schedule.view().id == again.view().id == homa.schedule("digest").view().id
    assert (view.name, view.state, view.cap_nano_usd, view.period) == ("digest", "active", 5_000_000_000, "month")
    ticks = schedule.next_ticks(3)
    assert [tick.hour for tick in ticks] == [7, 7, 7]
    assert view.next_ms == int(ticks[0].timestamp() * 1000)


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"cron": "0 0 30 2 *"}, "cron is '0 0 30 2 .' which never fires"),
    ({"cron": "0 0 * *"}, "cron is '0 0 . .': Wrong number of fields"),
    ({"cron": "0 7 * * *", "tz": "Europe/Berlim"}, "tz is 'Europe/Berlim'.*did you mean 'Europe/Berlin'"),
    ({"at": datetime(2020, 1, 1, tzinfo=UTC)}, "at is 2020-01-01T00:00:00.00:00, and the store's clock shows"),
    ({"at": datetime(2120, 1, 1)}, "at is datetime.*expected a datetime with a time zone"),  # noqa: DTZ001
    ({"every_s": -5}, "every_s is -5: expected seconds, 1 or more"),
    ({}, "cron, every_s, at: none of them given"),
    ({"cron": "0 7 * * *", "every_s": 60}, "cron and every_s given"),
    ({"cron": "0 7 * * *", "missed": "some"}, "missed is 'some': expected one of once, skip, all"),
    ({"cron": "0 7 * * *", "overlap": "maybe"}, "overlap is 'maybe'"),
    ({"cron": "0 7 * * *", "jitter_s": -1}, "jitter_s is -1"),
    ({"cron": "0 7,8 * * *", "jitter_s": 3600}, "jitter_s is 3600, and cron .* has ticks 1h apart"),
    ({"every_s": 60, "jitter_s": 60}, "jitter_s is 60, and every 1m has ticks 1m apart"),
    ({"at": datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), "tz": "Asia/Tokyo"}, "expected a time within a hundred"),
    ({"cron": "0 7 * * *", "budget_usd": -1}, "budget_usd.*negative"),
    ({"cron": "0 7 * * *", "key": "k"}, "key and delay_s have no place in a schedule"),
    ({"cron": "0 7 * * *", "model": "nobody:m"}, "nobody"),
    ({"cron": "0 7 * * *", "images": [b"\x89PNG\r\n\x1a\n" + b"0" * 64]}, "image"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[str(list(o.items())[:2])[:50] for o, _ in WRONG])
def test_what_is_wrong_is_named_and_nothing_is_stored(homa: Homa, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidRequest, match=message.replace("' which", "', which")):
        homa.schedule("digest", "Hello", **{"model": MODEL, "max_tokens": 50, **options})
    assert homa.schedules() == []


def test_a_variable_that_nothing_would_replace_is_refused(homa: Homa) -> None:
    with pytest.raises(InvalidRequest, match="is no variable of a schedule"):
        homa.schedule("digest", "since {{ since }}", cron="0 7 * * *", model=MODEL)
    assert homa.schedules() == []


def test_another_definition_under_a_name_is_refused(homa: Homa) -> None:
    homa.schedule("digest", "Hello", cron="0 7 * * *", model=MODEL)
    with pytest.raises(InvalidRequest, match="a schedule is named 'digest' already"):
        homa.schedule("digest", "Hello", cron="0 8 * * *", model=MODEL)
    homa.schedule("digest", "Hello", cron="0 8 * * *", model=MODEL, replace=True)
    assert homa.schedule("digest").next_ticks(1)[0].hour == 8


def test_a_name_that_nobody_has_is_told_with_the_nearest(homa: Homa) -> None:
    homa.schedule("digest", "Hello", cron="0 7 * * *", model=MODEL)
    with pytest.raises(InvalidRequest, match="no schedule is named 'digset'; did you mean 'digest'"):
        homa.schedule("digset").view()


def test_it_is_paused_resumed_and_deleted(homa: Homa) -> None:
    schedule = homa.schedule("digest", "Hello", cron="0 7 * * *", model=MODEL)
    schedule.pause("holidays")
    assert (schedule.view().state, schedule.view().paused_why, schedule.next_ticks()) == ("paused", "holidays", [])
    schedule.resume()
    assert schedule.view().state == "active"
    assert len(schedule.next_ticks()) == 5
    schedule.delete()
    assert homa.schedules() == []


def test_a_run_by_hand_is_a_job(homa: Homa) -> None:
    schedule = homa.schedule("digest", "Until {{until:%Y}}", cron="0 7 * * *", model=MODEL)
    job = schedule.run()
    assert job.state() == "queued"
    assert [run.by for run in schedule.history()] == ["hand"]
    assert f"Until {datetime.now(UTC).year}" in str(
        homa._driver.store._client.get(homa._submitter.keys.request(job.id))
    )


async def test_a_backfill_is_a_batch_of_its_ticks(homa: Homa, store_url: str, namespace: str) -> None:
    schedule = homa.schedule("digest", "Day {{tick:%Y-%m-%d}}", cron="0 7 * * *", model=MODEL, max_tokens=50)
    until = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    batch = schedule.backfill(until - timedelta(days=10), until, budget_usd=1)
    await turn(homa, store_url, namespace)
    assert batch.progress().total == 10
    second = schedule.backfill(until - timedelta(days=12), until, budget_usd=1)
    await turn(homa, store_url, namespace)
    assert second.progress().total == 2


async def test_the_async_client_has_the_same(homa: Homa, store_url: str, namespace: str) -> None:
    async with AsyncHoma(settings=homa._context.settings) as client:
        schedule = await client.schedule("digest", "Hello", cron="0 7 * * *", model=MODEL)
        assert [view.name for view in await client.schedules()] == ["digest"]
        await schedule.pause()
        assert (await schedule.view()).state == "paused"
        await schedule.resume()
        assert len(await schedule.next_ticks(2)) == 2
        assert await (await schedule.run()).state() == "queued"
        assert len(await schedule.history()) == 1
        await schedule.delete()
        assert await client.schedules() == []


def test_one_for_a_moment_may_be_made_at_each_start_of_a_program(homa: Homa) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=0.5)
    made = homa.schedule("once", "Hello", at=moment, model=MODEL)
    store, found = homa._driver.store, made.view().id
    while store.run(reads.server_time(homa._submitter.keys)) <= int(moment.timestamp() * 1000):
        pass
    assert homa.schedule("once", "Hello", at=moment, model=MODEL).view().id == found
    with pytest.raises(InvalidRequest, match="expected a time to come"):
        homa.schedule("once", "Hello again", at=moment, model=MODEL, replace=True)


def test_replace_takes_what_an_alias_stands_for_now(store_url: str, namespace: str, tmp_path: Any) -> None:
    env = {"HOMA_REDIS_URL": store_url, "HOMA_NAMESPACE": namespace, "HOMA_PROVIDERS__OPENAI__API_KEY": "sk-test"}
    made = []
    for target in (MODEL, "openai:gpt-6-sol"):
        told = env | {"HOMA_MODELS__QUICK__TARGET": target}
        with Homa(settings=load_settings(env=told, cwd=tmp_path)) as client:
            store, keys = client._driver.store, client._submitter.keys
            standing = store.run(read_fleet(keys))
            store.run(write_fleet(keys, client._context.settings.fleet(), seen=standing.version if standing else 0))
            schedule = client.schedule("digest", "Hello", cron="0 7 * * *", model="quick", replace=True)
            made.append(schedule.view())
    assert made[0].id == made[1].id
    assert "gpt-6-sol" in made[1].raw["common"]
    assert "gpt-6-sol" not in made[0].raw["common"]
