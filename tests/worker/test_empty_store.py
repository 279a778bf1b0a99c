"""A store that comes back empty under live workers: limits and budgets are there again before anything is taken."""

from __future__ import annotations

import orjson

from homa_shared.model.records import State
from homa_shared.settings.fleet import Fleet
from homa_shared.store.operation import Op, read
from homa_shared.store.transitions.fleet import read_fleet
from tests.worker.cell import MINI, Cell, until


async def wiped(cell: Cell) -> None:
    """The namespace without a key, as after FLUSHALL or a start without its data."""
    names = await cell.store.run(read((("KEYS", cell.keys.fleet().replace("fleet", "*")),), lambda replies: replies[0]))
    assert names
    await cell.store.run(Op((("UNLINK", *names),), lambda replies: replies))


async def test_workers_hold_their_limits_when_the_store_comes_back_empty(cell: Cell) -> None:
    cell.simulator.configure(limits={"concurrency": 4}, latency_ms=60)
    slots = {"HOMA_PROVIDERS__OPENAI__CONCURRENCY": "4"}
    await cell.worker(concurrency=20, **slots)
    await cell.worker(concurrency=20, **slots)
    assert (await cell.ended(await cell.submit())).job.state is State.SUCCEEDED
    for _ in range(2):
        await wiped(cell)
        jobs = [await cell.submit() for _ in range(30)]
        for job in jobs:
            assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert cell.simulator.stats.refused.total() == 0
    assert cell.simulator.stats.max_in_flight == 4


async def test_the_settings_are_written_again_as_a_later_version(cell: Cell) -> None:
    budget = orjson.dumps({"month": {"cap_usd": "5", "period": "month"}}).decode()
    worker = await cell.worker(HOMA_BUDGETS=budget)
    before = await cell.store.run(read_fleet(cell.keys))
    assert before is not None
    await wiped(cell)

    async def there() -> bool:
        return await cell.store.run(read_fleet(cell.keys)) is not None

    await until(there)
    after = await cell.store.run(read_fleet(cell.keys))
    assert isinstance(after, Fleet)
    assert after.version == before.version + 1
    assert after.content() == before.content()
    found = await cell.store.run(read((("HGET", cell.keys.config(), "budgets"),), lambda replies: replies[0]))
    assert orjson.loads(found)[0]["name"] == "month"
    assert worker._book is not None
    await until(lambda: worker._book.fleet.version == after.version)
    plan = await cell.store.run(read((("HGET", cell.keys.target(MINI), "quota"),), lambda replies: replies[0]))
    assert plan is not None
