"""Batches of files, as the store knows them beside their jobs: what was asked for, how far lines became jobs (`cursor`)
and how far answers stand in files (`written`).

Whoever works on it (gateway_work.py) may move either; a script refuses unless it stands where the mover believes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import orjson

from homa_shared.store.gateway_files import Index, index_after
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, mapping, read, text
from homa_shared.store.sealing import Kind, keyed_list, opened_text, sealed, sealed_text

#: Batches are kept for so long after their end, ms.
BATCH_KEPT_MS = 30 * 24 * 3600 * 1000
#: Fields that may quote what was asked.
_SEALED = ("metadata", "errors")


class Status(StrEnum):
    """How far a batch is, in OpenAI's words."""

    VALIDATING = "validating"
    FAILED = "failed"
    IN_PROGRESS = "in_progress"
    FINALIZING = "finalizing"
    COMPLETED = "completed"
    EXPIRED = "expired"
    CANCELLING = "cancelling"
    CANCELLED = "cancelled"


#: Names of the APIs that have batches of files.
APIS = ("openai", "anthropic")
#: States that a batch does not leave.
OVER = frozenset({Status.FAILED, Status.COMPLETED, Status.EXPIRED, Status.CANCELLED})


class Created(StrEnum):
    """What became of a batch that was asked for."""

    OK = "ok"
    #: The same request made it before.
    KNOWN = "known"
    #: Its idempotency key was used for another request.
    CONFLICT = "conflict"
    NO_FILE = "no file"


@dataclass(frozen=True, slots=True)
class GatewayBatch:
    """A batch of a file."""

    id: str
    status: Status
    tenant: str
    api: str
    input: str
    created_ms: int
    expires_ms: int
    #: None until its file has been checked.
    total: int | None
    #: Lines that became jobs, or were answered without; the byte of the file behind them.
    cursor: int
    offset: int
    #: Ends of jobs that have been looked at, in the order in which jobs ended; lines that have been answered.
    written: int
    answered: int
    #: By the store's clock.
    now_ms: int
    #: Every field.
    raw: Mapping[str, str] = field(repr=False, default_factory=dict)

    def at_ms(self, name: str) -> int | None:
        """When something happened, ms; None where it has not."""
        value = self.raw.get(name)
        return int(value) if value else None

    def count(self, name: str) -> int:
        """A counter."""
        return int(self.raw.get(name) or 0)

    def said(self, name: str) -> Any:
        """A field that holds JSON; None where it is missing."""
        return orjson.loads(self.raw[name]) if self.raw.get(name) else None


def create_batch(
    keys: Keys,
    batch_id: str,
    *,
    tenant: str,
    api: str,
    input_id: str,
    digest: str,
    window_ms: int,
    facts: dict[str, str],
) -> Op[Created]:
    """Makes a batch of a file, which nobody can delete until it has ended.

    Args:
        digest: of the request: the same id with another one is a conflict.
        window_ms: until it expires.
        facts: fields of its own.
    """
    said = dict(facts)
    if said.get("metadata"):
        said["metadata"] = sealed_text(keys, Kind.FILE_BATCH, said["metadata"], batch_id)
    args = ("create", batch_id, tenant, api, input_id, keyed_list(keys, digest), window_ms, orjson.dumps(said))
    return call(keys, "gateway_batch", args, lambda reply: Created(text(reply)))


def checked_batch(keys: Keys, batch_id: str, total: int) -> Op[None]:
    """Its file is one of requests, of so many lines: they may become jobs."""
    return call(keys, "gateway_batch", ("checked", batch_id, total), lambda _: None)


def fail_batch(keys: Keys, batch_id: str, errors: Sequence[Mapping[str, Any]], webhook: str = "") -> Op[None]:
    """Its file is none of requests: nothing of it was sent. The webhook is told of a batch of jobs that is complete."""
    args = ("fail", batch_id, _sealed_errors(keys, batch_id, errors), BATCH_KEPT_MS, webhook)
    return call(keys, "gateway_batch", args, lambda _: None)


def finalize_batch(keys: Keys, batch_id: str) -> Op[None]:
    """All its jobs have ended."""
    return call(keys, "gateway_batch", ("finalize", batch_id), lambda _: None)


def cancel_file_batch(keys: Keys, batch_id: str) -> Op[str]:
    """No further line becomes a job; the jobs that are there are cancelled by themselves (`admin.cancel_batch`)."""
    return call(keys, "gateway_batch", ("cancel", batch_id), text)


def drop_batch(keys: Keys, batch_id: str) -> Op[str]:
    """Forgets a batch with its files; of one that goes on no further line becomes a job."""
    return call(keys, "gateway_batch", ("drop", batch_id), text)


def finish_batch(
    keys: Keys,
    batch_id: str,
    status: Status,
    *,
    files_kept_ms: int,
    output: Mapping[str, str] | None,
    error: Mapping[str, str] | None,
    listed: bool,
    errors: Sequence[Mapping[str, Any]] = (),
    webhook: str = "",
    input_lost: bool = False,
) -> Op[str]:
    """Ends a batch whose lines have all been answered, or whose input nobody reaches any more.

    Args:
        output, error: fields of its files; None: it has none.
        listed: whether the files are shown among its tenant's.
        errors: what is wrong with it as a whole.
        webhook: URL that is told of it, where its batch of jobs is complete; empty for none.
        input_lost: lines without an answer stay without one.
    """
    rows = ["" if row is None else orjson.dumps(dict(row)) for row in (output, error)]
    args = (
        batch_id,
        status,
        BATCH_KEPT_MS,
        files_kept_ms,
        *rows,
        int(listed),
        _sealed_errors(keys, batch_id, errors) if errors else "",
        webhook,
        int(input_lost),
    )
    return call(keys, "finish_gateway_batch", args, text)


def find_batch(keys: Keys, batch_id: str) -> Op[GatewayBatch | None]:
    """A batch of a file; None where there is none of that id."""
    commands = (("HGETALL", keys.gateway_batch(batch_id)), ("TIME",))
    return read(commands, lambda r: _batch(keys, batch_id, mapping(r[0]), r[1]))


def find_batches(keys: Keys, batch_ids: Sequence[str]) -> Op[list[GatewayBatch]]:
    """Those of them that are there, in their order."""

    def parse(replies: list[Any]) -> list[GatewayBatch]:
        found = (_batch(keys, name, mapping(row), replies[-1]) for name, row in zip(batch_ids, replies, strict=False))
        return [batch for batch in found if batch is not None]

    return read([*(("HGETALL", keys.gateway_batch(name)) for name in batch_ids), ("TIME",)], parse)


def batches_after(
    keys: Keys, api: str, tenant: str, row: str | None, limit: int, *, newest_first: bool = True
) -> Op[Index]:
    """Ids of a tenant's batches behind a row of their index."""
    return index_after(keys.gateway_batches(api, tenant), row, limit, newest_first=newest_first)


def _sealed_errors(keys: Keys, batch_id: str, errors: Sequence[Mapping[str, Any]]) -> bytes:
    """What is wrong with lines, which may quote them."""
    return sealed(keys, Kind.FILE_BATCH, orjson.dumps(list(errors)), batch_id)


def _batch(keys: Keys, batch_id: str, f: dict[str, str], time: Sequence[Any]) -> GatewayBatch | None:
    if not f:
        return None
    f |= {name: opened_text(keys, Kind.FILE_BATCH, f[name], batch_id) for name in _SEALED if name in f}
    return GatewayBatch(
        id=batch_id,
        status=Status(f["status"]),
        tenant=f["tenant"],
        api=f["api"],
        input=f["input"],
        created_ms=int(f["created"]),
        expires_ms=int(f["expires"]),
        total=int(f["total"]) if "total" in f else None,
        cursor=int(f["cursor"]),
        offset=int(f["offset"]),
        written=int(f["written"]),
        answered=int(f["answered"]),
        now_ms=int(time[0]) * 1000 + int(time[1]) // 1000,
        raw=f,
    )
