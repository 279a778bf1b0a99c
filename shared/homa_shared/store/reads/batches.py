"""What the store tells about batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, mapping, number, pairs, read, text

#: Batches that may be opened within one millisecond.
_SAME_MS = 100


class LineCounts:
    """What follows from the state of a batch and its counts of lines, however it is shown."""

    __slots__ = ()
    state: str
    submitted: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int

    @property
    def ended(self) -> int:
        """Lines that have ended."""
        return self.succeeded + self.failed + self.cancelled + self.expired

    @property
    def live(self) -> int:
        """Lines that were submitted and have not ended."""
        return self.submitted - self.ended

    @property
    def complete(self) -> bool:
        return self.state == "complete"


@dataclass(frozen=True, slots=True)
class BatchView(LineCounts):
    """A batch as it stands. Counts are lines by the state of their latest job; costs are nano-dollars."""

    id: str
    #: open, sealed or complete.
    state: str
    #: Number of lines; None while it is open.
    total: int | None
    submitted: int
    succeeded: int
    failed: int
    cancelled: int
    expired: int
    paused: bool
    paused_why: str
    #: Whether it was cancelled; its records end in slices after that.
    cancel: bool
    #: Why the store did that by itself; empty where somebody asked for it.
    cancel_why: str
    created_ms: int
    completed_ms: int | None
    nano_usd: int
    unresolved_nano_usd: int
    #: Attempts whose price is not known.
    unpriced: int
    requests: int
    input_tokens: int
    output_tokens: int
    cached_tokens: int
    name: str
    tenant: str
    cap_nano_usd: int | None
    #: What providers' prompt caches saved; negative where writing to them cost more.
    cache_saved_nano_usd: int = 0
    #: Every field of the record, also those that its opener added.
    raw: dict[str, str] = field(default_factory=dict, repr=False)


def batch(keys: Keys, batch_id: str) -> Op[BatchView | None]:
    """A batch; None when the store holds no such batch."""
    return read((("HGETALL", keys.batch(batch_id)),), lambda r: view_of(batch_id, mapping(r[0])))


def batches(keys: Keys, limit: int = 100) -> Op[list[str]]:
    """Ids of batches, newest first."""
    return read((("ZRANGE", keys.batches(), 0, limit - 1, "REV"),), lambda r: [text(item) for item in r[0]])


@dataclass(frozen=True, slots=True)
class BatchPage:
    """Some batches of a listing, the newest first."""

    ids: list[str]
    #: Where the next page begins.
    cursor: str


def batches_before(keys: Keys, cursor: str, limit: int) -> Op[BatchPage]:
    """A page of the ids of batches behind a cursor (empty: from the newest); batches opened meanwhile move nothing."""
    opened, _, last = cursor.partition(" ")
    behind = (opened or "+inf", "-inf", "BYSCORE", "REV", "LIMIT", 0, limit + _SAME_MS, "WITHSCORES")

    def parse(replies: list[Any]) -> BatchPage:
        # Those of one millisecond stand in the order of their names, the last one first.
        found = [
            (name, int(at)) for name, at in pairs(replies[0]) if not (last and at == float(opened) and name >= last)
        ][:limit]
        return BatchPage([name for name, _ in found], f"{found[-1][1]} {found[-1][0]}" if found else cursor)

    return read((("ZRANGE", keys.batches(), *behind),), parse)


def batch_done(keys: Keys, batch_id: str, start: int, count: int) -> Op[list[str]]:
    """Jobs of a batch in the order in which they ended, from the `start`-th on.

    A line that was retried stands here once for each of its jobs; the one that ended last is the line's.
    """
    command = ("LRANGE", keys.batch_done(batch_id), start, start + count - 1)
    return read((command,), lambda r: [text(item) for item in r[0]])


def batch_retried(keys: Keys, batch_id: str) -> Op[dict[int, str]]:
    """Lines of a batch that were retried, with the latest job of each."""

    def parse(replies: list[Any]) -> dict[int, str]:
        return {int(line): job_id for line, job_id in mapping(replies[0]).items()}

    return read((("HGETALL", keys.batch_lines(batch_id)),), parse)


def view_of(batch_id: str, f: dict[str, str]) -> BatchView | None:
    """What the fields of a batch's record tell; None where there are none."""
    if not f:
        return None
    return BatchView(
        id=batch_id,
        state=f["state"],
        total=int(f["total"]) if "total" in f else None,
        submitted=int(f.get("submitted", 0)),
        succeeded=int(f.get("succeeded", 0)),
        failed=int(f.get("failed", 0)),
        cancelled=int(f.get("cancelled", 0)),
        expired=int(f.get("expired", 0)),
        paused="paused" in f,
        paused_why=f.get("paused_why", ""),
        cancel="cancel" in f,
        cancel_why=f.get("cancel_why", ""),
        created_ms=int(f["created"]),
        completed_ms=int(f["completed"]) if "completed" in f else None,
        nano_usd=int(f.get("t.nano", 0)),
        unresolved_nano_usd=int(f.get("t.unres", 0)),
        unpriced=int(f.get("t.unpriced", 0)),
        requests=int(f.get("t.requests", 0)),
        input_tokens=int(f.get("t.input", 0)),
        output_tokens=int(f.get("t.output", 0)),
        cached_tokens=int(f.get("t.cached", 0)),
        name=f.get("name", ""),
        tenant=f.get("tenant", ""),
        cap_nano_usd=number(f["cap"]) if f.get("cap") else None,
        cache_saved_nano_usd=int(f.get("t.saved", 0)),
        raw=f,
    )
