"""Cached vectors of single texts: what names one, and its bytes.

An entry holds just what a reply keeps of the vector, little-endian 32-bit floats, so that a job answered from it gets
the numbers that it would have got from a call whose reply was stored.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

#: Part of each name. An adapter that asks for vectors in another way must not be answered by what came the old one:
#: count it up with such a change, and with one of the bytes below.
VECTORS_VERSION = 1
#: Largest entry that is kept, bytes. The widest vectors of today take a quarter of it.
MOST_ENTRY_BYTES = 65_536

#: Parameters that say how vectors travel, and nothing of what they are.
_OF_TRANSPORT = frozenset({"encoding_format"})
_CHECKSUM_BYTES = 4
_FLOAT_BYTES = 4


@dataclass(frozen=True, slots=True)
class CachedVector:
    """A vector as a reply keeps it, and the model that the provider said it was of."""

    model: str
    #: Base64 of little-endian 32-bit floats.
    packed: str

    def encode(self) -> bytes:
        """The entry: checksum of what follows, length of the model's name, the name, floats."""
        name = self.model.encode()[:255]
        rest = bytes([len(name)]) + name + base64.b64decode(self.packed)
        return zlib.crc32(rest).to_bytes(_CHECKSUM_BYTES, "big") + rest

    @classmethod
    def decode(cls, raw: bytes) -> CachedVector | None:
        """Reads what `encode` wrote; None where something else stands there."""
        rest = raw[_CHECKSUM_BYTES:]
        if not rest or zlib.crc32(rest) != int.from_bytes(raw[:_CHECKSUM_BYTES], "big"):
            return None
        end = 1 + rest[0]
        floats = rest[end:]
        if not floats or len(floats) % _FLOAT_BYTES:
            return None
        return cls(rest[1:end].decode("utf-8", "replace"), base64.b64encode(floats).decode())


class VectorNames:
    """Names of the entries of texts that are embedded alike.

    Args:
        tenant: whose they are: nobody else is answered by them.
        target: `provider:model` that embeds.
        params: all that is sent beside the texts, known or not.
    """

    def __init__(self, tenant: str, target: str, params: Mapping[str, Any]) -> None:
        sent = {name: value for name, value in params.items() if name not in _OF_TRANSPORT}
        alike = orjson.dumps([VECTORS_VERSION, tenant, target, sent], option=orjson.OPT_SORT_KEYS)
        self._alike = hashlib.sha256(alike + b"\n")

    def of(self, text: str) -> str:
        """The name of a text's entry: 64 hex digits."""
        digest = self._alike.copy()
        digest.update(text.encode("utf-8", "surrogatepass"))
        return digest.hexdigest()
