"""What an application asks of the store when it submits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from homa_shared.model import records
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call

#: Percent of the store's maxmemory that used memory and the replies owed to accepted jobs may take.
FULL_PERCENT = 80


@dataclass(frozen=True, slots=True)
class Entry:
    """One job of a submission: what differs from job to job."""

    id: str
    request: bytes
    custom_id: str = ""
    #: Idempotency key and hex digest of the request, `key digest`; empty for none.
    key: str = ""
    #: Upper bound of one call's cost, nano-dollars; None: unpriced.
    bound: int | None = None
    #: Tokens to reserve: total, input, output.
    tokens: tuple[int, int, int] = (0, 0, 0)
    #: Tokens and digest of what its prompt shares with others, `tokens:digest`; empty for nothing.
    prefix: str = ""
    #: From now, ms; 0 for none.
    deadline_ms: int = 0
    due_ms: int = 0


@dataclass(frozen=True, slots=True)
class Common:
    """What all jobs of one submission share."""

    queue: str
    lane: str
    target: str
    tenant: str = ""
    kind: str = "j"
    max_attempts: int = 6
    batch: str | None = None
    tags: str = ""
    on_ambiguous: str = "retry"
    on_content_policy: str = "fail"
    slack_ms: int | None = None
    #: Targets left after the first.
    fallbacks: int = 0
    job_budget: int | None = None
    cache_key: str | None = None
    #: Version of the records; an older one where workers live that read no newer.
    version: int = field(default_factory=lambda: records.RECORD_VERSION)

    def encode(self) -> bytes:
        fields: dict[str, Any] = {
            "v": self.version,
            "kd": self.kind,
            "q": self.queue,
            "ln": self.lane,
            "tg": self.target,
            "tn": self.tenant,
        }
        fields["mx"] = self.max_attempts
        if self.batch is not None:
            fields["ba"] = self.batch
        if self.tags:
            fields["tags"] = self.tags
        if self.on_ambiguous != "retry":
            fields["oa"] = self.on_ambiguous
        if self.on_content_policy != "fail":
            fields["cp"] = self.on_content_policy
        if self.slack_ms is not None:
            fields["sl"] = self.slack_ms
        if self.fallbacks:
            fields["fb"] = self.fallbacks
        if self.job_budget is not None:
            fields["jb"] = self.job_budget
        if self.cache_key is not None:
            fields["ck"] = self.cache_key
        return orjson.dumps(fields)


@dataclass(frozen=True, slots=True)
class Accepted:
    """Answer of submit."""

    count: int
    #: Index of an entry that was there before -> id of the job that it names.
    existing: dict[int, str]
    #: Indexes of entries whose key was used before with another request.
    conflicts: list[int]


def submit(keys: Keys, common: Common, entries: Sequence[Entry]) -> Op[Accepted]:
    """Accepts all entries, or none when the store has no room. Sending the same entries again changes nothing."""
    args: list[Any] = [common.encode(), FULL_PERCENT]
    for e in entries:
        total, given, wanted = e.tokens
        bound = "" if e.bound is None else e.bound
        reserved = f"{total}:{given}:{wanted}:{e.prefix}" if e.prefix else f"{total}:{given}:{wanted}"
        args += (e.id, e.request, e.custom_id, e.key, bound, reserved, e.deadline_ms, e.due_ms)
    return call(keys, "submit", args, _parse)


def _parse(reply: Any) -> Accepted:
    count, existing, conflicts = reply
    known = {int(existing[i]): existing[i + 1].decode() for i in range(0, len(existing), 2)}
    return Accepted(int(count), known, [int(i) for i in conflicts])
