"""`homa audit`: who changed what by hand, and whether the trail of it is whole."""

from __future__ import annotations

import threading

from homa_shared.store.audit_trail import Entry, acting_as, audited, trail
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.operation import Op
from homa_shared.store.transitions import admin
from tests.commands_b.stand import Stand

NOTHING: Op[None] = Op((), lambda _: None)


def entries(stand: Stand) -> list[Entry]:
    return stand.store.run(trail(stand.store.keys))


def test_what_people_change_stands_there_with_who_did_it(stand: Stand) -> None:
    stand.said("queues", "pause", "openai")
    stand.said("keys", "create", "--tenant", "acme", "--name", "for tests")
    stand.said("apply")
    stand.said("cache", "clear")
    told = stand.said("audit", "log", "--json").json["entries"]
    assert [entry["action"] for entry in told] == ["cache.cleared", "fleet.applied", "key.created", "queue.paused"]
    assert told[-1]["subject"] == "openai"
    assert told[-1]["via"] == "cli"
    assert "@" in told[-1]["actor"]
    assert told[2]["details"]["tenant"] == "acme"


def test_it_holds_no_secret_of_a_key(stand: Stand) -> None:
    shown = stand.said("keys", "create", "--tenant", "acme", "--json").json["key"]
    secret = shown.rpartition("_")[2]
    assert secret not in stand.said("audit", "log", "--json").stdout
    assert secret not in repr(entries(stand))


def test_whoever_acts_for_another_is_named(stand: Stand) -> None:
    with acting_as("key 0123456789ab"):
        stand.store.run(admin.pause_queue(stand.store.keys, "openai"))
    assert entries(stand)[0].actor == "key 0123456789ab"


async def test_an_event_loop_s_store_writes_it_too(stand: Stand) -> None:
    address = stand.store.address
    assert isinstance(address, StoreAddress)
    store = AsyncStore(address, stand.store.keys.namespace, role="gateway")
    try:
        await store.run(admin.resume_queue(store.keys, "openai"))
    finally:
        await store.aclose()
    assert [(entry.action, entry.via) for entry in entries(stand)] == [("queue.resumed", "gateway")]


def test_what_many_do_at_once_is_one_chain(stand: Stand) -> None:
    def act(number: int) -> None:
        for turn in range(10):
            stand.store.run(audited(NOTHING, "test.acted", f"{number}.{turn}"))

    threads = [threading.Thread(target=act, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({entry.subject for entry in entries(stand)}) == 50
    told = stand.said("audit", "verify", "--json").json
    assert (told["entries"], told["broken"]) == (50, None)


def test_an_entry_that_was_changed_is_found(stand: Stand) -> None:
    stand.said("queues", "pause", "openai")
    key = stand.store.keys.audit()
    client = stand.store._client
    (entry_id, fields), *_ = client.xrange(key)
    client.delete(key)
    client.xadd(key, {**fields, b"subject": b"anthropic"}, id=entry_id)
    said = stand.said("audit", "verify")
    assert said.status == 1
    assert "is not what was written" in said.stdout


def test_an_entry_that_is_gone_is_found(stand: Stand) -> None:
    for order in ("pause", "resume", "pause"):
        stand.said("queues", order, "openai")
    stand.store._client.xdel(stand.store.keys.audit(), entries(stand)[1].id)
    said = stand.said("audit", "verify", "--json")
    assert said.status == 1
    assert "does not follow the one before" in said.json["broken"]


def test_a_whole_new_trail_is_found_by_a_digest_that_was_kept(stand: Stand) -> None:
    stand.said("queues", "pause", "openai")
    kept = stand.said("audit", "verify", "--json").json["digest"]
    stand.said("queues", "resume", "openai")
    assert stand.said("audit", "verify", "--expect", kept).status == 0
    stand.store._client.delete(stand.store.keys.audit())
    stand.said("queues", "pause", "openai")
    said = stand.said("audit", "verify", "--expect", kept)
    assert said.status == 1
    assert "no entry has the digest" in said.stdout


def test_an_action_is_written_before_it_is_tried(stand: Stand) -> None:
    assert stand.said("limits", "unfreeze", "openai/unknown").status == 2
    assert [entry.action for entry in entries(stand)] == ["limits.unfrozen"]


def test_nobody_has_done_anything(stand: Stand) -> None:
    assert "nobody has changed anything" in stand.said("audit", "log").stderr
    assert "0 entries, whole" in stand.said("audit", "verify").stdout
