"""Part of a stream of rows: the first few, or a random few in their order."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

from homa_shared.model.errors import InvalidRequest

T = TypeVar("T")


def limited(rows: Iterable[T], limit: int) -> Iterator[T]:
    """The first `limit` rows; no row beyond them is read. Raises InvalidRequest for a limit below 1."""
    _check("--limit", limit)
    return islice(rows, limit)


def sampled(rows: Iterable[T], size: int, seed: int = 0) -> list[T]:
    """`size` rows drawn evenly from the whole stream, in its order; the same ones for the same seed.

    Only `size` rows are held (Vitter's algorithm R, ACM Transactions on Mathematical Software 11, 1985). Bad rows are
    drawn as likely as good ones, so that a sample shows them too. Raises InvalidRequest for a size below 1.
    """
    _check("--sample", size)
    draw = random.Random(seed).randrange
    stream = enumerate(rows)
    kept = list(islice(stream, size))
    for at, row in stream:
        slot = draw(at + 1)
        if slot < size:
            kept[slot] = (at, row)
    return [row for _, row in sorted(kept, key=lambda each: each[0])]


def _check(option: str, count: int) -> None:
    if count < 1:
        raise InvalidRequest(f"{option} is {count}: expected a number of rows, 1 or more")
