"""Files as a sequence of parts, so that none is ever held whole.

1. An upload is announced: what is stored of one that breaks off is deleted a day later.
2. Its parts are stored, each under a name that nothing else has.
3. One script makes the file of them. Before it there is none, so that nothing is half there.

A file that is deleted or has expired is forgotten first; its parts follow, deleted by whichever gateway sweeps next.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import AsyncGenerator, Callable
from functools import cached_property

from homa.drivers.aio import AwaitingDriver
from homa.drivers.context import Context
from homa.drivers.effects import ask, ask_patiently
from homa.gateway.files.parts import Parts, parts_of
from homa_shared.model.errors import HomaError
from homa_shared.model.ids import unique_id
from homa_shared.store import gateway_files as store
from homa_shared.store.blobs import BlobsUnavailable
from homa_shared.store.gateway_files import Dropped, GatewayFile, Index, Part
from homa_shared.store.gateway_work import FilePlace, place_of

_log = logging.getLogger("homa.gateway")

#: Bytes of a part: what is held of a file at once.
PART_BYTES = 4 * 1024 * 1024
#: Files of one sweep, and the pause between two, s.
_SWEPT, _SWEEP_S = 100, 5.0


class LostPart(BlobsUnavailable):
    """A part of a file is not where this process looks for it."""


class FilesElsewhere(BlobsUnavailable):
    """The files of a batch are not where this process keeps files."""


class KeptFiles:
    """The files of all tenants; who may see which is asked elsewhere."""

    def __init__(self, context: Context, driver: AwaitingDriver) -> None:
        self._context, self._driver = context, driver

    @cached_property
    def _parts(self) -> Parts:
        return parts_of(self._context)

    @cached_property
    def place(self) -> FilePlace:
        """Where this process keeps files."""
        return place_of(self._context.settings, self._context.blobs)

    async def begin(self) -> PartWriter:
        """Takes the content of a new file; raises StoreUnavailable."""
        writer = self.writer_of(f"file-{unique_id()}")
        await self._driver.run(ask(store.announce_file(self._context.keys, writer.file_id)))
        return writer

    def writer_of(self, file_id: str) -> PartWriter:
        """Takes content that belongs to a file once somebody says so."""
        return PartWriter(self._parts, file_id, lambda name: self._path(file_id, name))

    async def put(self, file: GatewayFile, parts: list[Part], *, listed: bool = True, ttl_ms: int | None) -> None:
        """Makes a file of parts that are stored."""
        made = store.put_file(self._context.keys, file, parts, listed=listed, ttl_ms=ttl_ms)
        await self._driver.run(ask_patiently(made))

    async def find(self, file_id: str) -> GatewayFile | None:
        return await self._driver.run(ask(store.find_file(self._context.keys, file_id)))

    async def page(self, tenant: str, row: str | None, limit: int, *, newest_first: bool) -> Index:
        """Ids of a tenant's files behind a row of their index."""
        keys = self._context.keys
        return await self._driver.run(ask(store.files_after(keys, tenant, row, limit, newest_first=newest_first)))

    async def find_all(self, file_ids: list[str]) -> list[GatewayFile]:
        """Those of them that are there."""
        return await self._driver.run(ask(store.find_files(self._context.keys, file_ids)))

    async def drop(self, file_id: str) -> Dropped:
        return await self._driver.run(ask(store.drop_file(self._context.keys, file_id)))

    async def read(self, file_id: str, start: int = 0) -> AsyncGenerator[bytes, None]:
        """The content from a byte on, a part at a time.

        Raises:
            LostPart: a part is not where this process looks for it.
            BlobsUnavailable: it cannot look.
        """
        for part in await self._driver.run(ask_patiently(store.parts_of(self._context.keys, file_id))):
            if start >= part.bytes:
                start -= part.bytes
                continue
            data = await self._parts.get(self._path(file_id, part.name))
            if data is None:
                raise LostPart(
                    f"a part of {file_id} is not here: gateways of several machines need HOMA_BLOBS, the same for all"
                )
            yield data[start:] if start else data
            start = 0

    async def require(self, file_id: str, stored_in: str) -> None:
        """Makes sure that a file's first part is where this process looks for it.

        Args:
            stored_in: where it was stored, for people; empty where an earlier release did not say.

        Raises:
            FilesElsewhere: it is not.
            BlobsUnavailable: it cannot look.
        """
        parts = await self._driver.run(ask_patiently(store.parts_of(self._context.keys, file_id)))
        if parts and not await self._parts.has(self._path(file_id, parts[0].name)):
            raise FilesElsewhere(
                f"its files are not in {self.place.name}: they were stored in "
                f"{stored_in or 'the machine of the gateway that took it'}, and it goes on once a gateway or worker "
                "that reaches them lives; HOMA_BLOBS, the same for all, makes every one do"
            )

    async def sweep(self) -> None:
        """Deletes what is stored of files that are no more, a number of them at a time."""
        keys = self._context.keys
        for file_id in await self._driver.run(ask(store.ended_files(keys, _SWEPT))):
            await self._parts.delete_below(self._path(file_id))
            await self._driver.run(ask(store.swept_file(keys, file_id)))

    async def keep_swept(self) -> None:
        """Sweeps again and again, whatever goes wrong with one turn."""
        while True:
            try:
                await self.sweep()
            except HomaError as error:
                _log.warning("files that have ended could not be deleted: %s", error)
            except Exception:
                _log.exception("files that have ended could not be deleted")
            await asyncio.sleep(_SWEEP_S)

    def _path(self, file_id: str, name: str = "") -> str:
        # Beside what `homa store blobs` looks through, which knows of no files.
        folder = f"{self._context.settings.namespace}.files/{file_id}"
        return f"{folder}/{name}" if name else folder


class PartWriter:
    """Content of one file on its way into parts.

    Args:
        path: of a part of a name.
    """

    def __init__(self, parts: Parts, file_id: str, path: Callable[[str], str]) -> None:
        self.file_id, self._store, self._path = file_id, parts, path
        self._waiting = bytearray()
        #: Parts that are stored.
        self.parts: list[Part] = []
        #: Bytes so far.
        self.bytes = 0

    async def add(self, data: bytes) -> None:
        """Takes the next bytes; raises BlobsUnavailable."""
        self._waiting += data
        self.bytes += len(data)
        while len(self._waiting) >= PART_BYTES:
            part, self._waiting = bytes(self._waiting[:PART_BYTES]), self._waiting[PART_BYTES:]
            await self._put(part)

    async def close(self) -> list[Part]:
        """Stores what is left; the answer are all parts."""
        if self._waiting:
            part, self._waiting = bytes(self._waiting), bytearray()
            await self._put(part)
        return self.parts

    async def _put(self, data: bytes) -> None:
        name = secrets.token_hex(8)
        await self._store.put(self._path(name), data)
        self.parts.append(Part(name, len(data)))
