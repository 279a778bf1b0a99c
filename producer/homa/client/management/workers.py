"""Which workers are alive, what each serves and how much it runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from homa.client.management.units import ms_of_span, seconds_of
from homa.client.management.wording import number, one_line, span
from homa.drivers.effects import Flow, ask
from homa_shared.store import reads
from homa_shared.store.keys import Keys
from homa_shared.store.reads.fleet import WorkerRow
from homa_shared.store.versions import Versions, own_versions


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker as its last beat told."""

    id: str
    live: bool
    #: Since its last beat.
    beat_age_s: float
    #: What is out of the ordinary: gone, draining, or an older release; else empty.
    state: str
    queues: tuple[str, ...]
    host: str
    pid: int | None
    #: Jobs that it runs, of so many at most, and those that it ended.
    running: int | None
    concurrency: int | None
    ended: int | None
    #: All that it told.
    facts: Mapping[str, Any] = field(repr=False)

    @classmethod
    def of(cls, row: WorkerRow, newest: Versions) -> WorkerInfo:
        facts = row.facts
        return cls(
            id=row.id,
            live=row.live,
            beat_age_s=seconds_of(row.beat_age_ms),
            state=_state(row, newest),
            queues=tuple(facts.get("queues") or ()),
            host=str(facts.get("host", "")),
            pid=facts.get("pid"),
            running=facts.get("running"),
            concurrency=facts.get("concurrency"),
            ended=facts.get("ended"),
            facts=facts,
        )

    def __str__(self) -> str:
        facts = [
            f"serves {' '.join(self.queues)}" if self.queues else "",
            f"{number(self.running)} of {number(self.concurrency)} running",
            f"beat {span(ms_of_span(self.beat_age_s))} ago",
            self.state,
        ]
        return f"{self.id}: {one_line(facts)}"


def workers(keys: Keys, *, gone: bool = False) -> Flow[tuple[WorkerInfo, ...]]:
    """Live workers by name.

    Args:
        gone: also those that are gone, for an hour after their last beat.
    """
    return worker_infos([row for row in (yield from ask(reads.workers(keys))) if row.live or gone])


def worker_infos(rows: Sequence[WorkerRow]) -> tuple[WorkerInfo, ...]:
    """Workers as people look at them: which of them are of an older release than others that live is told."""
    newest = max((Versions.told(row.facts) for row in rows if row.live), default=own_versions())
    return tuple(WorkerInfo.of(row, newest) for row in rows)


def _state(row: WorkerRow, newest: Versions) -> str:
    if not row.live:
        return "gone"
    if row.facts.get("draining"):
        return "draining"
    return f"older: {row.facts.get('release') or 'first'} release" if Versions.told(row.facts) < newest else ""
