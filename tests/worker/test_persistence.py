"""What must not be forgotten is told to the store until it has it, however often the teller is cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homa_shared.model.errors import StoreUnavailable
from homa_shared.store.operation import Op
from homa_shared.store.transitions.fleet import write_fleet
from homa_workers.fleet.fleet_cache import DAYS_S
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.store_io.persist import persist
from tests.worker.cell import MINI, Cell, until

TELL: Op[str] = Op((("PING",),), lambda replies: str(replies[0]))


class Moody:
    """A store that fails as often as it is told to."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.asked = 0
        self.open = asyncio.Event()

    async def run(self, op: Op[Any]) -> Any:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        await self.open.wait()
        return op.parse(["PONG"])


async def test_an_operation_is_repeated_until_the_store_takes_it() -> None:
    store = Moody(StoreUnavailable("away"), StoreUnavailable("still away"))
    store.open.set()
    assert await persist(store, TELL, WorkerLog("w")) == "PONG"  # type: ignore[arg-type]
    assert store.asked == 3


async def test_cancelling_again_and_again_loses_nothing_and_is_passed_on_at_the_end() -> None:
    store = Moody(StoreUnavailable("away"))
    telling = asyncio.create_task(persist(store, TELL, WorkerLog("w")))  # type: ignore[arg-type]
    await until(lambda: store.asked == 2)
    for _ in range(3):
        telling.cancel()
        await asyncio.sleep(0)
    assert not telling.done()
    store.open.set()
    with pytest.raises(asyncio.CancelledError):
        await telling
    assert store.asked == 2


async def test_a_defect_is_not_repeated() -> None:
    store = Moody(StoreUnavailable("away"), ValueError("a defect"))
    with pytest.raises(ValueError, match="a defect"):
        await persist(store, TELL, WorkerLog("w"))  # type: ignore[arg-type]
    assert store.asked == 2


async def test_plans_with_a_daily_window_are_written_anew_now_and_then(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await cell.process(HOMA_PROVIDERS__OPENAI__LIMITS__RPD="100")
    book = process.workers[0]._book
    assert book is not None
    assert not await book.refresh(), "nothing has changed"
    scope = cell.keys.scope("openai/gpt-6-luna")
    await cell.store.run(Op((("HDEL", scope, "dayend"),), lambda _: None))
    assert not await book.refresh()
    monkeypatch.setattr("homa_workers.fleet.fleet_cache.DAYS_S", -DAYS_S)
    await book.refresh()
    found = await cell.store.run(Op((("HGET", scope, "dayend"), ("HGET", scope, "rpd")), lambda r: r))
    assert int(found[0]) > 0
    assert int(found[1]) == 100
    assert book.plan(MINI) is not None


async def test_limits_of_a_model_with_a_bar_in_its_name_follow_the_settings(cell: Cell) -> None:
    process = await cell.process()
    book = process.workers[0]._book
    assert book is not None
    await book.ensure_plans(["openai:mine|v2"])
    changed = cell.settings(HOMA_PROVIDERS__OPENAI__LIMITS__RPM="7").fleet()
    await cell.store.run(write_fleet(cell.keys, changed, seen=book.fleet.version))
    assert await book.refresh()
    rpm = Op((("HGET", cell.keys.scope("openai/mine|v2"), "rpm"),), lambda r: r[0])
    assert await cell.store.run(rpm) == b"7"


async def test_limits_that_changed_while_the_store_went_away_hold_when_it_is_back(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    process = await cell.process()
    book = process.workers[0]._book
    assert book is not None
    await book.refresh()
    changed = cell.settings(HOMA_PROVIDERS__OPENAI__LIMITS__RPM="7").fleet()
    await cell.store.run(write_fleet(cell.keys, changed, seen=book.fleet.version))
    run, failures = process.store.run, [1]

    async def moody(op: Op[Any]) -> Any:
        if op.script is not None and op.script.name == "plan" and failures[0]:
            failures[0] -= 1
            raise StoreUnavailable("away")
        return await run(op)

    monkeypatch.setattr(process.store, "run", moody)
    with pytest.raises(StoreUnavailable):
        await book.refresh()
    await book.refresh()
    scope = cell.keys.scope("openai/gpt-6-luna")
    assert await cell.store.run(Op((("HGET", scope, "rpm"),), lambda r: r[0])) == b"7"
