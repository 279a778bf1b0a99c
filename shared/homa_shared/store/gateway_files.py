"""Files of the HTTP gateway, as the store knows them: what they are called, whose they are, what parts they have.

The parts themselves are blobs, each stored once under a name that nothing else has, so that a file is read a part at a
time by whoever reaches the blobs, and two writers never touch the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, mapping, read, text
from homa_shared.store.sealing import Kind, opened_text, sealed_text

#: An upload that is not complete after so long is taken for abandoned, ms.
ABANDONED_MS = 24 * 3600 * 1000
#: Purpose of a file that belongs to one batch and is shown to nobody.
REQUESTS = "requests"


class Dropped(StrEnum):
    """What became of a file that was to be deleted."""

    OK = "ok"
    UNKNOWN = ""
    #: A batch reads it.
    READ = "read"


@dataclass(frozen=True, slots=True)
class Part:
    """A blob of a file."""

    name: str
    bytes: int


@dataclass(frozen=True, slots=True)
class GatewayFile:
    """A file without its content."""

    id: str
    tenant: str
    filename: str
    purpose: str
    bytes: int
    created_ms: int
    #: None: it is kept until it is deleted.
    expires_ms: int | None


@dataclass(frozen=True, slots=True)
class Index:
    """Rows of an index of files or batches, in the order of their making."""

    ids: list[str]
    #: Whether there are more behind them.
    more: bool
    #: The row of the last one; None where there is none.
    last: str | None


def announce_file(keys: Keys, file_id: str) -> Op[None]:
    """Notes that parts of a file are about to be stored, so that those of an upload that breaks off are deleted."""
    return call(keys, "gateway_file", ("announce", file_id, ABANDONED_MS, int(keys.cipher is not None)), lambda _: None)


def put_file(keys: Keys, file: GatewayFile, parts: Sequence[Part], *, listed: bool, ttl_ms: int | None) -> Op[None]:
    """A file whose parts are all stored; putting it again changes nothing."""
    name = sealed_text(keys, Kind.FILE_NAME, file.filename, file.id)
    facts = orjson.dumps({"filename": name, "purpose": file.purpose, "bytes": str(file.bytes)})
    rows = [f"{part.name} {part.bytes}" for part in parts]
    args = ("put", file.id, file.tenant, facts, int(listed), "" if ttl_ms is None else ttl_ms, *rows)
    return call(keys, "gateway_file", args, lambda _: None)


def drop_file(keys: Keys, file_id: str) -> Op[Dropped]:
    """Forgets a file; its parts are deleted by the next sweep."""
    return call(keys, "gateway_file", ("drop", file_id), lambda reply: Dropped(text(reply)))


def ended_files(keys: Keys, most: int) -> Op[list[str]]:
    """Forgets files that have expired; the answer are those whose parts are to be deleted, however they ended."""
    return call(keys, "gateway_file", ("ended", "", most), lambda reply: [text(name) for name in reply])


def swept_file(keys: Keys, file_id: str) -> Op[None]:
    """Notes that the parts of a file are deleted."""
    return call(keys, "gateway_file", ("swept", file_id), lambda _: None)


def find_file(keys: Keys, file_id: str) -> Op[GatewayFile | None]:
    """A file; None where there is none of that id, or it has expired by the store's clock."""

    def parse(replies: list[Any]) -> GatewayFile | None:
        seconds = int(replies[1][0])
        return _file(keys, file_id, mapping(replies[0]), seconds * 1000)

    return read((("HGETALL", keys.gateway_file(file_id)), ("TIME",)), parse)


def find_files(keys: Keys, file_ids: Sequence[str]) -> Op[list[GatewayFile]]:
    """Those of them that are there, in their order."""

    def parse(replies: list[Any]) -> list[GatewayFile]:
        seconds = int(replies[-1][0])
        found = (_file(keys, name, mapping(row), seconds * 1000) for name, row in zip(file_ids, replies, strict=False))
        return [file for file in found if file is not None]

    return read((*(("HGETALL", keys.gateway_file(name)) for name in file_ids), ("TIME",)), parse)


def parts_of(keys: Keys, file_id: str) -> Op[list[Part]]:
    """The parts of a file, in order."""

    def parse(replies: list[Any]) -> list[Part]:
        rows = (text(row).rpartition(" ") for row in replies[0])
        return [Part(name, int(size)) for name, _, size in rows]

    return read((("LRANGE", keys.gateway_file_parts(file_id), 0, -1),), parse)


def files_after(keys: Keys, tenant: str, row: str | None, limit: int, *, newest_first: bool) -> Op[Index]:
    """Ids of a tenant's files behind a row of their index."""
    return index_after(keys.gateway_files(tenant), row, limit, newest_first=newest_first)


def index_row(created_ms: int, name: str) -> str:
    """How a file or batch stands in its tenant's index; rows sort as their times do."""
    return f"{created_ms:015d} {name}"


def index_after(key: str, row: str | None, limit: int, *, newest_first: bool) -> Op[Index]:
    """Ids in an index behind a row (None: from its beginning)."""
    here, end = ("+", "-") if newest_first else ("-", "+")
    start = here if row is None else f"({row}"
    command = ("ZRANGE", key, start, end, "BYLEX", *(("REV",) if newest_first else ()), "LIMIT", 0, limit + 1)

    def parse(replies: list[Any]) -> Index:
        rows = [text(found) for found in replies[0]]
        page = rows[:limit]
        return Index([found.partition(" ")[2] for found in page], len(rows) > limit, page[-1] if page else None)

    return read((command,), parse)


def _file(keys: Keys, file_id: str, fields: dict[str, str], now_ms: int) -> GatewayFile | None:
    if not fields:
        return None
    expires_ms = int(fields["expires"]) if "expires" in fields else None
    if expires_ms is not None and expires_ms <= now_ms:
        return None
    return GatewayFile(
        id=file_id,
        tenant=fields["tenant"],
        filename=opened_text(keys, Kind.FILE_NAME, fields["filename"], file_id),
        purpose=fields["purpose"],
        bytes=int(fields["bytes"]),
        created_ms=int(fields["created"]),
        expires_ms=expires_ms,
    )
