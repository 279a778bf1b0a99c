"""Media in the store: who shows them, where their bytes are, when they may go (scripts/media.lua).

What is put there is named by `medium_name`: its digest or, with keys of encryption, what these make of it. Whoever
puts it takes that name once, so that a rotation in the midst of it changes nothing. What is looked for is told by its
digest and found under each name that it may have: after a rotation equal media are stored once more, those from
before are read until nobody refers to them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homa_shared.model.constants import FULL_PERCENT
from homa_shared.store.blobs import digest_of
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, read, text
from homa_shared.store.sealing import Kind, medium_names, opened_bytes, sealed_bytes

#: Largest medium that is kept in the store itself. A store of Redis holds everything in memory.
MOST_IN_STORE_BYTES = 8 * 1024 * 1024


def request_user(job_id: str) -> str:
    """The end of the key of a job's request, as what refers to a medium."""
    return f"p:{job_id}"


def reply_user(job_id: str) -> str:
    """The same of its reply."""
    return f"o:{job_id}"


def hold(keys: Keys, uses: Iterable[tuple[str, str]]) -> Op[list[str]]:
    """Notes who is about to refer to media; returns the names that nobody has uploaded yet.

    Args:
        uses: name of the medium, and the end of the key that refers to it.
    """
    args = [value for use in uses for value in use]
    return call(keys, "media", ("hold", *args), lambda reply: [text(digest) for digest in reply])


def uploading(keys: Keys, paths: Sequence[str]) -> Op[None]:
    """Announces uploads to the blob store: what is not `placed` in time (`[retention] uploads`) is deleted."""
    return call(keys, "media", ("uploading", int(keys.cipher is not None), *paths), lambda _: None)


def placed(keys: Keys, paths: Mapping[str, str]) -> Op[list[str]]:
    """Tells where announced uploads are: name -> path in the blob store. Of two of a medium the first counts.

    Returns:
        Names whose upload came too late: their blobs are deleted, or will be, and have to be uploaded anew.
    """
    args = [value for item in paths.items() for value in item]
    return call(keys, "media", ("placed", *args), lambda reply: [text(digest) for digest in reply])


def put(keys: Keys, name: str, data: bytes) -> Op[None]:
    """Keeps a medium in the store itself, under its name; refused with StoreFull where room is short."""
    kept = sealed_bytes(keys, Kind.MEDIUM, data, name)
    return call(keys, "media_put", (FULL_PERCENT, name, kept), lambda _: None)


def release(keys: Keys, user: str, digests: Sequence[str]) -> Op[None]:
    """Tells that a key refers to media no more."""
    names = (name for digest in digests for name in medium_names(keys, digest))
    return call(keys, "media", ("release", user, *names), lambda _: None)


@dataclass(frozen=True, slots=True)
class Swept:
    """Answer of a sweep."""

    #: Whether more is due at once.
    more: bool
    #: Paths in the blob store that nothing refers to, to be deleted and told `gone`; else they come again.
    paths: list[str]


def sweep_media(keys: Keys, most: int = 100, *, deletes: bool = True) -> Op[Swept]:
    """Forgets media that nothing refers to any more.

    Args:
        most: to look at.
        deletes: whether the caller has the blob store, and will delete what is handed out.
    """
    args = ("sweep", most, int(deletes))
    return call(keys, "media", args, lambda reply: Swept(bool(reply[0]), [text(path) for path in reply[1:]]))


def gone(keys: Keys, paths: Sequence[str]) -> Op[None]:
    """Tells that blobs are deleted."""
    return call(keys, "media", ("gone", *paths), lambda _: None)


def not_there(keys: Keys, digest: str, path: str) -> Op[None]:
    """Tells that a medium is not where it was said to be: whoever shows it next uploads it again."""
    args = [part for name in medium_names(keys, digest) for part in (name, path)]
    return call(keys, "media", ("not there", *args), lambda _: None)


def places(keys: Keys, digests: Sequence[str]) -> Op[list[str]]:
    """Where media are: IN_STORE, a path in the blob store, or empty for unknown ones; in order."""
    names = [medium_names(keys, digest) for digest in digests]

    def parse(replies: list[Any]) -> list[str]:
        found = iter(map(text, replies[0]))
        return [next(filter(None, [next(found) for _ in own]), "") for own in names]

    return read((("HMGET", keys.media_places(), *(name for own in names for name in own)),), parse)


def unreferred(keys: Keys, paths: Sequence[str]) -> Op[list[str]]:
    """Which of some paths the store knows nothing of: no medium, no upload under way, nothing to be deleted."""
    if not paths:
        return Op((), lambda _: [])

    def parse(replies: list[list[bytes | None]]) -> list[str]:
        known, uploads, litter = replies
        rows = zip(paths, known, uploads, litter, strict=True)
        return [path for path, place, at, due in rows if text(place) != path and at is None and due is None]

    return read(
        (
            ("HMGET", keys.media_places(), *map(digest_of, paths)),
            ("ZMSCORE", keys.media_uploads(), *paths),
            ("ZMSCORE", keys.media_litter(), *paths),
        ),
        parse,
    )


def stored(keys: Keys, digest: str) -> Op[bytes | None]:
    """Bytes of a medium that is kept in the store itself."""
    names = medium_names(keys, digest)

    def parse(replies: list[bytes | None]) -> bytes | None:
        found = ((name, raw) for name, raw in zip(names, replies, strict=True) if raw is not None)
        name, raw = next(found, ("", None))
        return None if raw is None else opened_bytes(keys, Kind.MEDIUM, raw, name)

    return read([("GET", keys.media(name)) for name in names], parse)
