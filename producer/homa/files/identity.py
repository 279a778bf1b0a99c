"""What a results line answers: a digest of its row, under a digest of the order.

The row's is of what the model is shown of it, whatever its id and its place in a file. The order's is made of one
digest for each of its parts, so that a later run can tell which of them has changed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

#: Under this name a job carries its row's digest.
ROW_DIGEST = "homa_row"
#: Raised when Homa's readers make another text of the same file.
READERS_VERSION = 1
#: Parts of an order. The first four go to the model beside the row; the others show in the rows' digests.
PARTS = ("model", "system", "schema", "parameters", "prompt", "readers")
_BESIDE = 4
#: Bytes of a row's digest, and of a part's.
_ROW_BYTES, _PART_BYTES = 16, 5
#: What a request says that no model is shown.
_UNSEEN = frozenset({"custom_id", "metadata"})
_PROMPT_ALONE = frozenset({"prompt", *_UNSEEN})


def row_digest(request: Mapping[str, Any]) -> str:
    """The digest of a row by its request as `submit_batch` takes it: 32 hex digits."""
    if request.keys() <= _PROMPT_ALONE:
        return blake2b(request["prompt"].encode(errors="surrogatepass"), digest_size=_ROW_BYTES).hexdigest()
    shown = {name: value for name, value in request.items() if name not in _UNSEEN}
    return blake2b(_canonical(shown), digest_size=_ROW_BYTES, person=b"request").hexdigest()


def with_digest(request: Mapping[str, Any], row: str) -> dict[str, Any]:
    """A request whose job carries its row's digest, so that its result can tell it."""
    return {**request, "metadata": {**request.get("metadata", {}), ROW_DIGEST: row}}


@dataclass(frozen=True, slots=True)
class OrderDigest:
    """What is asked of all rows of a run: a digest for each of PARTS, 10 hex digits."""

    parts: tuple[str, ...]

    @classmethod
    def of(cls, said: Mapping[str, object]) -> OrderDigest:
        """The digest of an order.

        Args:
            said: what stands for each of PARTS.
        """
        return cls(tuple(blake2b(_canonical(said[part]), digest_size=_PART_BYTES).hexdigest() for part in PARTS))

    @classmethod
    def parse(cls, text: str) -> OrderDigest | None:
        """Reads what `str` writes; None for anything else."""
        parts = tuple(text.split("-"))
        return cls(parts) if len(parts) == len(PARTS) and all(parts) else None

    def __str__(self) -> str:
        return "-".join(self.parts)

    def changed(self, other: OrderDigest) -> list[str]:
        """Names of the parts that differ."""
        return [name for name, mine, its in zip(PARTS, self.parts, other.parts, strict=True) if mine != its]

    def asks_as(self, other: OrderDigest) -> bool:
        """Whether rows of equal digests are the same requests under both orders."""
        return self.parts[:_BESIDE] == other.parts[:_BESIDE]


def _canonical(said: object) -> bytes:
    try:
        return orjson.dumps(said, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS, default=_plain)
    except TypeError:  # half a surrogate pair, an integer beyond 64 bits
        return json.dumps(said, sort_keys=True, default=_plain).encode()


def _plain(value: object) -> str:
    if isinstance(value, bytes | bytearray | memoryview):
        return f"bytes {blake2b(value, digest_size=_ROW_BYTES).hexdigest()}"
    return str(value)
