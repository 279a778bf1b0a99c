"""Jobs as a listing shows them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from homa.client.management.units import time_of, time_of_known, usd_of
from homa.client.management.wording import dollars, one_line
from homa_shared.calls.prompt_templates import of_tags
from homa_shared.model.records import ENDED, Job, State


@dataclass(frozen=True, slots=True)
class JobInfo:
    """A job as its record tells it."""

    id: str
    state: State
    queue: str
    lane: str
    #: `provider:model`, or a pool: where it is now.
    target: str
    tenant: str
    batch: str | None
    custom_id: str | None
    tags: Mapping[str, str]
    #: Number of its latest attempt; 0 before the first.
    attempt: int
    #: That runs it.
    worker: str | None
    #: What it waits for aside: `batch:ID`, a budget, or an equal job.
    waits_for: str | None
    submitted_at: datetime
    #: Starts no sooner.
    due_at: datetime | None
    deadline_at: datetime | None
    ended_at: datetime | None
    #: Known cost of all its attempts.
    cost_usd: Decimal
    #: Attempts of unknown outcome may have cost so much at most.
    unresolved_usd: Decimal
    #: By providers' prompt caches; negative where writing to them cost more.
    cache_saved_usd: Decimal
    #: Leases that were lost with their worker.
    expired_leases: int
    retry_of: str | None
    retried_by: str | None
    #: `kind: message` of a job that ended without an answer; None for others, or where it is no longer kept.
    error: str | None = field(default=None, kw_only=True)
    #: Of a conversation that it answers: `conversation:number`.
    turn: str | None = field(default=None, kw_only=True)

    @property
    def template(self) -> str | None:
        """The stored template that its prompt was made by, `name@version`; None: by none."""
        return of_tags(self.tags) or None

    @property
    def ended(self) -> bool:
        return self.state in ENDED

    @classmethod
    def of(cls, job: Job, error: str | None = None) -> JobInfo:
        """The job that a record tells of."""
        return cls(
            id=job.id,
            state=job.state,
            queue=job.queue,
            lane=job.lane,
            target=job.target,
            tenant=job.tenant,
            batch=job.batch,
            custom_id=job.custom_id,
            tags=job.tags,
            attempt=job.attempt,
            worker=job.worker,
            waits_for=job.waits_for,
            submitted_at=time_of(job.submitted_ms),
            due_at=time_of_known(job.due_ms),
            deadline_at=time_of_known(job.deadline_ms),
            ended_at=time_of_known(job.ended_ms),
            cost_usd=usd_of(job.cost_nano_usd),
            unresolved_usd=usd_of(job.unresolved_nano_usd),
            cache_saved_usd=usd_of(job.cache_saved_nano_usd),
            expired_leases=job.expired_leases,
            retry_of=job.retry_of,
            retried_by=job.retried_by,
            error=error,
            turn=job.raw.get("cv"),
        )

    def __str__(self) -> str:
        where = f"for {self.target}" if not self.ended else f"at {self.target}"
        facts = [
            f"{self.id} {self.state} {where}",
            f"tenant {self.tenant}" if self.tenant else "",
            f"waits for {self.waits_for}" if self.waits_for else "",
            dollars(self.cost_usd) if self.cost_usd else "",
            f"{dollars(self.unresolved_usd)} unresolved" if self.unresolved_usd else "",
            self.error or "",
        ]
        return one_line(facts)
