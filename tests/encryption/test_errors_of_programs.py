"""What the application's own code says when it fails, of handlers and actors, stands nowhere in clear."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import dramatiq
import pytest

from homa.events import JobCancelled
from homa_shared.backoff import Backoff
from homa_shared.broker import HomaBroker
from homa_shared.encryption.keyring import EncryptionKey, Keyring
from homa_shared.model.event_handlers import Handler
from homa_shared.store.client import AsyncStore, Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.reads.handlers import Letter, letters
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.event_handlers import change_letters
from homa_workers.handlers.group import HandlerLoops
from homa_workers.process.worker import HomaWorker
from tests.encryption.canary import WORD, dump, found_in
from tests.fixtures.store import eventually
from tests.transitions.cell import Cell

OLD, NEW = EncryptionKey("old", b"o" * 32), EncryptionKey("new", b"n" * 32)


@pytest.fixture
def cell(store_url: str, namespace: str) -> Iterator[Cell]:
    found = Cell(replace(StoreAddress.parse(store_url), keyring=Keyring([NEW])), namespace)
    yield found
    found.store.close()


def told(cell: Cell, *keys: EncryptionKey) -> list[Letter]:
    """The dead letters, as a process with these keys sees them."""
    address = replace(cell.store.address, keyring=Keyring(keys) if keys else None)
    store = Store(address, cell.keys.namespace, role="test")
    try:
        return store.run(letters(store.keys, "h"))
    finally:
        store.close()


async def test_an_error_of_a_handler_is_sealed_in_its_dead_letter(cell: Cell) -> None:
    def fails(event: object) -> None:
        raise ValueError(f"{WORD} is no number")

    cell.submit("j1")
    cell.run(admin.cancel(cell.keys, ["j1"]))
    handler = Handler("h", fails, (JobCancelled,), None, {}, time_limit_s=30.0, tries=1, concurrency=1, since="0")
    store = AsyncStore(cell.store.address, cell.keys.namespace)
    group = HandlerLoops(store, [handler], "w", lease_s=30.0, pauses=Backoff(0.0, 0.0))
    await group.begin()
    group.start()
    async with asyncio.timeout(30):
        while not told(cell, NEW):  # noqa: ASYNC110 - the condition is the store's
            await asyncio.sleep(0.02)
    await group.aclose()
    await store.aclose()
    (letter,) = told(cell, NEW)
    assert letter.error == f"ValueError: {WORD} is no number"
    assert found_in(dump(cell.store)) == []
    for keys in ((), (OLD,)):
        (sealed,) = told(cell, *keys)
        assert "sealed by the key 'new', which is not here" in sealed.error
        assert sealed.event == letter.event
    assert cell.run(change_letters(cell.keys, "drop", "h", [letter.name])) == [letter.name]


def test_an_error_of_an_actor_is_sealed_and_told(cell: Cell) -> None:
    broker, tried = HomaBroker(cell.store.address, cell.keys.namespace), list[str]()

    @dramatiq.actor(broker=broker, queue_name="canary", max_retries=1, min_backoff=1, max_backoff=2)
    def note(said: str) -> None:
        tried.append(said)
        raise ValueError(f"{said} is no number")

    job = note.send(WORD).message_id
    worker = HomaWorker(broker, worker_threads=1)
    worker.start()
    try:
        eventually(lambda: len(tried) == 1)
        assert found_in(dump(cell.store)) == []
        eventually(lambda: cell.counters().get("live") == 0)
    finally:
        worker.stop()
        broker.close()
    assert tried == [WORD, WORD]
    assert found_in(dump(cell.store)) == []
    assert job
