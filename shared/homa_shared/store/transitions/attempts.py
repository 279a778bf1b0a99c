"""What a worker asks of the store: take, settle, requeue, fail, divert, renew, sweep."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache, partial
from typing import Any

import orjson

from homa_shared.calls.failures import Charge
from homa_shared.model.json_safe import compact_json
from homa_shared.model.limits import DIMENSIONS
from homa_shared.model.record_fields import Place, fields_at
from homa_shared.model.tokens import QuotaUse, Tokens
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, text
from homa_shared.store.sealing import Kind, opened_if_possible, sealed_error, sealed_shown, sealed_text
from homa_shared.store.transitions.next_target import NextTarget, encode_next

#: A job and the number of its attempt.
Name = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Claim:
    """A job that this worker holds a lease on: attempt `attempt` of it may be called at once.

    Its attributes are the record's fields that take hands out (model/record_fields.py), under their names there.
    """

    id: str
    attempt: int
    request: bytes
    target: str
    kind: str
    queue: str
    lane: str
    tenant: str
    batch: str
    custom_id: str
    tags: str
    #: Time left until its deadline when it was taken, ms; 0 for no deadline.
    left_ms: int
    #: Attempts that count, this one included, of at most max_attempts.
    tries: int
    max_attempts: int
    expired_leases: int
    #: Bound reserved in budgets, nano-dollars; None when unpriced.
    bound: int | None
    on_ambiguous: str
    slack_ms: int | None
    fallbacks_left: int
    cache_key: str
    #: Known and unresolved cost of the attempts before, nano-dollars.
    cost: int
    unresolved: int
    #: Time since it was submitted, ms.
    waited_ms: int
    total_tokens: int
    input_tokens: int
    output_tokens: int
    version: int
    #: fail, or reroute: to the next target after a refusal by the provider's content policy.
    on_content_policy: str = "fail"
    #: Items and replies that the prompt of a flow's step is made of, in their order, None for one that is not kept any
    #: more; empty: they did not come along.
    parents: Sequence[bytes | None] = ()

    @property
    def name(self) -> str:
        return f"{self.id}:{self.attempt}"

    @property
    def tokens(self) -> Tokens:
        """What is reserved for its call."""
        return Tokens(self.total_tokens, self.input_tokens, self.output_tokens)

    def forget_request(self) -> None:
        """Lets go of the request once it is read: thousands of calls in flight would hold it in two forms.

        The one change that a claim ever sees; a copy would leave the bytes with whoever holds the other one.
        """
        object.__setattr__(self, "request", b"")

    def reserving(self, bound: int | None, tokens: Tokens) -> Claim:
        """The claim with what a later call of it reserves."""
        total, given, wanted = tokens
        return replace(self, bound=bound, total_tokens=total, input_tokens=given, output_tokens=wanted)


@dataclass(frozen=True, slots=True)
class Taken:
    """Answer of take. `wait_ms` is the time until something may run, None when nothing waits."""

    claims: list[Claim]
    wait_ms: int | None
    #: (why, job) for jobs that should go to their next target; they still wait in their queue.
    diverts: list[tuple[str, Claim]]
    #: Targets of waiting jobs whose limits the store does not know.
    unplanned: Sequence[str] = ()
    #: Version of the fleet's settings in the store; 0 where there are none.
    fleet_version: int = 0


@dataclass(frozen=True, slots=True)
class Renewed:
    """Answer of renew, `job:attempt` each."""

    #: Attempts that are no longer the worker's.
    lost: list[str]
    #: Attempts that are to stop: what said so before may have been lost with a connection.
    called_off: list[str]


#: Fields of a report that are sent only where they say something.
_WHERE_TOLD = (
    *("floor", "input", "output", "cached", "written", "saved", "cool_ms", "freeze_ms", "limits", "note", "partial"),
    *("by", "worker", "target", "terms", "fees"),
)


class ReportResult(StrEnum):
    """How the store took a report."""

    OK = "ok"
    #: The attempt was over; its cost was corrected (a good reply also ended a job that still lived).
    LATE = "late"
    #: The attempt is not the running one; nothing changed.
    STALE = "stale"
    #: The job was cancelled or expired instead of going on.
    ENDED = "ended"
    #: The store holds no such job.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Report:
    """What a worker says of an attempt that is over (fields: scripts/lib/attempt.lua)."""

    outcome: str
    charge: Charge = Charge.NONE
    #: Actual cost in nano-dollars; None is unpriced.
    nano: int | None = None
    #: Least cost of an unresolved attempt, nano-dollars.
    floor: int = 0
    #: Most that it can have cost, where less was asked than was reserved; None: what was reserved.
    bound: int | None = None
    input: int = 0
    output: int = 0
    cached: int = 0
    #: Tokens written to the provider's prompt cache.
    written: int = 0
    #: What the prompt cache saved, nano-dollars; negative where writing to it cost more.
    saved: int = 0
    #: Actual use of the quota. None: what was reserved stands.
    used: QuotaUse | None = None
    #: good, bad, account, model or empty: what the breakers learn.
    health: str = ""
    cool_ms: int | None = None
    #: Freeze of the quota scope; -1 where the provider named no time.
    freeze_ms: int | None = None
    #: Requests and tokens a minute that headers told; 0 for not told.
    limits: tuple[int, int] | None = None
    note: str = ""
    #: A good reply that breaks off: the job's, but kept for no equal one.
    partial: bool = False
    #: Provider that was called, where the store may have forgotten which member of a pool it was.
    by: str = ""
    #: Who made the attempt, and what it called: told where the store may have forgotten that it was made.
    worker: str = ""
    target: str = ""
    #: What it was served on, joined by `+`; empty for the standard price.
    terms: str = ""
    #: Units billed beside tokens, and how many of each.
    fees: Mapping[str, int] = field(default_factory=dict)

    def encode(self) -> bytes:
        fields: dict[str, Any] = {"outcome": self.outcome, "charge": self.charge.value, "health": self.health}
        if self.nano is not None:
            fields["nano"] = str(self.nano)
        if self.bound is not None:
            fields["bound"] = str(self.bound)
        for name in _WHERE_TOLD:
            value = getattr(self, name)
            if value or (name == "freeze_ms" and value is not None):
                fields[name] = value
        if self.used is not None:
            requests, tokens = self.used
            fields["used"] = {
                d.letter: getattr(tokens, d.tokens) if d.tokens else requests
                for d in DIMENSIONS
                if tokens is not None or not d.tokens
            }
        return compact_json(fields)


def take(
    keys: Keys,
    *,
    worker: str,
    nonce: str,
    slots: int,
    lease_ms: int,
    provider: str,
    suspects: int,
    queues: Sequence[str],
    settings: int = 0,
) -> Op[Taken]:
    """Up to `slots` jobs to call now. Asking again with the same nonce gives the same jobs.

    Args:
        settings: version of the fleet's settings that the worker knows: a store that knows none, or not a target's
            limits, hands nothing out. 0 for a worker that knows none itself.
    """
    args = (worker, nonce, slots, lease_ms, provider, suspects, settings, int(keys.cipher is not None), *queues)
    return call(keys, "take", args, partial(_parse_take, keys))


def settle(keys: Keys, name: Name, reply: bytes, report: Report) -> Op[ReportResult]:
    """A good reply: stored before anything else happens to it; the job ends as succeeded."""
    return settle_one(keys, Settlement(name, reply, report.encode()))


#: Most good replies of one `settle_many`: a script of a few milliseconds.
SETTLED_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Settlement:
    """A good reply as `settle` takes it, to be told by itself or with others."""

    name: Name
    reply: bytes
    #: As `Report.encode` writes it.
    report: bytes

    @property
    def size(self) -> int:
        """Bytes of what is sent."""
        return len(self.reply) + len(self.report)


def settle_one(keys: Keys, told: Settlement) -> Op[ReportResult]:
    """A good reply, by itself."""
    reply = sealed_shown(keys, Kind.REPLY, told.reply)
    return call(keys, "settle", (*told.name, reply, told.report), _report_result)


def settle_many(keys: Keys, told: Sequence[Settlement]) -> Op[list[ReportResult | None]]:
    """Several good replies, one answer each, in their order; None for one that has to be told by itself.

    Args:
        told: at most `SETTLED_AT_ONCE`.
    """
    args = [part for one in told for part in (*one.name, sealed_shown(keys, Kind.REPLY, one.reply), one.report)]
    return call(keys, "settle_many", args, lambda reply: [_report_result(one) if one else None for one in reply])


def fail(keys: Keys, name: Name, state: str, error: bytes, report: Report, detail: str) -> Op[ReportResult]:
    """The job ends as failed, cancelled or expired."""
    if keys.cipher is not None:
        # Events are for everybody who looks at the fleet; the provider's words may quote a prompt.
        detail = f"{report.outcome}: its words are sealed"
    args = (*name, state, sealed_error(keys, error), sealed_report(keys, name[0], report).encode(), detail)
    return call(keys, "fail", args, _report_result)


def requeue(
    keys: Keys, name: Name, event: str, *, delay_ms: int, report: Report, counts: bool, to: NextTarget | None = None
) -> Op[ReportResult]:
    """The attempt is over, the job waits again: deferred, rerouted (to its next target) or released."""
    told = sealed_report(keys, name[0], report).encode()
    args = (*name, event, delay_ms, told, int(counts), encode_next(to))
    return call(keys, "requeue", args, _report_result)


def sealed_report(keys: Keys, job_id: str, report: Report) -> Report:
    """A report whose note, which may quote a prompt, is sealed."""
    return report if keys.cipher is None else replace(report, note=sealed_text(keys, Kind.NOTE, report.note, job_id))


def divert(keys: Keys, job_id: str, target: str, reason: str, to: NextTarget) -> Op[ReportResult]:
    """Moves a job that waits for a target out of reach to its next one."""
    return call(keys, "divert", (job_id, target, reason, to.encode()), _report_result)


def renew(keys: Keys, *, worker: str, lease_ms: int, facts: dict[str, Any], attempts: Sequence[str]) -> Op[Renewed]:
    """The worker's beat."""
    args = (worker, lease_ms, orjson.dumps(facts), *attempts)
    return call(keys, "renew", args, lambda reply: Renewed(*([text(name) for name in names] for names in reply)))


def rejoin(keys: Keys, *, worker: str, lease_ms: int, told: str) -> Op[str]:
    """Which server holds the store now.

    Args:
        told: the server that this worker has told of all its attempts; empty for none.
    """
    return call(keys, "rejoin", (worker, lease_ms, told), text)


def sweep(keys: Keys, *, slice_size: int, lease_ms: int) -> Op[bool]:
    """A slice of housekeeping; true when there is more to do at once."""
    return call(keys, "sweep", (slice_size, lease_ms), lambda reply: bool(reply[5]))


def leave(keys: Keys, worker: str) -> Op[None]:
    """A worker signs off."""
    return Op((("ZREM", keys.workers(), worker), ("DEL", keys.worker(worker), keys.control(worker))), lambda _: None)


def _report_result(reply: Any) -> ReportResult:
    return ReportResult(text(reply))


def _parse_take(keys: Keys, reply: Any) -> Taken:
    jobs, wait, diverts, unplanned, version = reply
    return Taken(
        [_claim(keys, job) for job in jobs],
        None if wait < 0 else int(wait),
        [(text(why), _claim(keys, job)) for why, job in diverts],
        [text(target) for target in unplanned],
        int(version),
    )


def _claim(keys: Keys, entry: Sequence[bytes]) -> Claim:
    """A job as take hands it out: its request, what TAKEN fields say of it, and what its prompt is made of.

    A message's stays as it stands: it is handed back like that, and scripts read those of Homa's own queues.
    """
    request, packed, *parents = entry
    job_id, target, *values = orjson.loads(packed)
    told: dict[str, Any] = {
        name: absent if value == "" else int(value) if is_number else value
        for (name, is_number, absent), value in zip(_taken(), values, strict=True)
    }
    if told["kind"] != "m":
        request = opened_if_possible(keys, Kind.REQUEST, request)
    return Claim(id=job_id, request=request, target=target, parents=parents, **told)


@cache
def _taken() -> tuple[tuple[str, bool, Any], ...]:
    """Names of the fields that take hands out, in its order; which are numbers, and what their absence means."""
    return tuple((field.name, field.is_number, field.absent) for field in fields_at(Place.TAKEN))
