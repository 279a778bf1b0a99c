"""Payloads that scripts put values into, wrap in messages and hand on: schedules' requests and arguments, actors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import dramatiq
import orjson
import pytest

from homa_shared.broker import HomaBroker
from homa_shared.calls.request import JobRequest, Option
from homa_shared.encryption.keyring import EncryptionKey, Keyring
from homa_shared.model.errors import ConfigError
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import read
from homa_shared.store.sealing import Kind, opened, opened_fields, sealed_text
from homa_shared.store.transitions.schedules import Definition, put_schedule, run_schedule
from homa_workers.fills.filler import Filler, Unfilled
from homa_workers.process.worker import HomaWorker
from tests.encryption.canary import WORD, dump, found_in
from tests.fixtures.store import eventually
from tests.transitions.cell import Cell

NEW = EncryptionKey("new", b"n" * 32)
HOLE = '{{tick:%d.%m. \\"%Y\\"}}'
VALUE = '30.11. \\"2026\\"'
TIMING = {"timing": '{"every_ms":60000,"anchor_ms":0,"tz":"UTC"}', "missed": "once", "overlap": "skip"}


@pytest.fixture
def cell(store_url: str, namespace: str) -> Iterator[Cell]:
    found = Cell(replace(StoreAddress.parse(store_url), keyring=Keyring([NEW])), namespace)
    yield found
    found.store.close()


def fired(cell: Cell, request: str, **fields: str) -> str:
    """The job of a schedule whose request has a variable, fired by hand."""
    said = TIMING | {"request": request, "holes": orjson.dumps([HOLE]).decode()} | fields
    put = cell.run(put_schedule(cell.keys, Definition("s", "ab", said), new_id="s.1", tick=2**50, due=2**50))
    return cell.run(run_schedule(cell.keys, put.id, "0", 1, "2026-11-30", [VALUE]))


def test_a_scheduled_request_is_filled_without_being_read(cell: Cell) -> None:
    request = JobRequest([{"role": "user", "content": WORD}], options=(Option("p:m", 100),)).encode().decode()
    common = {"v": 1, "kd": "j", "q": "p", "ln": "default", "tg": "p:m", "tn": "", "mx": 6}
    told = request.replace(WORD, f"{WORD} of {HOLE}")
    job = fired(cell, told, common=orjson.dumps(common).decode(), entry='{"bn":"100"}')
    assert found_in(dump(cell.store)) == []
    claim = cell.claim()
    assert claim.id == job
    assert JobRequest.decode(claim.request).messages[0]["content"] == f'{WORD} of 30.11. "2026"'


def test_arguments_of_a_scheduled_batch_reach_their_process(cell: Cell) -> None:
    given = ["/data/*.txt", "--prompt", f"{WORD} of HOLE", "--model", "p:m"]
    job = fired(cell, orjson.dumps(given).decode().replace("HOLE", HOLE), fills="1", common="", entry="")
    assert found_in(dump(cell.store)) == []
    raw = cell.run(read((("GET", cell.keys.request(job)),), lambda replies: replies[0]))
    arguments = orjson.loads(raw)["kwargs"]["arguments"]
    wanted = [part.replace("HOLE", '30.11. "2026"') for part in given]
    assert filler_of(cell.keys)._arguments(arguments) == wanted
    # What an earlier release, or a process without keys, has put there.
    assert filler_of(cell.keys)._arguments(given) == given
    keyless = SimpleNamespace(cipher=None)
    with pytest.raises(Unfilled, match="'new', which is not here") as caught:
        filler_of(keyless)._arguments(arguments)
    assert not caught.value.is_final


def filler_of(keys: Any) -> Filler:
    store: Any = SimpleNamespace(keys=keys)
    log: Any = None
    return Filler(store, log)


def test_an_actor_gets_its_message(cell: Cell) -> None:
    broker, heard = HomaBroker(cell.store.address, cell.keys.namespace), list[str]()

    @dramatiq.actor(broker=broker, queue_name="canary", max_retries=0)
    def note(said: str) -> None:
        heard.append(said)
        if said == WORD:
            note.send(f"{WORD} again")

    note.send(WORD)
    assert found_in(dump(cell.store)) == []
    worker = HomaWorker(broker, worker_threads=1)
    worker.start()
    try:
        eventually(lambda: len(heard) == 2)
    finally:
        worker.stop()
        broker.close()
    assert heard == [WORD, f"{WORD} again"]


def test_a_broker_with_the_address_of_its_store_takes_keys_of_its_own(store_url: str, namespace: str) -> None:
    broker = HomaBroker(store_url, namespace, encryption_keys=NEW.written())
    assert broker.store.keys.cipher is not None
    broker.close()
    plain = HomaBroker(store_url, namespace)
    assert plain.store.keys.cipher is None
    plain.close()
    with pytest.raises(ConfigError, match="encryption_keys: key 1 has no id"):
        HomaBroker(store_url, namespace, encryption_keys="nonsense")


def test_a_hash_is_opened_field_by_field(cell: Cell) -> None:
    assert cell.keys.cipher is not None
    sealed = sealed_text(cell.keys, Kind.SYSTEM, "rules")
    told = opened_fields(cell.keys, {"system": Kind.SYSTEM}, {"system": sealed, "model": sealed, "n": "1"})
    assert told == {"system": "rules", "model": sealed, "n": "1"}
    assert opened(cell.keys, Kind.TURN, b"[]") == b"[]"
