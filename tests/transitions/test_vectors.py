"""Cached vectors of single texts: they come back as they were, give way where room is short, and are counted."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homa_shared.calls.embeddings import pack
from homa_shared.calls.vector_cache import CachedVector, VectorNames
from homa_shared.store.address import StoreAddress
from homa_shared.store.embedded import EmbeddedStore
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.vectors import KEEP_SLICE, KEEP_SLICE_BYTES, keep_vectors, read_vectors, slices
from tests.fixtures.store import eventually
from tests.transitions.cell import Cell

VECTOR = CachedVector("text-embedding-3-small", pack([0.25, -1.5, 3.0]))


def entries(*names: str, size: int = 100) -> dict[str, bytes]:
    return {name: name.encode().ljust(size, b".") for name in names}


def held(cell: Cell, *names: str) -> list[bool]:
    return [found is not None for found in cell.run(read_vectors(cell.keys, names))]


def stats(cell: Cell) -> dict[str, int]:
    told = cell.run(admin.cache_stats(cell.keys))
    return {name: count for name, count in told.items() if name.startswith("vector")}


def test_what_was_kept_comes_back_and_the_rest_is_missing(cell: Cell) -> None:
    assert cell.run(keep_vectors(cell.keys, entries("a", "b"))) == 2
    found = cell.run(read_vectors(cell.keys, ["b", "c", "a"]))
    assert found == [entries("b")["b"], None, entries("a")["a"]]
    assert stats(cell) == {
        "vector_hits": 2,
        "vector_misses": 1,
        "vectors_stored": 2,
        "vector_bytes": 200,
        "vectors": 2,
    }


def test_keeping_the_same_again_counts_its_bytes_once(cell: Cell) -> None:
    for _ in range(2):
        cell.run(keep_vectors(cell.keys, entries("a")))
    assert (stats(cell)["vector_bytes"], stats(cell)["vectors"]) == (100, 1)


def test_the_ones_not_used_for_longest_give_way(cell: Cell) -> None:
    cell.redis("HSET", cell.keys.config(), "cache.vector_bytes", 250)
    for name in "ab":
        cell.run(keep_vectors(cell.keys, entries(name)))
        cell.redis("ZINCRBY", cell.keys.vector_index(), -1000, f"{name}:100")
    assert held(cell, "a") == [True]
    cell.run(keep_vectors(cell.keys, entries("c")))
    assert held(cell, "a", "b", "c") == [True, False, True]
    assert stats(cell)["vector_bytes"] == 200


def test_entries_run_out_like_cached_replies(cell: Cell) -> None:
    cell.redis("HSET", cell.keys.config(), "cache.ttl_ms", 86_400_000, "keep.results", 60_000)
    cell.run(keep_vectors(cell.keys, entries("a")))
    assert 0 < cell.redis("PTTL", cell.keys.vector("a")) <= 60_000, "no longer than replies"
    cell.redis("HSET", cell.keys.config(), "cache.ttl_ms", 1)
    cell.run(keep_vectors(cell.keys, entries("b")))
    eventually(lambda: held(cell, "b") == [False])


def test_what_has_run_out_is_counted_no_more_once_another_is_kept(cell: Cell) -> None:
    cell.run(keep_vectors(cell.keys, entries("a", "b")))
    cell.redis("DEL", cell.keys.vector("a"))
    cell.redis("ZADD", cell.keys.vector_index(), 1, "a:100")
    cell.run(keep_vectors(cell.keys, entries("c")))
    assert (stats(cell)["vectors"], stats(cell)["vector_bytes"]) == (2, 200)


def test_they_are_cleared_with_the_replies_slice_by_slice(cell: Cell) -> None:
    cell.submit("j", cache_key="k")
    cell.settle(cell.claim())
    cell.run(keep_vectors(cell.keys, entries(*"abc")))
    assert [cell.run(admin.clear_cache(cell.keys, 2)) for _ in range(3)] == [2, 2, 0]
    assert held(cell, "a", "b", "c") == [False] * 3
    assert (stats(cell)["vectors"], stats(cell)["vector_bytes"]) == (0, 0)


@pytest.fixture
def small(fresh_store: EmbeddedStore, namespace: str) -> Iterator[Cell]:
    found = Cell(StoreAddress.parse(fresh_store.ensure()), namespace)
    yield found
    found.store.close()


def test_a_store_without_room_keeps_none(small: Cell) -> None:
    used = int(small.redis("INFO", "memory")["used_memory"])
    small.redis("CONFIG", "SET", "maxmemory", used * 9 // 8)
    assert small.run(keep_vectors(small.keys, entries("a"))) == 0
    assert stats(small)["vectors"] == 0


def test_they_take_a_tenth_of_the_store_at_most(small: Cell) -> None:
    used = int(small.redis("INFO", "memory")["used_memory"])
    room = used * 2 + 4_000_000
    small.redis("CONFIG", "SET", "maxmemory", room)
    for n in range(20):
        assert small.run(keep_vectors(small.keys, entries(str(n), size=50_000))) == 1
    assert room // 10 - 50_000 < stats(small)["vector_bytes"] <= room // 10
    assert held(small, "0", "19") == [False, True]


def test_a_write_is_no_larger_than_the_store_bears() -> None:
    many = {str(n): b"" for n in range(KEEP_SLICE + 1)}
    assert [len(some) for some in slices(many)] == [KEEP_SLICE, 1]
    large = {str(n): b"x" * (KEEP_SLICE_BYTES // 2) for n in range(3)}
    assert [list(some) for some in slices(large)] == [["0", "1"], ["2"]]
    assert list(slices({})) == []


def test_an_entry_keeps_a_vector_to_the_bit() -> None:
    assert CachedVector.decode(VECTOR.encode()) == VECTOR
    assert len(VECTOR.encode()) == 4 + 1 + len(VECTOR.model) + 3 * 4


@pytest.mark.parametrize(
    "raw",
    [b"", b"\0\0\0\0", b"nothing of the kind", VECTOR.encode()[:-4], VECTOR.encode()[:-1], b"x" + VECTOR.encode()[1:]],
)
def test_what_is_no_entry_is_none(raw: bytes) -> None:
    assert CachedVector.decode(raw) is None


@pytest.mark.parametrize("packed", ["", "YWI="])
def test_an_entry_without_whole_numbers_is_none(packed: str) -> None:
    assert CachedVector.decode(CachedVector("m", packed).encode()) is None


def test_a_name_tells_apart_all_that_makes_another_vector() -> None:
    names = {
        VectorNames(tenant, target, params).of(text)
        for tenant in ("", "acme")
        for target in ("openai:a", "openai:b")
        for params in ({}, {"dimensions": 8}, {"dimensions": 9}, {"unknown": [1]})
        for text in ("x", "y")
    }
    assert len(names) == 2 * 2 * 4 * 2


def test_a_name_says_nothing_of_order_or_transport() -> None:
    one = VectorNames("", "p:m", {"a": 1, "b": 2, "encoding_format": "float"})
    assert one.of("x") == VectorNames("", "p:m", {"b": 2, "a": 1}).of("x")
