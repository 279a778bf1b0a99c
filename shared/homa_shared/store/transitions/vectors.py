"""Cached vectors of single texts in the store (scripts/vectors_read.lua, vectors_keep.lua)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from homa_shared.model.constants import FULL_PERCENT
from homa_shared.model.errors import SealedPayload
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call
from homa_shared.store.sealing import Kind, keyed, opened_bytes, sealed_bytes

#: Most entries of one read: 600 KB of vectors of 1536 numbers, some 2 ms of the store's time.
READ_SLICE = 100
#: Most entries of one write, and most of their bytes but for the last, so that no script keeps the store busy for long.
KEEP_SLICE = 100
KEEP_SLICE_BYTES = 512 * 1024


def read_vectors(keys: Keys, names: Sequence[str]) -> Op[list[bytes | None]]:
    """Entries by name, at most `READ_SLICE` a call; None for one that is not there."""
    if keys.cipher is None:
        return call(keys, "vectors_read", tuple(names), list)
    known = [keyed(keys, name) for name in names]

    def parse(reply: list[bytes | None]) -> list[bytes | None]:
        return [_opened(keys, name, raw) for name, raw in zip(known, reply, strict=True)]

    return call(keys, "vectors_read", tuple(known), parse)


def keep_vectors(keys: Keys, entries: Mapping[str, bytes]) -> Op[int]:
    """Keeps entries, a slice of `slices` a call; returns how many: none where room is short."""
    named = ((keyed(keys, name), entry) for name, entry in entries.items())
    args = [part for name, entry in named for part in (name, sealed_bytes(keys, Kind.VECTOR, entry, name))]
    return call(keys, "vectors_keep", (FULL_PERCENT, *args), int)


def _opened(keys: Keys, name: str, raw: bytes | None) -> bytes | None:
    """An entry; None for one that cannot be read, which is as good as none."""
    try:
        return None if raw is None else opened_bytes(keys, Kind.VECTOR, raw, name)
    except SealedPayload:
        return None


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
