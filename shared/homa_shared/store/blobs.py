"""The blob store: where media and large requests live, so that Redis never fills with them.

A directory of this machine, or a bucket of S3, GCS or Azure, by URL; obstore speaks to all of them. Credentials come
from the environment as the cloud's own tools read it, never from the URL. Each upload gets a path of its own, so that
the removal of an old one can never hit a newer one of the same content.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from homa_shared.model.errors import ConfigError, HomaError, MissingExtra
from homa_shared.store.address import masked
from homa_shared.store.buckets import first_line, open_bucket

if TYPE_CHECKING:
    from homa_shared.settings.model import Settings


class BlobsUnavailable(HomaError):
    """The blob store cannot be reached, or refuses this process."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A blob as its store lists it."""

    path: str
    bytes: int
    changed: datetime


class Blobs(Protocol):
    """A blob store. Bytes of a path never change."""

    @property
    def url(self) -> str:
        """Where it is, for messages."""

    def put(self, path: str, data: bytes) -> None: ...

    def get(self, path: str) -> bytes | None:
        """The bytes; None where there are none."""

    def delete(self, path: str) -> None: ...

    def listing(self, prefix: str) -> Iterator[list[Listed]]:
        """Blobs whose path begins with `prefix/`, some at a time."""

    async def put_async(self, path: str, data: bytes) -> None: ...

    async def get_async(self, path: str) -> bytes | None: ...

    async def delete_async(self, path: str) -> None: ...


def new_path(namespace: str, digest: str) -> str:
    """Where an upload of this content goes: a path that no other upload has."""
    return f"{namespace}/{digest[:2]}/{digest}-{secrets.token_hex(4)}"


def digest_of(path: str) -> str:
    """The digest of what was uploaded to a path that `new_path` made."""
    return path.rpartition("/")[2].partition("-")[0]


def open_blobs(settings: Settings) -> Blobs | None:
    """The blob store of this process: that of the setting `blobs`; beside an embedded store, a directory in its home.

    Returns:
        None with a store elsewhere and nothing set: media then stay in the store. The same beside an embedded store
        where obstore is not installed.

    Raises:
        MissingExtra: `blobs` is set, and obstore is not installed.
        ConfigError: it leads nowhere, or keys of encryption are wrong.
    """
    found = _found(settings)
    if found is None:
        return None
    from homa_shared.settings.encryption import keyring_of
    from homa_shared.store.sealed_blobs import SealedBlobs
    from homa_shared.store.sealing import keys_of

    return SealedBlobs(found, keys_of(settings.namespace, keyring_of(settings)))


def _found(settings: Settings) -> Blobs | None:
    if settings.blobs is not None:
        return blobs_at(settings.blobs)
    if settings.redis_url is not None:
        return None
    try:
        return blobs_at((settings.home / "blobs").as_uri())
    except MissingExtra:
        return None


def blobs_at(url: str) -> Blobs:
    """The blob store at a URL.

    Raises:
        MissingExtra: obstore is not installed.
        ConfigError: the URL is of no known kind, or names a directory that cannot be made.
    """
    # Credentials have no place in it, and are shown nowhere where somebody puts them there all the same.
    shown = masked(url).partition("?")[0]
    try:
        from obstore.exceptions import BaseError
    except ImportError as error:
        raise MissingExtra(f"the blob store {shown}", "blobs") from error
    try:
        return ObjectBlobs(shown, open_bucket(url))
    except (BaseError, OSError, ValueError) as error:
        why = first_line(error).replace(url, shown)
        raise ConfigError(f"blobs is {shown!r}, which cannot be opened: {why}") from error


class ObjectBlobs:
    """A blob store spoken to through obstore.

    Args:
        url: where it is, for messages.
        store: an obstore store.
    """

    def __init__(self, url: str, store: Any) -> None:
        import obstore
        from obstore.exceptions import BaseError

        self.url = url
        self._store = store
        self._obstore = obstore
        self._errors: tuple[type[Exception], ...] = (BaseError, OSError)

    def put(self, path: str, data: bytes) -> None:
        try:
            self._obstore.put(self._store, path, data)
        except self._errors as error:
            raise self._unavailable(error) from error

    def get(self, path: str) -> bytes | None:
        try:
            return bytes(self._obstore.get(self._store, path).bytes())
        except FileNotFoundError:
            return None
        except self._errors as error:
            raise self._unavailable(error) from error

    def delete(self, path: str) -> None:
        """Removes a blob; one that is gone already is not an error."""
        try:
            self._obstore.delete(self._store, path)
        except FileNotFoundError:
            return
        except self._errors as error:
            raise self._unavailable(error) from error

    def listing(self, prefix: str) -> Iterator[list[Listed]]:
        try:
            for chunk in self._obstore.list(self._store, prefix=prefix):
                yield [Listed(found["path"], found["size"], found["last_modified"]) for found in chunk]
        except self._errors as error:
            raise self._unavailable(error) from error

    async def put_async(self, path: str, data: bytes) -> None:
        try:
            await self._obstore.put_async(self._store, path, data)
        except self._errors as error:
            raise self._unavailable(error) from error

    async def get_async(self, path: str) -> bytes | None:
        try:
            found = await self._obstore.get_async(self._store, path)
            return bytes(await found.bytes_async())
        except FileNotFoundError:
            return None
        except self._errors as error:
            raise self._unavailable(error) from error

    async def delete_async(self, path: str) -> None:
        """Removes a blob; one that is gone already is not an error."""
        try:
            await self._obstore.delete_async(self._store, path)
        except FileNotFoundError:
            return
        except self._errors as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> BlobsUnavailable:
        return BlobsUnavailable(
            f"the blob store {self.url} cannot be used: {first_line(error)}; check HOMA_BLOBS and its credentials"
        )
