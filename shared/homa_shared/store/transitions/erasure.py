"""What erases a tenant, a slice at a time: each operation may be sent again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from homa_shared.model.constants import SLICE
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, read, text


class ErasedJobs(NamedTuple):
    """What became of some ended jobs."""

    erased: int
    #: Those of which a record without content stays: their cost is unresolved.
    kept: list[str]


class ErasedMessages(NamedTuple):
    """What became of some deliveries."""

    erased: int
    #: Those that have not ended.
    live: int


class Looked(NamedTuple):
    """A slice of something that was looked through."""

    #: Of this slice: erased, or handed to the next sweep.
    found: int
    looked: int


def erase_jobs(keys: Keys, tenant: str, job_ids: Sequence[str]) -> Op[ErasedJobs]:
    """Erases ended jobs of a tenant, at most `SLICE`; others' and live ones are left alone."""

    def parse(reply: Any) -> ErasedJobs:
        return ErasedJobs(int(reply[0]), [text(name) for name in reply[1:]])

    return call(keys, "erase", ("jobs", tenant, *job_ids), parse)


def erase_batches(keys: Keys, tenant: str, batch_ids: Sequence[str], *, whole: bool) -> Op[int]:
    """Erases batches of a tenant; not `whole`: their sums stay, for jobs whose cost is unresolved."""
    return call(keys, "erase", ("batches", tenant, int(whole), *batch_ids), int)


def erase_flow(keys: Keys, tenant: str, run: str, cursor: str) -> Op[tuple[int, str]]:
    """Erases a slice of items and nodes of a flow's run.

    Args:
        cursor: of the slice before; `0` for the first.

    Returns:
        how many items, and the next cursor; empty at the end.
    """
    return call(keys, "erase", ("flow", tenant, run, cursor), lambda reply: (int(reply[0]), text(reply[1])))


def deliveries_of(keys: Keys, schedule: str) -> Op[list[str]]:
    """Jobs of the latest deliveries of a schedule."""
    return read((("HKEYS", keys.schedule_deliveries(schedule)),), lambda replies: [text(name) for name in replies[0]])


def erase_deliveries(keys: Keys, tenant: str, jobs: Sequence[str]) -> Op[ErasedMessages]:
    """Erases deliveries of a schedule that have ended, at most `SLICE`."""
    return call(keys, "erase", ("deliveries", tenant, *jobs), _messages)


def erase_events(keys: Keys, tenant: str, handler: str, after: str) -> Op[tuple[int, str]]:
    """Erases a tenant's events of a slice of the stream behind an entry.

    Args:
        handler: whose own stream it is; empty: the fleet's.

    Returns:
        how many, and the entry to go on behind; empty at the end.
    """
    args = ("events", tenant, handler, after, SLICE)
    return call(keys, "erase", args, lambda reply: (int(reply[0]), text(reply[1])))


def erase_letters(keys: Keys, tenant: str, handler: str, rank: int) -> Op[Looked]:
    """Erases a tenant's dead letters of a slice of a handler's."""
    args = ("letters", tenant, handler, rank, SLICE)
    return call(keys, "erase", args, lambda reply: Looked(*map(int, reply)))


def erase_webhooks(keys: Keys, tenant: str, messages: Sequence[str]) -> Op[ErasedMessages]:
    """Erases messages of a tenant's webhooks that have ended, and behind the last one what became of its webhooks."""
    return call(keys, "erase", ("webhooks", tenant, *messages), _messages)


def abandon_media(keys: Keys, tenant: str, rank: int) -> Op[Looked]:
    """Hands media of a slice that nothing refers to any more to the next sweep: it would be due in an hour."""
    return call(keys, "erase", ("media", tenant, rank, SLICE), lambda reply: Looked(*map(int, reply)))


def erase_vectors(keys: Keys, tenant: str) -> Op[int]:
    """Forgets a slice of all cached vectors, whosesoever they are; zero when none is left."""
    return call(keys, "erase", ("vectors", tenant, SLICE), int)


def forget_table(keys: Keys, tenant: str, name: str) -> Op[None]:
    """Forgets which batches a named table was asked by."""
    return read((("DEL", keys.own("table", f"{tenant}:{name}")),), lambda _: None)


def _messages(reply: Any) -> ErasedMessages:
    return ErasedMessages(*map(int, reply))
