"""Puts media back into a request right before its call, and clears away what no request refers to any more.

Jobs often show the same image one after another, so that a worker keeps the last ones at hand.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import orjson

from homa_shared.calls.media import Medium, references, restored
from homa_shared.calls.request import EMBEDDING, JobRequest
from homa_shared.model.constants import IN_STORE
from homa_shared.model.errors import HomaError, SealedPayload, StoreFull, StoreUnavailable
from homa_shared.model.json_safe import compact_json
from homa_shared.store.blobs import Blobs, BlobsUnavailable, new_path
from homa_shared.store.client import AsyncStore
from homa_shared.store.sealing import medium_name
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.media import (
    gone,
    hold,
    not_there,
    placed,
    places,
    release,
    reply_user,
    request_user,
    stored,
    sweep_media,
    uploading,
)
from homa_workers.attempt import RunningAttempt
from homa_workers.outcomes.halting import Halted, refused
from homa_workers.outcomes.outcomes import Released
from homa_workers.store_io.persist import NOT_HERE_MS

#: Media that a worker keeps at hand, bytes.
CACHE_BYTES = 64 * 1024 * 1024
#: How often a worker clears away media, s.
SWEEP_S = 30.0
#: Longest that a reply waits for the blob store to take it, s.
OFFLOAD_S = 10.0
#: Longest that the fetching of one job's media may take, s.
FETCH_S = 60.0


class MediumGone(HomaError):
    """A medium that a request refers to is nowhere that this worker can look."""


class Media:
    """Media as one worker gets them.

    Args:
        store: knows where each is, and holds those that no blob store does.
        blobs: None where this process has none.
        above: replies of more bytes have their body there.
    """

    def __init__(self, store: AsyncStore, blobs: Blobs | None = None, above: int = 65_536) -> None:
        self._store, self._blobs, self._above = store, blobs, above
        self._cache: OrderedDict[str, bytes] = OrderedDict()
        self._cached_bytes = 0

    @staticmethod
    def needed(request: JobRequest) -> bool:
        """Whether anything of a request lives elsewhere."""
        return bool(request.held) or any(not isinstance(m.get("content"), str) for m in request.messages)

    async def restore(self, request: JobRequest) -> tuple[JobRequest, list[str]]:
        """A request as it was given, and the digests that it referred to.

        Raises:
            MediumGone: something is nowhere to be found.
            BlobsUnavailable: the blob store is away, or slow; the job may be tried again later.
            StoreUnavailable: the store is.
        """
        held: list[str] = []
        try:
            async with asyncio.timeout(FETCH_S):
                if request.held:
                    held.append(request.held)
                    whole = orjson.loads((await self._fetch([request.held]))[request.held])
                    if request.kind == EMBEDDING:
                        return replace(request, inputs=whole, held=""), held
                    request = replace(request, messages=whole, held="")
                digests = references(request.messages)
                if not digests:
                    return request, held
                found = await self._fetch(digests)
        except TimeoutError as error:
            raise BlobsUnavailable(f"media of the request did not arrive within {FETCH_S:g} s") from error
        return replace(request, messages=restored(request.messages, found)), held + digests

    async def complete(self, attempt: RunningAttempt) -> None:
        """Puts an attempt's media into its request, as it is to be sent.

        Raises:
            Halted: they cannot be had. Nothing has been sent yet: a job whose media cannot be reached now goes back as
                if it had not been taken.
        """
        try:
            attempt.request, attempt.media = await self.restore(attempt.request)
        except MediumGone as error:
            raise refused(str(error)) from error
        except (BlobsUnavailable, StoreUnavailable) as error:
            raise Halted(Released(str(error), NOT_HERE_MS)) from error

    async def body(self, digest: str) -> dict[str, Any]:
        """The body of a large reply.

        Raises:
            Halted: as `complete`.
        """
        try:
            async with asyncio.timeout(FETCH_S):
                found: dict[str, Any] = orjson.loads((await self._fetch([digest]))[digest])
                return found
        except MediumGone as error:
            raise refused(str(error)) from error
        except (BlobsUnavailable, StoreUnavailable, TimeoutError) as error:
            raise Halted(Released(str(error), NOT_HERE_MS)) from error

    async def offloaded(self, claim: Claim, reply: bytes) -> bytes:
        """A reply as it is to be stored: the body of a large one goes to the blob store, a reference takes its place.

        Where that does not work at once the reply stays whole: nothing is worth losing one.
        """
        if self._blobs is None or len(reply) <= self._above:
            return reply
        envelope = orjson.loads(reply)
        body = Medium(orjson.dumps(envelope.pop("body")), "application/json")
        keys = self._store.keys
        name = medium_name(keys, body.digest)
        try:
            async with asyncio.timeout(OFFLOAD_S):
                if await self._store.run(hold(keys, [(name, reply_user(claim.id))])):
                    path = new_path(keys.namespace, name)
                    await self._store.run(uploading(keys, [path]))
                    await self._blobs.put_async(path, body.data)
                    if await self._store.run(placed(keys, {name: path})):
                        return reply
        except (BlobsUnavailable, StoreUnavailable, StoreFull, TimeoutError, asyncio.CancelledError):
            return reply
        return compact_json({**envelope, "body_at": body.digest})

    async def release(self, attempt: RunningAttempt) -> None:
        """Says that a job needs what it showed no more; where the store is away a sweep finds out by itself, later."""
        with contextlib.suppress(StoreUnavailable, StoreFull):
            await self._store.run(release(self._store.keys, request_user(attempt.claim.id), attempt.media))

    async def sweep(self) -> None:
        """Removes media that nothing refers to; any worker may do it at any time.

        Raises:
            BlobsUnavailable, StoreUnavailable: what is left comes again, here or to another worker.
        """
        more = True
        while more:
            # What this worker has no blob store to delete from is left to others.
            swept = await self._store.run(sweep_media(self._store.keys, deletes=self._blobs is not None))
            more = swept.more
            if swept.paths and self._blobs is not None:
                for path in swept.paths:
                    await self._blobs.delete_async(path)
                await self._store.run(gone(self._store.keys, swept.paths))

    async def _fetch(self, digests: list[str]) -> dict[str, bytes]:
        found = {digest: data for digest in digests if (data := self._at_hand(digest)) is not None}
        missing = [digest for digest in digests if digest not in found]
        if missing:
            where = await self._store.run(places(self._store.keys, missing))
            arrived = await asyncio.gather(*map(self._get, missing, where))
            for digest, data in zip(missing, arrived, strict=True):
                found[digest] = data
                self._keep(digest, data)
        return found

    async def _get(self, digest: str, place: str) -> bytes:
        data: bytes | None = None
        if place == IN_STORE:
            try:
                data = await self._store.run(stored(self._store.keys, digest))
            except SealedPayload as error:
                # Another worker may have the key.
                raise (MediumGone if error.is_damaged else BlobsUnavailable)(
                    f"medium {digest[:12]}…: {error}"
                ) from None
        elif place:
            if self._blobs is None:
                raise MediumGone(
                    f"medium {digest[:12]}… is in a blob store, and this worker has none: set HOMA_BLOBS as the client "
                    "has it, and install homa-queue[blobs]"
                )
            data = await self._blobs.get_async(place)
        if data is None:
            await self._store.run(not_there(self._store.keys, digest, place))
            where = f" at {self._blobs.url}/{place}" if place and self._blobs is not None and place != IN_STORE else ""
            raise MediumGone(f"medium {digest[:12]}… is not there{where}: submit the job again with its media")
        return data

    def _at_hand(self, digest: str) -> bytes | None:
        data = self._cache.get(digest)
        if data is not None:
            self._cache.move_to_end(digest)
        return data

    def _keep(self, digest: str, data: bytes) -> None:
        if len(data) > CACHE_BYTES // 4 or digest in self._cache:
            return
        self._cache[digest] = data
        self._cached_bytes += len(data)
        while self._cached_bytes > CACHE_BYTES:
            _, oldest = self._cache.popitem(last=False)
            self._cached_bytes -= len(oldest)
