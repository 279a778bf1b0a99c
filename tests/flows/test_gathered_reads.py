"""Values that attempts read in one turn of the loop come in one command, each to whoever asked."""

from __future__ import annotations

import asyncio

import pytest

from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import Op, read
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.store_io import gathered_reads
from homa_workers.store_io.gathered_reads import GatheredReads


class Counting(AsyncStore):
    """A store that notes what it is sent."""

    sent: list[Op[object]]

    async def run(self, op):  # type: ignore[no-untyped-def]
        self.sent.append(op)
        return await super().run(op)


@pytest.mark.parametrize(("most", "commands"), [(200, 1), (4, 2), (1, 5)])
async def test_what_is_asked_in_one_turn_is_read_together(
    store_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch, most: int, commands: int
) -> None:
    monkeypatch.setattr(gathered_reads, "MOST_KEYS", most)
    store = Counting(StoreAddress.parse(store_url), namespace, role="test")
    store.sent = []
    try:
        await store.run(read([("SET", store.keys.reply(name), name) for name in "abc"], lambda _: None))
        reads = GatheredReads(store, WorkerLog("w"))
        asked = [["a"], ["b", "none"], ["c", "a"], ["none"], ["b"]]
        store.sent.clear()
        waiting = [asyncio.create_task(reads.values([store.keys.reply(name) for name in names])) for names in asked]
        left = asyncio.create_task(reads.values([store.keys.reply("a")])) if most > 4 else None
        if left is not None:
            await asyncio.sleep(0)
            left.cancel()
        assert await asyncio.gather(*waiting) == [[b"a"], [b"b", None], [b"c", b"a"], [None], [b"b"]]
        assert len(store.sent) == commands
    finally:
        await store.aclose()
