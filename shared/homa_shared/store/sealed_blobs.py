"""Blobs that are sealed on their way to wherever they live, each bound to its path."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from homa_shared.model.errors import SealedPayload
from homa_shared.store.blobs import Blobs, BlobsUnavailable, Listed
from homa_shared.store.keys import Keys
from homa_shared.store.sealing import Kind, opened_bytes, sealed_bytes

#: Larger ones are sealed and opened in a thread, bytes: AES takes about a millisecond for a megabyte.
_IN_THREAD = 256 * 1024


class SealedBlobs:
    """A blob store whose bytes are sealed; those from before are read as they are.

    Args:
        blobs: where they live.
        keys: of the namespace, with its cipher. Without one nothing is sealed, and what is cannot be read.
    """

    def __init__(self, blobs: Blobs, keys: Keys) -> None:
        self._blobs, self._keys = blobs, keys

    @property
    def url(self) -> str:
        return self._blobs.url

    def put(self, path: str, data: bytes) -> None:
        self._blobs.put(path, self._sealed(data, path))

    def get(self, path: str) -> bytes | None:
        return self._opened(self._blobs.get(path), path)

    def delete(self, path: str) -> None:
        self._blobs.delete(path)

    def listing(self, prefix: str) -> Iterator[list[Listed]]:
        return self._blobs.listing(prefix)

    async def put_async(self, path: str, data: bytes) -> None:
        is_large = len(data) > _IN_THREAD and self._keys.cipher is not None
        sealed = await asyncio.to_thread(self._sealed, data, path) if is_large else self._sealed(data, path)
        await self._blobs.put_async(path, sealed)

    async def get_async(self, path: str) -> bytes | None:
        raw = await self._blobs.get_async(path)
        if raw is not None and len(raw) > _IN_THREAD and self._keys.cipher is not None:
            return await asyncio.to_thread(self._opened, raw, path)
        return self._opened(raw, path)

    async def delete_async(self, path: str) -> None:
        await self._blobs.delete_async(path)

    def _sealed(self, data: bytes, path: str) -> bytes:
        return sealed_bytes(self._keys, Kind.BLOB, data, path)

    def _opened(self, raw: bytes | None, path: str) -> bytes | None:
        """Raises BlobsUnavailable for what is sealed by a key that is not here: another process may have it."""
        try:
            return None if raw is None else opened_bytes(self._keys, Kind.BLOB, raw, path)
        except SealedPayload as error:
            raise BlobsUnavailable(f"blob {path} of {self.url}: {error}") from None
