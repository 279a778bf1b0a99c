"""Media of a fleet with keys are found by names that tell nothing of them, through rotations, and as before keys."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import pytest

from homa.testing import fake
from homa_shared.encryption import keyring
from homa_shared.encryption.keyring import EncryptionKey
from homa_shared.model.constants import IN_STORE
from homa_shared.store.blobs import digest_of, new_path
from homa_shared.store.client import Store
from homa_shared.store.join import address_of
from homa_shared.store.operation import read
from homa_shared.store.sealing import medium_name
from homa_shared.store.transitions.media import (
    hold,
    not_there,
    placed,
    places,
    put,
    release,
    stored,
    sweep_media,
    uploading,
)
from tests.encryption.canary import WORD, dump, files, found_in
from tests.encryption.conftest import Process
from tests.encryption.test_nothing_in_clear import LUNA, PNG
from tests.transitions.cell import Cell

OLD, NEW = EncryptionKey("old", b"o" * 32), EncryptionKey("new", b"n" * 32)
DATA = b"a document that is known to others"
PICTURE = base64.b64encode(PNG).decode()
DIGEST = hashlib.sha256(DATA).hexdigest()


def uploaded(cell: Cell, user: str = "p:j1") -> bool:
    """Keeps DATA for a user as clients do; whether nobody had it yet."""
    name = medium_name(cell.keys, DIGEST)
    missing = cell.run(hold(cell.keys, [(name, user)]))
    if missing:
        cell.run(put(cell.keys, name, DATA))
    return bool(missing)


def found(cell: Cell) -> bytes | None:
    assert cell.run(places(cell.keys, ["ff" * 32, DIGEST, "ee" * 32])) == ["", IN_STORE, ""]
    return cell.run(stored(cell.keys, DIGEST))


def test_a_known_document_cannot_be_looked_for(process: Process) -> None:
    cell = process(NEW)
    assert uploaded(cell)
    assert not uploaded(cell, "p:j2")
    assert found(cell) == DATA
    assert found_in(dump(cell.store), DIGEST) == []
    assert len(medium_name(cell.keys, DIGEST)) == len(DIGEST)
    assert medium_name(process(OLD).keys, DIGEST) != medium_name(cell.keys, DIGEST) != DIGEST
    assert medium_name(process().keys, DIGEST) == DIGEST


def test_media_are_found_behind_a_rotation_and_stored_once_more(process: Process) -> None:
    before, added, turned = process(OLD), process(OLD, NEW), process(NEW, OLD)
    assert uploaded(before)
    assert not uploaded(added, "p:j2")
    assert found(added) == found(turned) == DATA
    assert uploaded(turned, "p:j3")
    assert found(process(NEW)) == found(before) == DATA


def test_media_from_before_there_were_keys_are_found(process: Process) -> None:
    assert uploaded(process())
    assert found(process(NEW)) == DATA


def test_a_medium_that_is_gone_is_told_under_whichever_name_it_had(process: Process) -> None:
    old, turned = process(OLD), process(NEW, OLD)
    path = new_path(old.keys.namespace, medium_name(old.keys, DIGEST))
    old.run(uploading(old.keys, [path]))
    assert old.run(placed(old.keys, {digest_of(path): path})) == []
    turned.run(not_there(turned.keys, DIGEST, f"{path}x"))
    assert turned.run(places(turned.keys, [DIGEST])) == [path]
    turned.run(not_there(turned.keys, DIGEST, path))
    assert turned.run(places(turned.keys, [DIGEST])) == [""]


def test_what_nobody_shows_any_more_goes_under_all_names(process: Process) -> None:
    old, turned = process(OLD), process(NEW, OLD)
    uploaded(old, "p:j1")
    uploaded(turned, "p:j1")
    turned.run(release(turned.keys, "p:j1", [DIGEST]))
    users = [("EXISTS", turned.keys.media_users(medium_name(cell.keys, DIGEST))) for cell in (old, turned)]
    assert turned.run(read(users, lambda replies: replies)) == [0, 0]
    # Held for those who upload, and then gone; in the store itself within a minute.
    due = [("ZADD", turned.keys.media_until(), 0, medium_name(cell.keys, DIGEST)) for cell in (old, turned)]
    turned.run(read(due, lambda _: None))
    turned.run(sweep_media(turned.keys))
    assert turned.run(places(turned.keys, [DIGEST])) == [""]


def answer(call: Any) -> Any:
    return f"{WORD} " * 400 if "at length" in call.prompt else f"{WORD} it is"


@pytest.mark.parametrize("where", ["store", "blobs"])
def test_jobs_turns_and_large_replies_outlive_a_rotation(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, where: str
) -> None:
    monkeypatch.setattr(keyring, "_LOOK_EACH_S", 0.0)
    keys, picture = tmp_path / "keys", tmp_path / "picture.png"
    picture.write_bytes(PNG)
    keys.write_text(OLD.written())
    settings: dict[str, Any] = {"encryption_keys_file": str(keys), "encryption_required": True, "blobs_above": 1024}
    if where == "blobs":
        settings["blobs"] = str(tmp_path / "blobs")
    with fake({"*": answer}, settings=settings) as fleet:
        talk = fleet.conversation("c1", model=LUNA)
        talk.ask(f"{WORD} shows this", images=[str(picture)])
        large = fleet.submit(f"{WORD} at length " + f"{WORD} " * 400, model=LUNA, images=[str(picture)])
        large.result()
        waits = fleet.submit(f"{WORD} later " + f"{WORD} " * 400, model=LUNA, images=[str(picture)], delay_s=60)
        for ring in ((OLD, NEW), (NEW, OLD)):
            keys.write_text(" ".join(key.written() for key in ring))
            assert talk.ask(f"{WORD} and now?").text == f"{WORD} it is"
            assert PICTURE in str(fleet.calls[-1].messages)
            assert large.result().text.startswith(WORD)
        fleet.advance(61)
        assert waits.result().text == f"{WORD} it is"
        assert PICTURE in str(fleet.calls[-1].messages)
        store = Store(address_of(fleet.fake.settings), fleet.fake.settings.namespace, role="test")
        told = list(dump(store))
        store.close()
    digest = hashlib.sha256(PNG).hexdigest()
    assert found_in(iter(told), digest) == []
    assert found_in(iter(told)) == []
    if where == "blobs":
        names = [(name, name.encode()) for name, _ in files(tmp_path / "blobs")]
        assert len(names) >= 4
        assert found_in(iter(names), digest) == []
