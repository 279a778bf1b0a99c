"""Where parts of files live: in the blob store, and in a folder of this machine where none is set."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from typing import Protocol

from homa.drivers.context import Context
from homa_shared.model.errors import SealedPayload
from homa_shared.store.blobs import Blobs, BlobsUnavailable
from homa_shared.store.keys import Keys
from homa_shared.store.sealing import Kind, opened_bytes, sealed_bytes


class Parts(Protocol):
    """Bytes by path; those of a path never change."""

    async def put(self, path: str, data: bytes) -> None:
        """Stores bytes, in full or not at all; raises BlobsUnavailable."""

    async def get(self, path: str) -> bytes | None:
        """The bytes; None where there are none; raises BlobsUnavailable."""

    async def has(self, path: str) -> bool:
        """Whether there are any; raises BlobsUnavailable."""

    async def delete_below(self, prefix: str) -> None:
        """Removes all paths that begin with `prefix/`; raises BlobsUnavailable."""


def parts_of(context: Context) -> Parts:
    """Where this process keeps parts.

    Raises:
        ConfigError, MissingExtra: the blob store that is set cannot be opened.
    """
    blobs = context.blobs
    if blobs is not None:
        return BlobParts(blobs)
    return SealedParts(BlobFolder(context.settings.home / "files"), context.keys)


class BlobParts:
    """Parts in the blob store."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs

    async def put(self, path: str, data: bytes) -> None:
        await self._blobs.put_async(path, data)

    async def get(self, path: str) -> bytes | None:
        return await self._blobs.get_async(path)

    async def has(self, path: str) -> bool:
        return await self.get(path) is not None

    async def delete_below(self, prefix: str) -> None:
        listed = await asyncio.to_thread(lambda: [blob.path for page in self._blobs.listing(prefix) for blob in page])
        for path in listed:
            await self._blobs.delete_async(path)


class SealedParts:
    """Parts that are sealed where the process has keys, each bound to its path, as blobs are (sealed_blobs.py)."""

    def __init__(self, parts: Parts, keys: Keys) -> None:
        self._parts, self._keys = parts, keys

    async def put(self, path: str, data: bytes) -> None:
        await self._parts.put(path, await asyncio.to_thread(sealed_bytes, self._keys, Kind.BLOB, data, path))

    async def get(self, path: str) -> bytes | None:
        raw = await self._parts.get(path)
        try:
            return None if raw is None else await asyncio.to_thread(opened_bytes, self._keys, Kind.BLOB, raw, path)
        except SealedPayload as error:
            raise BlobsUnavailable(f"part {path}: {error}") from None

    async def has(self, path: str) -> bool:
        return await self._parts.has(path)

    async def delete_below(self, prefix: str) -> None:
        await self._parts.delete_below(prefix)


class BlobFolder:
    """Parts in a folder, which is made at the first need, for this user alone."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, path: str, data: bytes) -> None:
        try:
            await asyncio.to_thread(self._write, self._folder / path, data)
        except OSError as error:
            raise self._unavailable(error) from error

    async def get(self, path: str) -> bytes | None:
        try:
            return await asyncio.to_thread((self._folder / path).read_bytes)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unavailable(error) from error

    async def has(self, path: str) -> bool:
        return await asyncio.to_thread((self._folder / path).exists)

    async def delete_below(self, prefix: str) -> None:
        def remove() -> None:
            if (self._folder / prefix).exists():
                shutil.rmtree(self._folder / prefix)

        try:
            await asyncio.to_thread(remove)
        except FileNotFoundError:  # another gateway was faster
            return
        except OSError as error:
            raise self._unavailable(error) from error

    def _write(self, path: Path, data: bytes) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside = path.with_name(f"{path.name}.part")
        with aside.open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(path)

    def _unavailable(self, error: OSError) -> BlobsUnavailable:
        return BlobsUnavailable(f"{self._folder} cannot be used: {error.strerror or error}; check HOMA_HOME")
