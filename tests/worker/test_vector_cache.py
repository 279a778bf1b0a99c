"""The cache of vectors as a worker uses it: nothing fails by it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from homa_shared.calls.embeddings import pack
from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.keys import Keys
from homa_shared.store.transitions.vectors import KEEP_SLICE, READ_SLICE
from homa_workers.fleet import vector_cache
from homa_workers.fleet.vector_cache import VectorCache, entries_of


class Store:
    """Answers writes as it is told to."""

    def __init__(self, *answers: Any) -> None:
        self.keys = Keys("n")
        self.answers = list(answers)
        self.asked = 0

    async def run(self, op: Any) -> Any:
        self.asked += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            await asyncio.Event().wait()
        return answer


ENTRIES = {str(n): b"entry" for n in range(3 * KEEP_SLICE)}


def cache(store: Store) -> VectorCache:
    return VectorCache(cast(AsyncStore, store))


async def test_all_slices_are_kept() -> None:
    store = Store(KEEP_SLICE, KEEP_SLICE, KEEP_SLICE)
    await cache(store).keep(ENTRIES)
    assert store.asked == 3


@pytest.mark.parametrize("answer", [0, StoreFull("full"), StoreUnavailable("away")])
async def test_where_one_slice_is_not_kept_no_other_is_tried(answer: Any) -> None:
    store = Store(KEEP_SLICE, answer)
    await cache(store).keep(ENTRIES)
    assert store.asked == 2


async def test_a_slow_store_holds_nobody_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vector_cache, "KEEP_S", 0.01)
    store = Store(None)
    await cache(store).keep(ENTRIES)
    assert store.asked == 1


def test_reads_come_in_slices() -> None:
    names = [str(n) for n in range(READ_SLICE + 1)]
    reads = list(cache(Store()).reads(names))
    assert [len(some) for some, _ in reads] == [READ_SLICE, 1]
    assert [name for some, _ in reads for name in some] == names


def test_a_vector_too_large_for_an_entry_is_not_kept() -> None:
    made = entries_of(["a", "b"], "m", [pack([1.0] * 8), pack([1.0] * 20_000)])
    assert list(made) == ["a"]
