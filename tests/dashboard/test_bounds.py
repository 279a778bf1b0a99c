"""A page asks a bounded number of things of the store, however many jobs there are, however many people look."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest

from homa.gateway.dashboard.charts import CHARACTER, day_chart
from homa.gateway.dashboard.pages import costs, overview
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from tests.commands_b.stand import Stand
from tests.dashboard.conftest import Browser

#: A row of a page may take two commands, and a page a few of its own.
MOST = 130


def commands(text: str) -> int:
    told = re.search(r"with (\d+) store commands", text)
    assert told
    return int(told[1])


async def test_a_page_of_many_jobs_takes_no_more_commands_than_one_of_a_screenful(
    browser: Browser, stand: Stand
) -> None:
    paths = ("", "/jobs", "/jobs?state=queued&tag=none", "/batches", "/failures", "/costs", "/limits", "/workers")
    small = stand.batch(good=30, bad=30, live=60)
    few = {path: commands(await browser.get(path)) for path in (*paths, f"/batches/{small}")}
    large = stand.batch(good=60, bad=60, live=1500)
    many = {path: commands(await browser.get(path)) for path in (*paths, f"/batches/{large}")}
    for path in paths:
        assert many[path] <= few[path] + 10, path
    assert many[f"/batches/{large}"] <= few[f"/batches/{small}"] + 60
    assert max(many.values()) <= MOST


@pytest.mark.parametrize("state", ["waiting", "queued"])
@pytest.mark.parametrize("place", ["1:99999999999999999999:1:0", "9:7:1:0", "1:18446744073709551615:9:9", "1:5"])
async def test_a_cursor_that_leads_nowhere_is_an_empty_page_or_told(
    browser: Browser, stand: Stand, state: str, place: str
) -> None:
    stand.queued()
    await browser.get(f"/jobs?state={state}&cursor={state}@{place}")
    assert browser.status in (200, 400)


async def test_costs_of_many_tags_are_a_page_of_the_dearest_and_a_file_of_all(
    browser: Browser, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(costs, "_ROWS", 6)
    for i in range(8):
        stand.succeeded(tags={"doc": str(i)})
    text = await browser.get("/costs?by=tag")
    assert text.count("tag=doc%3D") == 6
    assert "2 smaller sums" in text
    # Three of them, and the others together.
    assert len(re.findall(r'<rect class="c\d"', text)) == 4
    assert len((await browser.get("/costs.csv?by=tag")).splitlines()) == 9


async def test_any_number_of_viewers_shares_one_look_at_the_fleet(
    browser: Browser, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.queued()
    await browser.get()
    await asyncio.sleep(1)
    asked: list[str] = []
    run = AsyncStore.run

    async def counted(store: AsyncStore, op: Op[Any]) -> Any:
        asked.append(op.script.name if op.script else str(op.commands[0][0]))
        return await run(store, op)

    monkeypatch.setattr(AsyncStore, "run", counted)
    async with asyncio.timeout(30):
        await asyncio.gather(*(browser.client.get("/dashboard/limits") for _ in range(20)))
    assert asked.count("metrics") == 1
    assert asked.count("in_flight") == 1


async def test_more_live_pages_than_a_process_bears_stand_still(
    browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "MOST_LIVE", 0)
    await browser.get("/live")
    assert browser.status == 503
    assert browser.headers["retry-after"]
    await browser.get()
    assert browser.status == 200


def test_a_charts_labels_have_the_room_that_they_need() -> None:
    small = day_chart(["2026-11-30"], {"m": {"2026-11-30": 12}})
    large = day_chart(["2026-11-30"], {"m": {"2026-11-30": 5_000_000_000}})
    assert max(len(label) for _, label in small.grid) * CHARACTER <= small.left > large.left
    assert all(bar.x >= small.left for bar in small.bars)
