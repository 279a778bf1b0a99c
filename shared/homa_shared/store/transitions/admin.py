"""What people and the client ask of the store to change: cancel, pause, unfreeze, seal, resolve, retry, purge."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from homa_shared.model.constants import SLICE
from homa_shared.model.records import Lane
from homa_shared.store.audit_trail import audited
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, read, text
from homa_shared.store.reads.fleet import cache_stats
from homa_shared.store.transitions.fleet import read_fleet, write_fleet, write_plans
from homa_shared.store.transitions.next_target import NextTarget, encode_next

__all__ = [
    "SLICE",
    "Retried",
    "cache_stats",
    "cancel",
    "cancel_batch",
    "clear_cache",
    "expire_overdue",
    "flush_messages",
    "named",
    "open_batch",
    "pause_batch",
    "pause_queue",
    "purge",
    "purgeable",
    "read_fleet",
    "resolve",
    "resume_batch",
    "resume_queue",
    "retry",
    "seal_batch",
    "unfreeze",
    "write_fleet",
    "write_plans",
]


#: Jobs that an entry of the audit trail names.
_SHOWN_JOBS = 20


@dataclass(frozen=True, slots=True)
class Retried:
    """Answer of retry."""

    #: ok; retried (it was before); or why not: unknown, the state it is in, `request gone`, `batch gone`,
    #: `batch cancelled`, `id taken`, `damaged`.
    answer: str
    #: The job that retries it now, empty when none does.
    job_id: str


def cancel(keys: Keys, job_ids: Sequence[str]) -> Op[list[str]]:
    """Cancels jobs, at most `SLICE` a call; in several scripts where equal jobs follow them.

    Returns for each: cancelled; cancelling (it runs, its worker was told); the state in which it had ended; or unknown.
    """
    if not job_ids:
        return Op((), lambda _: [])
    return _cancel(keys, tuple(job_ids), [])


def _cancel(keys: Keys, job_ids: tuple[str, ...], earlier: list[str]) -> Op[list[str]]:
    def parse(reply: Any) -> list[str]:
        return earlier + [text(answer) for answer in reply]

    def rest(reply: Any) -> Op[list[str]] | None:
        left = job_ids[len(reply) :]
        return _cancel(keys, left, parse(reply)) if left else None

    return call(keys, "cancel", job_ids, parse, rest)


def expire_overdue(keys: Keys) -> Op[bool]:
    """Ends a slice of the jobs whose deadline passed while they waited; true when there may be more."""
    return call(keys, "expire", (), bool)


def open_batch(keys: Keys, batch_id: str, facts: dict[str, Any]) -> Op[str]:
    """Opens a batch, to be filled and then sealed; returns its state. Opening it again changes nothing.

    Args:
        facts: name, tenant, cap (nano-dollars) and whatever else is to stand in its record.
    """
    given = {name: value for name, value in facts.items() if value is not None}
    return call(keys, "open_batch", (batch_id, orjson.dumps(given)), text)


def seal_batch(keys: Keys, batch_id: str, total: int, *, unsent: int = 0, unsent_why: str = "") -> Op[str]:
    """No line comes after this one: the batch is complete when `total` lines have ended. Empty: no such batch.

    Args:
        unsent: inputs of a schedule's batch that could not become lines, and why the first could not.
    """
    # Why an input was refused may quote it.
    why = unsent_why if keys.cipher is None or not unsent_why else "in the words of the log of whoever submitted it"
    return call(keys, "batch", ("seal", batch_id, total, unsent, why), text)


def pause_batch(keys: Keys, batch_id: str, why: str = "") -> Op[str]:
    """Its lines that wait are not taken until it is resumed; those that run go on."""
    return call(keys, "batch", ("pause", batch_id, why), text)


def resume_batch(keys: Keys, batch_id: str) -> Op[str]:
    """Lets a paused batch go on."""
    return call(keys, "batch", ("resume", batch_id), text)


def cancel_batch(keys: Keys, batch_id: str) -> Op[str]:
    """Cancels a batch at once, by a flag; its lines' records end in slices."""
    return call(keys, "batch", ("cancel", batch_id), text)


def pause_queue(keys: Keys, queue: str) -> Op[bool]:
    """Nothing is taken from the queue until it is resumed; true when it was not paused before."""
    return audited(call(keys, "queue", ("pause", queue), bool), "queue.paused", queue)


def resume_queue(keys: Keys, queue: str) -> Op[bool]:
    """Lets a paused queue go on; true when it was paused."""
    return audited(call(keys, "queue", ("resume", queue), bool), "queue.resumed", queue)


def unfreeze(keys: Keys, scope: str) -> Op[list[str] | None]:
    """Lifts a freeze of a quota scope, or those of all scopes of an account; quota then opens slowly.

    Returns the scopes that were frozen; None when there is no such scope.
    """

    def parse(reply: Any) -> list[str] | None:
        return None if reply is None else [text(name) for name in reply]

    return audited(call(keys, "unfreeze", (scope,), parse), "limits.unfrozen", scope)


def resolve(keys: Keys, job_id: str, attempt: int, nano_usd: int, note: str = "") -> Op[str]:
    """Settles an unresolved attempt by hand at what the provider's bill says.

    Returns ok; stale, when nothing is unresolved there; or unknown.
    """
    told = orjson.dumps({"error": note, "by": "hand"})
    resolving = call(keys, "resolve", (job_id, attempt, nano_usd, told), text)
    return audited(resolving, "job.resolved", job_id, attempt=attempt, nano_usd=nano_usd)


def retry(keys: Keys, job_id: str, new_id: str, to: NextTarget | None = None) -> Op[Retried]:
    """Retries an ended job as a new one. A batch's line then points to it, and the batch is incomplete again.

    Args:
        new_id: of the new job; asking again with any id answers with the first one's.
        to: the first target of the request's chain, so that it starts from there and not from where it failed.
    """
    args = (job_id, new_id, encode_next(to))
    return call(keys, "retry", args, lambda reply: Retried(text(reply[0]), text(reply[1])))


def purgeable(keys: Keys, before_ms: int, limit: int = SLICE) -> Op[list[str]]:
    """Jobs that failed, expired or were cancelled before a time (ms of the store's clock), oldest first."""
    command = ("ZRANGEBYSCORE", keys.ended(), "-inf", before_ms, "LIMIT", 0, limit)
    return read((command,), lambda r: [text(job_id) for job_id in r[0]])


def purge(keys: Keys, job_ids: Sequence[str]) -> Op[int]:
    """Forgets ended jobs (at most `SLICE` a call) before their retention ends; returns how many.

    Live jobs stay, and so do those with unresolved cost: only their records can resolve it.
    """
    if not job_ids:
        return Op((), lambda _: 0)
    return audited(call(keys, "purge", tuple(job_ids), int), "jobs.purged", named(job_ids), jobs=len(job_ids))


def clear_cache(keys: Keys, limit: int = SLICE) -> Op[int]:
    """Forgets up to `limit` cached replies, oldest first; returns how many. Zero when none is left."""
    return call(keys, "clear_cache", (limit,), int)


def flush_messages(keys: Keys, queue: str) -> Op[int]:
    """Drops a slice of the Dramatiq messages that wait in a queue; returns how many. Zero when none is left."""
    return call(keys, "flush", (queue, *Lane), int)


def named(job_ids: Sequence[str]) -> str:
    """Jobs for the audit trail: the first ones by their ids."""
    shown, more = job_ids[:_SHOWN_JOBS], len(job_ids) - _SHOWN_JOBS
    return " ".join(shown) + (f" and {more} more" if more > 0 else "")
