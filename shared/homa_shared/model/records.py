"""Records as people and code read them. Their fields are spelled in record_fields.py."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from homa_shared.model.record_fields import by_name, by_short, short
from homa_shared.model.waits import Wait, waits_of


class State(StrEnum):
    """Where a job is. The first four are live, the last four ends; each live one has exactly one index."""

    QUEUED = "queued"
    DUE = "due"
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


ENDED = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED})


class Lane(StrEnum):
    """Strict order of service within a queue."""

    HIGH = "high"
    DEFAULT = "default"
    BULK = "bulk"


#: Version of the record that this release writes. It reads this one and the one before.
RECORD_VERSION = 1


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt as its history tells it; costs in nano-dollars."""

    number: int
    target: str
    outcome: str
    charge: str = "none"
    nano_usd: int = 0
    unresolved_nano_usd: int = 0
    unpriced: bool = False
    worker: str = ""
    started_ms: int = 0
    ended_ms: int = 0
    error: str = ""
    #: Status, request id and whatever else the worker noted.
    note: dict[str, Any] = field(default_factory=dict)
    #: What the provider's prompt cache saved; negative where writing to it cost more.
    cache_saved_nano_usd: int = 0
    #: What it was served on (`flex`, `fast+us`); empty for the standard price.
    terms: str = ""
    #: Units billed beside tokens, and how many of each.
    fees: dict[str, int] = field(default_factory=dict)
    #: What held it for a second or longer before it began.
    waits: tuple[Wait, ...] = ()

    @property
    def parameter_notes(self) -> tuple[str, ...]:
        """For people: what was changed about its parameters, and how its answer ended where it was cut."""
        return tuple(self.note.get("parameters") or ())


@dataclass(frozen=True, slots=True)
class Step:
    """A paid reply that did not end its job; costs in nano-dollars."""

    number: int
    #: The attempt that it belongs to.
    attempt: int
    target: str
    at_ms: int
    input_tokens: int = 0
    output_tokens: int = 0
    nano_usd: int = 0
    unresolved_nano_usd: int = 0
    unpriced: bool = False
    #: This and the others as of an attempt.
    cache_saved_nano_usd: int = 0
    terms: str = ""
    fees: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """A job as its record tells it. Times are ms of the store's clock, costs nano-dollars."""

    id: str
    state: State
    queue: str
    lane: str
    target: str
    tenant: str
    attempt: int = 0
    submitted_ms: int = 0
    ended_ms: int | None = None
    deadline_ms: int | None = None
    due_ms: int | None = None
    batch: str | None = None
    custom_id: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    worker: str | None = None
    waits_for: str | None = None
    cost_nano_usd: int = 0
    unresolved_nano_usd: int = 0
    #: Attempts whose cost is unresolved; of some of them no bound is known.
    unresolved_attempts: int = 0
    #: What providers' prompt caches saved; negative where writing to them cost more.
    cache_saved_nano_usd: int = 0
    expired_leases: int = 0
    retry_of: str | None = None
    retried_by: str | None = None
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @property
    def waits(self) -> tuple[Wait, ...]:
        """What has held it for a second or longer since its latest attempt that failed."""
        return waits_of(str(self.raw.get(short("waited_for")) or ""))

    @property
    def has_open_cost(self) -> bool:
        """Whether an attempt's cost is unresolved, which only the record can settle."""
        return self.unresolved_attempts > 0 or self.unresolved_nano_usd > 0


def decode_fields(raw: Mapping[bytes, bytes]) -> dict[str, Any]:
    """A record's fields as the store calls them, with numbers as numbers; one that holds none is left out."""
    known = by_short()
    fields: dict[str, Any] = {}
    for name, value in raw.items():
        key, text = name.decode(), value.decode()
        field = known.get(key)
        if field is None or not field.is_number or not text:
            fields[key] = text
            continue
        with suppress(ValueError):
            fields[key] = int(text)
    return fields


def job_from_fields(job_id: str, fields: Mapping[str, Any]) -> Job:
    """A job, from what `decode_fields` returns."""

    def of(name: str) -> Any:
        field = by_name()[name]
        return fields.get(field.short, field.absent)

    return Job(
        id=job_id,
        state=State(of("state")),
        queue=of("queue"),
        lane=of("lane"),
        target=of("target"),
        tenant=of("tenant"),
        attempt=of("attempt"),
        submitted_ms=of("submitted_ms"),
        ended_ms=of("ended_ms"),
        deadline_ms=of("deadline_ms"),
        due_ms=of("due_ms"),
        batch=of("batch") or None,
        custom_id=of("custom_id") or None,
        tags=decode_tags(of("tags")),
        worker=of("worker"),
        waits_for=of("waits_for"),
        cost_nano_usd=of("cost"),
        unresolved_nano_usd=of("unresolved"),
        unresolved_attempts=of("unresolved_attempts"),
        cache_saved_nano_usd=of("cache_saved"),
        expired_leases=of("expired_leases"),
        retry_of=of("retry_of"),
        retried_by=of("retried_by"),
        raw=dict(fields),
    )


def encode_tags(tags: dict[str, str]) -> str:
    """Tags as the record keeps them: a line `key=value` each."""
    return "\n".join(f"{key}={value}" for key, value in sorted(tags.items()))


def decode_tags(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
