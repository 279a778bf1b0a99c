"""Records as the store keeps them, and as people and code read them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


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
LIVE = frozenset(State) - ENDED


class Lane(StrEnum):
    """Strict order of service within a queue."""

    HIGH = "high"
    DEFAULT = "default"
    BULK = "bulk"


#: Version of the record that this release writes. It reads this one and the one before.
RECORD_VERSION = 1

#: Fields of a record: short in the store, where millions stand; spelled out here.
FIELDS: dict[str, str] = {
    "v": "version",
    "st": "state",
    "kd": "kind: j a job, m a Dramatiq message",
    "q": "queue",
    "ln": "lane",
    "tg": "target that it waits for (a pool's name, `pool-<alias>`, in a pool's queue)",
    "tn": "tenant",
    "sq": "sequence number: its place in its group",
    "at": "number of the latest attempt (the fence)",
    "tr": "attempts that count against mx",
    "mx": "most attempts over the whole chain of targets",
    "dl": "deadline, ms of the store's clock",
    "px": "leases that expired under it",
    "rt": "total tokens to reserve",
    "ri": "input tokens to reserve",
    "ro": "output tokens to reserve",
    "pk": "digest of what its prompt shares with others",
    "pt": "input tokens of that",
    "xt": "input tokens that were not reserved, since the provider holds them in its prompt cache (running)",
    "bn": "upper bound of one call's cost, nano-dollars; absent: unpriced",
    "jb": "the job's own budget, nano-dollars",
    "ba": "batch",
    "ci": "custom id",
    "ik": "idempotency key that it was the first to be submitted under",
    "tags": "a line `key=value` each",
    "cx": "1: cancel was asked for while it ran",
    "oa": "on_ambiguous: retry or fail",
    "cp": "on_content_policy: reroute; absent: fail",
    "sl": "slack, ms",
    "fb": "targets left in its chain",
    "ck": "cache key",
    "co": "known cost so far, nano-dollars",
    "un": "unresolved cost so far, nano-dollars",
    "sv": "what the provider's prompt cache saved so far, nano-dollars",
    "sb": "submitted, ms",
    "wk": "worker (running)",
    "as": "start of the running attempt, ms",
    "ps": "account scope reserved from (running)",
    "qs": "quota scope reserved from (running)",
    "tt": "target called, where a pool's member serves it (running)",
    "bi": "budget instances reserved from, a line each (running)",
    "due": "when it becomes ready, ms",
    "why": "what it waits for",
    "en": "ended, ms",
    "wa": "attempt whose reply ended it",
    "ww": "worker that made it",
    "of": "job that this one retries",
    "rb": "job that retries this one",
    "sn": "steps: paid replies that a later attempt goes on from",
    "sw": "1: between two steps, nothing is in flight (running)",
    "sr": "step whose call is reserved (running)",
    "sa": "when that was, ms (running)",
    "sx": "known cost of the attempt's steps, nano-dollars (running)",
    "su": "unresolved cost of the attempt's steps, nano-dollars (running)",
    "sy": "budget instances of steps with unresolved cost, a line each (running)",
    "sz": "what the prompt cache saved in the attempt's steps, nano-dollars (running)",
    "li": "line of its batch, where a retry's id does not tell it",
}

_NUMBERS = frozenset(
    {"v", "sq", "at", "tr", "mx", "dl", "px", "rt", "ri", "ro", "bn", "jb", "sl", "fb", "co", "un", "sb", "as", "due"}
    | {"en", "wa", "sn", "sr", "sa", "sx", "su", "sv", "sz", "pt", "xt"}
)


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
    #: As of an attempt.
    cache_saved_nano_usd: int = 0


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
    #: What providers' prompt caches saved; negative where writing to them cost more.
    cache_saved_nano_usd: int = 0
    expired_leases: int = 0
    retry_of: str | None = None
    retried_by: str | None = None
    raw: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def ended(self) -> bool:
        return self.state in ENDED


def decode_fields(raw: dict[bytes, bytes]) -> dict[str, Any]:
    """A record's fields with numbers as numbers."""
    fields = {}
    for name, value in raw.items():
        key = name.decode()
        fields[key] = int(value) if key in _NUMBERS and value else value.decode()
    return fields


def job_from_fields(job_id: str, f: dict[str, Any]) -> Job:
    return Job(
        id=job_id,
        state=State(f["st"]),
        queue=f["q"],
        lane=f["ln"],
        target=f["tg"],
        tenant=f.get("tn", ""),
        attempt=f.get("at", 0),
        submitted_ms=f.get("sb", 0),
        ended_ms=f.get("en"),
        deadline_ms=f.get("dl"),
        due_ms=f.get("due"),
        batch=f.get("ba"),
        custom_id=f.get("ci"),
        tags=decode_tags(f.get("tags", "")),
        worker=f.get("wk"),
        waits_for=f.get("why"),
        cost_nano_usd=f.get("co", 0),
        unresolved_nano_usd=f.get("un", 0),
        cache_saved_nano_usd=f.get("sv", 0),
        expired_leases=f.get("px", 0),
        retry_of=f.get("of"),
        retried_by=f.get("rb"),
        raw=f,
    )


def encode_tags(tags: dict[str, str]) -> str:
    """Tags as the record keeps them: a line `key=value` each."""
    return "\n".join(f"{key}={value}" for key, value in sorted(tags.items()))


def decode_tags(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.split("\n") if "=" in line)
