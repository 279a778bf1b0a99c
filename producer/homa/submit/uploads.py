"""Media and large requests on their way to where they live, before the jobs that show them are submitted.

1. `hold` notes in the store which jobs are about to refer to which media, and tells what nobody has uploaded yet.
2. That is uploaded: announced by its path and put into the blob store where there is one, else into the store itself.
3. The jobs are submitted, with references.

Held first, so that no sweep removes between two steps what another job needed last; each step may be repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from homa.drivers.context import Context
from homa.drivers.effects import Flow, PutBlob, ask, patiently
from homa.submit.encoded_messages import Prepared
from homa_shared.calls.media import Medium
from homa_shared.model.errors import InvalidRequest, StoreFull, StoreUnavailable
from homa_shared.store.blobs import BlobsUnavailable, new_path
from homa_shared.store.sealing import medium_name
from homa_shared.store.transitions.media import MOST_IN_STORE_BYTES, hold, placed, put, request_user, uploading

if TYPE_CHECKING:
    from homa_shared.store.keys import Keys

#: Media type under which the messages of a large request are kept.
MESSAGES = "application/json"
#: How often media are looked for, and uploaded where they are missing.
_ROUNDS = 4
#: Media that are uploaded in one step, bytes.
UPLOAD_BYTES = 32 * 1024 * 1024


class Uploads:
    """What the jobs of one submission refer to.

    Args:
        context: knows the blob store.
    """

    def __init__(self, context: Context) -> None:
        self._context, self._above = context, context.settings.blobs_above
        #: By their names in the store.
        self._media: dict[str, Medium] = {}
        self._uses: list[tuple[str, str]] = []
        #: Bytes that wait for `send`.
        self.bytes = 0

    def add(self, job_id: str, prepared: Prepared) -> Prepared:
        """Takes note of what a job's request refers to; returns the request as it is to be stored; raises as `keep`."""
        return self.keep(request_user(job_id), prepared)

    def keep(self, user: str, prepared: Prepared) -> Prepared:
        """Takes note of what stands under a key of the store; returns it as it is to be stored there.

        Args:
            user: the end of the key.

        Raises:
            InvalidRequest: a medium is too large for a store without a blob store beside it.
        """
        stowed = self._without_messages(prepared)
        for digest, found in stowed.media.items():
            if self._context.blobs is None and len(found.data) > MOST_IN_STORE_BYTES:
                raise InvalidRequest(
                    f"{found.type} of {len(found.data)} bytes: without a blob store media of at most "
                    f"{MOST_IN_STORE_BYTES} bytes are kept; set HOMA_BLOBS to a directory or bucket that workers "
                    "reach, too, or name an image by its URL"
                )
            name = medium_name(self._context.keys, digest)
            if name not in self._media:
                self._media[name] = found
                self.bytes += len(found.data)
            self._uses.append((name, user))
        return stowed

    def send(self, keys: Keys) -> Flow[None]:
        """Uploads what nobody has uploaded yet; nothing waits afterwards.

        Raises:
            StoreUnavailable, StoreFull, BlobsUnavailable: not all of it could be.
        """
        if not self._uses:
            return
        media, uses = self._media, self._uses
        for _ in range(_ROUNDS):
            # Also when all is uploaded: what took long may be gone again by then.
            missing = yield from patiently(lambda: ask(hold(keys, uses)))
            if not missing:
                self._media, self._uses, self.bytes = {}, [], 0
                return
            for name in missing:
                yield from self._upload(keys, name, media[name])
        raise BlobsUnavailable(
            f"{len(missing)} media were gone {_ROUNDS} times before all were uploaded: raise [retention] uploads"
        )

    def _upload(self, keys: Keys, name: str, found: Medium) -> Flow[None]:
        if self._context.blobs is None:
            full = (StoreUnavailable, StoreFull)
            yield from patiently(lambda: ask(put(keys, name, found.data)), outages=full)
            return
        path = new_path(keys.namespace, name)
        # Announced first: should this process die before its jobs are submitted, the path tells what to delete.
        yield from patiently(lambda: ask(uploading(keys, [path])))
        yield PutBlob(path, found.data)
        yield from patiently(lambda: ask(placed(keys, {name: path})))

    def _without_messages(self, prepared: Prepared) -> Prepared:
        """A large request keeps its messages in the blob store, too."""
        if len(prepared.json) <= self._above or self._context.blobs is None:
            return prepared
        whole = Medium(prepared.json, MESSAGES)
        media: Mapping[str, Medium] = {**prepared.media, whole.digest: whole}
        return replace(prepared, media=media, stored=b'"%b"' % whole.reference.encode())
