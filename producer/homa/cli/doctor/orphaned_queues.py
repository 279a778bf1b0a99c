"""Queues whose jobs nobody would take: the settings have no such pool, or no such provider, any more."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from homa.client.management.why import lack_of
from homa.client.session import Session
from homa_shared.model.pools import alias_of
from homa_shared.settings.fleet import Fleet
from homa_shared.store import reads


@dataclass(frozen=True, slots=True)
class Stranded:
    """A queue that settings leave behind, with the live jobs in it."""

    queue: str
    jobs: int
    #: What the settings lack.
    lack: str

    def __str__(self) -> str:
        return f"{self.jobs} jobs in the queue {self.queue}, and there is no {self.lack}"

    @property
    def way_out(self) -> str:
        """What lets the jobs go on, or end."""
        return f"put it back in homa.toml and `homa apply`, or end them with `homa jobs cancel --queue {self.queue}`"


def stranded(here: Session, mine: Fleet, theirs: Fleet | None) -> list[Stranded]:
    """What would be left behind, were these settings the fleet's.

    Args:
        mine: the settings.
        theirs: those in force. Queues of ordinary actors may have any name: only those count that have the
            name of one of these providers, or of a pool.
    """
    jobs: Counter[str] = Counter()
    for row in here.store.run(reads.queues(here.keys)):
        jobs[row.queue] += row.queued + row.running + row.due + row.waiting
    served = set() if theirs is None else set(theirs.providers)
    return [
        Stranded(queue, count, lack)
        for queue, count in sorted(jobs.items())
        if count and (queue in served or alias_of(queue) is not None) and (lack := lack_of(mine, queue)) is not None
    ]
