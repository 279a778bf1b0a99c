"""A medium lives as long as a request that refers to it, whoever refers to it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from homa_shared.model.constants import IN_STORE
from homa_shared.model.errors import StoreFull
from homa_shared.settings.fleet import Fleet
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress, connect_sync
from homa_shared.store.embedded import EmbeddedStore
from homa_shared.store.operation import Op
from homa_shared.store.transitions.fleet import write_fleet
from homa_shared.store.transitions.media import (
    gone,
    hold,
    placed,
    places,
    put,
    release,
    reply_user,
    request_user,
    stored,
    sweep_media,
    uploading,
)


@pytest.fixture
def store(store_address: StoreAddress, namespace: str) -> Iterator[Store]:
    store = Store(store_address, namespace, role="test")
    yield store
    store.close()


def submit(store: Store, job: str) -> None:
    store.run(Op((("SET", store.keys.request(job), "{}"),), lambda _: None))


def succeed(store: Store, job: str) -> None:
    store.run(Op((("DEL", store.keys.request(job)),), lambda _: None))


def grow_old(store: Store, *digests: str) -> None:
    """The hour in which nobody looks at them is over."""
    for digest in digests:
        store.run(Op((("ZADD", store.keys.media_until(), 1, digest),), lambda _: None))


def upload(store: Store, digest: str, path: str) -> list[str]:
    """What whoever uploads to the blob store tells before and after; returns what came too late."""
    store.run(uploading(store.keys, [path]))
    return store.run(placed(store.keys, {digest: path}))


def litter(store: Store) -> list[str]:
    """Blobs that a worker is told to delete."""
    return store.run(sweep_media(store.keys)).paths


def time_is_up(store: Store, *paths: str) -> None:
    """An uploader has had its time."""
    for path in paths:
        store.run(Op((("ZADD", store.keys.media_uploads(), 1, path),), lambda _: None))


def ten_minutes_later(store: Store) -> None:
    """Whoever was told to delete blobs has had the time for it."""
    key = store.keys.media_litter()
    for path in store.run(Op((("ZRANGE", key, 0, -1),), lambda replies: list(replies[0]))):
        store.run(Op((("ZADD", key, 1, path),), lambda _: None))


def place(store: Store, digest: str) -> str:
    return store.run(places(store.keys, [digest]))[0]


def test_only_the_first_is_asked_to_upload(store: Store) -> None:
    keys = store.keys
    assert store.run(hold(keys, [("d1", request_user("j1")), ("d1", request_user("j2")), ("d2", "p:j2")])) == [
        "d1",
        "d2",
    ]
    store.run(put(keys, "d1", b"\0one"))
    upload(store, "d2", "homa/d2-x")
    assert store.run(hold(keys, [("d1", "p:j3"), ("d2", "p:j3")])) == []
    assert (place(store, "d1"), place(store, "d2"), place(store, "d3")) == (IN_STORE, "homa/d2-x", "")
    assert store.run(stored(keys, "d1")) == b"\0one"


def test_of_two_uploads_at_once_the_first_counts(store: Store) -> None:
    upload(store, "d", "homa/d-1")
    upload(store, "d", "homa/d-2")
    assert place(store, "d") == "homa/d-1"


def test_the_upload_that_came_second_is_deleted(store: Store) -> None:
    upload(store, "d", "homa/d-1")
    upload(store, "d", "homa/d-2")
    assert litter(store) == ["homa/d-2"]
    store.run(gone(store.keys, ["homa/d-2"]))
    ten_minutes_later(store)
    assert litter(store) == []
    assert place(store, "d") == "homa/d-1"


def test_an_upload_whose_maker_died_is_deleted_when_its_time_is_up(store: Store) -> None:
    store.run(hold(store.keys, [("d", "p:j1")]))
    store.run(uploading(store.keys, ["homa/d-1", "homa/d-2"]))
    assert litter(store) == []
    time_is_up(store, "homa/d-1")
    assert litter(store) == ["homa/d-1"]
    assert store.run(placed(store.keys, {"d": "homa/d-1"})) == ["d"], "it may be deleted already"
    assert not place(store, "d")
    assert store.run(placed(store.keys, {"d": "homa/d-2"})) == []
    assert store.run(placed(store.keys, {"d": "homa/d-2"})) == [], "the same word again changes nothing"
    assert litter(store) == []
    assert place(store, "d") == "homa/d-2"


def test_one_that_was_uploaded_for_a_job_that_never_came_is_deleted(store: Store) -> None:
    store.run(hold(store.keys, [("d", "p:never")]))
    upload(store, "d", "homa/d-1")
    assert litter(store) == []
    grow_old(store, "d")
    assert litter(store) == ["homa/d-1"]


def test_what_was_to_be_deleted_comes_again_until_it_is_gone(store: Store) -> None:
    upload(store, "d", "homa/d-1")
    grow_old(store, "d")
    assert store.run(sweep_media(store.keys, deletes=False)).paths == [], "it has no blob store to delete from"
    assert litter(store) == ["homa/d-1"]
    assert litter(store) == [], "somebody is at it"
    ten_minutes_later(store)
    assert litter(store) == ["homa/d-1"]
    store.run(gone(store.keys, ["homa/d-1"]))
    ten_minutes_later(store)
    assert litter(store) == []


def test_much_litter_is_handed_out_in_slices(store: Store) -> None:
    paths = [f"homa/{n}" for n in range(5)]
    store.run(uploading(store.keys, paths))
    time_is_up(store, *paths)
    found: list[str] = []
    while (swept := store.run(sweep_media(store.keys, 2))).more or swept.paths:
        found += swept.paths
    assert sorted(found) == paths


def test_uploads_have_as_long_as_the_settings_say(store: Store) -> None:
    fleet = Fleet.model_validate({"retention": {"uploads": "1d"}})
    store.run(write_fleet(store.keys, fleet, seen=0))
    store.run(hold(store.keys, [("d", "p:j1")]))
    store.run(uploading(store.keys, ["homa/d-1"]))
    now_ms = store.run(reads.server_time(store.keys))
    for key, member in ((store.keys.media_uploads(), "homa/d-1"), (store.keys.media_until(), "d")):
        score = store.run(Op((("ZSCORE", key, member),), lambda replies: float(replies[0])))
        assert 86_000_000 < score - now_ms <= 86_400_000


def test_a_medium_outlives_every_request_that_refers_to_it_but_the_last(store: Store) -> None:
    keys = store.keys
    store.run(hold(keys, [("d", "p:j1"), ("d", "p:j2")]))
    upload(store, "d", "homa/d-x")
    submit(store, "j1")
    submit(store, "j2")
    assert store.run(sweep_media(keys)).paths == []
    grow_old(store, "d")
    succeed(store, "j1")
    assert store.run(sweep_media(keys)).paths == []
    assert place(store, "d")
    succeed(store, "j2")
    grow_old(store, "d")
    assert store.run(sweep_media(keys)).paths == ["homa/d-x"]
    assert not place(store, "d")


def test_a_reply_may_refer_to_one_too(store: Store) -> None:
    keys = store.keys
    store.run(hold(keys, [("d", reply_user("j1"))]))
    upload(store, "d", "homa/d-x")
    store.run(Op((("SET", keys.reply("j1"), "{}"),), lambda _: None))
    grow_old(store, "d")
    assert store.run(sweep_media(keys)).paths == []


def test_a_retry_keeps_what_the_first_job_showed(store: Store) -> None:
    keys = store.keys
    store.run(hold(keys, [("d", "p:j1")]))
    store.run(put(keys, "d", b"1"))
    store.run(Op((("HSET", keys.job("j1"), "rb", "j2"),), lambda _: None))
    submit(store, "j2")
    for _ in range(3):
        grow_old(store, "d")
        store.run(sweep_media(keys))
        # From the first look on the retry is known by itself.
        store.run(Op((("DEL", keys.job("j1")),), lambda _: None))
    assert store.run(stored(keys, "d")) == b"1"
    succeed(store, "j2")
    grow_old(store, "d")
    store.run(sweep_media(keys))
    assert store.run(stored(keys, "d")) is None


def test_a_medium_in_the_store_goes_soon_after_its_last_job(store: Store) -> None:
    keys = store.keys
    store.run(hold(keys, [("d", "p:j1"), ("e", "p:j1"), ("e", "p:j2")]))
    for digest in ("d", "e"):
        store.run(put(keys, digest, b"1"))
    before = store.run(Op((("ZMSCORE", keys.media_until(), "d", "e"),), lambda replies: list(replies[0])))
    store.run(release(keys, "p:j1", ["d", "e"]))
    after = store.run(Op((("ZMSCORE", keys.media_until(), "d", "e"),), lambda replies: list(replies[0])))
    assert float(after[0]) < float(before[0]) - 3_000_000
    assert after[1] == before[1]


def test_many_dead_references_are_looked_through_in_slices(store: Store) -> None:
    keys = store.keys
    store.run(hold(keys, [("d", f"p:j{n}") for n in range(250)]))
    upload(store, "d", "homa/d-x")
    grow_old(store, "d")
    looks = 1
    while not store.run(sweep_media(keys, 1)).paths:
        looks += 1
    assert looks == 3


def test_nothing_is_left_behind(store: Store, redis_client: redis.Redis, namespace: str) -> None:
    keys = store.keys
    store.run(hold(keys, [("d", "p:j1")]))
    store.run(put(keys, "d", b"1"))
    grow_old(store, "d")
    assert not store.run(sweep_media(keys)).more
    assert list(redis_client.scan_iter(f"{{{namespace}}}:m*")) == []


def test_a_store_without_room_refuses_a_medium(fresh_store: EmbeddedStore, namespace: str) -> None:
    address = StoreAddress.parse(fresh_store.ensure())
    with connect_sync(address) as client:
        used = int(client.info("memory")["used_memory"])
        client.config_set("maxmemory", used * 2)
    store = Store(address, namespace, role="test")
    with pytest.raises(StoreFull):
        store.run(put(store.keys, "d", bytes(used)))
    store.close()
