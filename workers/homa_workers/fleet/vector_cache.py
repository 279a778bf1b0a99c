"""Cached vectors as a worker uses them: read before anything is called, kept once the reply that brought them is safe.

Nothing fails by the cache: an entry that was lost, has run out or is garbage is a text to embed.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from homa_shared.calls.vector_cache import MOST_ENTRY_BYTES, CachedVector
from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_shared.store.transitions.vectors import READ_SLICE, keep_vectors, read_vectors, slices

#: Longest that a worker's slot is held to keep vectors, s.
KEEP_S = 10.0


class VectorCache:
    """The cached vectors of a store."""

    def __init__(self, store: AsyncStore) -> None:
        self._store = store

    def reads(self, names: Sequence[str]) -> Iterator[tuple[Sequence[str], Op[list[bytes | None]]]]:
        """The operations that read entries, each with the names that it reads."""
        for start in range(0, len(names), READ_SLICE):
            some = names[start : start + READ_SLICE]
            yield some, read_vectors(self._store.keys, some)

    async def keep(self, entries: Mapping[str, bytes]) -> None:
        """Keeps entries for later jobs, as far as there is room and the store is there."""
        with contextlib.suppress(StoreUnavailable, StoreFull, TimeoutError):
            async with asyncio.timeout(KEEP_S):
                for some in slices(entries):
                    if not await self._store.run(keep_vectors(self._store.keys, some)):
                        return


def found_in(names: Sequence[str], entries: Iterable[bytes | None]) -> Iterator[tuple[str, CachedVector]]:
    """The entries that are vectors, by name."""
    for name, raw in zip(names, entries, strict=True):
        vector = None if raw is None else CachedVector.decode(raw)
        if vector is not None:
            yield name, vector


def entries_of(names: Iterable[str], model: str, packed: Iterable[str]) -> dict[str, bytes]:
    """Entries of new vectors, those left out that are too large to be kept."""
    made = {name: CachedVector(model, vector).encode() for name, vector in zip(names, packed, strict=True)}
    return {name: entry for name, entry in made.items() if len(entry) <= MOST_ENTRY_BYTES}
