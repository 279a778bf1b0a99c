"""Cached vectors of single texts in the store (scripts/vectors_read.lua, vectors_keep.lua)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from homa_shared.model.constants import FULL_PERCENT
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call

#: Most entries of one read: 600 KB of vectors of 1536 numbers, some 2 ms of the store's time.
READ_SLICE = 100
#: Most entries of one write, and most of their bytes but for the last, so that no script keeps the store busy for long.
KEEP_SLICE = 100
KEEP_SLICE_BYTES = 512 * 1024


def read_vectors(keys: Keys, names: Sequence[str]) -> Op[list[bytes | None]]:
    """Entries by name, at most `READ_SLICE` a call; None for one that is not there."""
    return call(keys, "vectors_read", tuple(names), list)


def keep_vectors(keys: Keys, entries: Mapping[str, bytes]) -> Op[int]:
    """Keeps entries, a slice of `slices` a call; returns how many: none where room is short."""
    args = [part for entry in entries.items() for part in entry]
    return call(keys, "vectors_keep", (FULL_PERCENT, *args), int)


def slices(entries: Mapping[str, bytes]) -> Iterator[dict[str, bytes]]:
    """Entries in portions for one write each."""
    portion: dict[str, bytes] = {}
    portion_bytes = 0
    for name, entry in entries.items():
        portion[name] = entry
        portion_bytes += len(entry)
        if len(portion) >= KEEP_SLICE or portion_bytes >= KEEP_SLICE_BYTES:
            yield portion
            portion, portion_bytes = {}, 0
    if portion:
        yield portion
