"""One bucket: objects looked at, listed, read and written, each whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from homa.files.remote.address import Address
from homa.files.remote.refusals import meaning
from homa_shared.model.errors import InvalidRequest, MissingExtra, PlaceUnavailable
from homa_shared.store.buckets import first_line, open_bucket

if TYPE_CHECKING:
    from obstore import GetOptions

#: A request is tried anew this often, and for so long.
_RETRY = {"max_retries": 6, "retry_timeout": timedelta(seconds=60)}
#: Parts of one object that are sent at once; each is held in memory.
_PARTS_AT_ONCE = 4
_PART_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Stat:
    """An object as its bucket tells it."""

    key: str
    size: int
    #: Another one for another content.
    etag: str | None


class Replaced(Exception):
    """The object is not the one any more that was looked at."""


class Bucket:
    """A bucket.

    Args:
        address: of it, or of anything in it.

    Raises:
        MissingExtra: obstore is not installed.
        InvalidRequest: the environment's settings for it are wrong.
    """

    def __init__(self, address: Address) -> None:
        self.address = address.at("")
        try:
            import obstore
            from obstore.exceptions import BaseError, PreconditionError
        except ImportError as error:
            raise MissingExtra(f"Reading and writing {address.scheme}:// addresses", "blobs") from error
        self._obstore, self._errors, self._other = obstore, (BaseError, OSError), PreconditionError
        try:
            self._store = open_bucket(address.bucket, retry=_RETRY)
        except (BaseError, OSError, ValueError) as error:
            raise self._refusal(error, address) from error

    def stat(self, key: str) -> Stat | None:
        """Size and tag of an object; None where there is none."""
        if not key:
            return None
        try:
            return _stat(self._obstore.head(self._store, key))
        except FileNotFoundError:
            return None
        except self._errors:
            # What answers HEAD says no more than its status; what reads says why.
            with self._told(key):
                try:
                    self._obstore.get_range(self._store, key, start=0, length=1)
                except FileNotFoundError:
                    return None
                return _stat(self._obstore.head(self._store, key))

    def below(self, prefix: str) -> Iterator[Stat]:
        """All objects below a prefix, in the bucket's order; they are listed a page at a time."""
        prefix = prefix.rstrip("/")
        with self._told(prefix):
            for page in self._obstore.list(self._store, prefix=prefix or None):
                for found in page:
                    if found["path"] != prefix:  # a folder that a console has made is an object of its own name
                        yield _stat(found)

    def read(self, stat: Stat, start: int, length: int) -> bytes:
        """A part of an object.

        Raises:
            FileNotFoundError: it is gone.
            Replaced: it has another content by now.
        """
        options: GetOptions = {"range": (start, start + length)}
        if stat.etag is not None:
            options["if_match"] = stat.etag
        with self._told(stat.key):
            return bytes(self._obstore.get(self._store, stat.key, options=options).bytes())

    def put(self, key: str, content: bytes | Path) -> str | None:
        """Writes an object: what was there is seen until all of it has arrived. Its tag, where the bucket tells it."""
        with self._told(key):
            done = self._obstore.put(self._store, key, content, chunk_size=_PART_BYTES, max_concurrency=_PARTS_AT_ONCE)
        return done["e_tag"]

    def delete(self, key: str) -> None:
        """Removes an object; one that is gone already is not an error."""
        with self._told(key):
            try:
                self._obstore.delete(self._store, key)
            except FileNotFoundError:
                return

    @contextmanager
    def _told(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except self._other as error:
            raise Replaced from error
        except self._errors as error:
            raise self._refusal(error, self.address.at(key)) from error

    def _refusal(self, error: Exception, address: Address) -> InvalidRequest | PlaceUnavailable:
        why = meaning(error, address.scheme)
        if why is not None:
            return InvalidRequest(f"{address} cannot be used: {why}")
        return PlaceUnavailable(f"{address} cannot be reached: {first_line(error)}")


def _stat(found: Any) -> Stat:
    return Stat(found["path"], found["size"], found["e_tag"])
