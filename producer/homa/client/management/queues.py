"""What waits and runs in each queue."""

from __future__ import annotations

from dataclasses import dataclass

from homa.client.management.wording import number, one_line
from homa.drivers.effects import Flow, ask
from homa_shared.store import reads
from homa_shared.store.keys import Keys


@dataclass(frozen=True, slots=True)
class QueueInfo:
    """Jobs of one lane of a queue, by state."""

    queue: str
    #: high, default or bulk.
    lane: str
    queued: int
    running: int
    #: That start later.
    due: int
    #: Aside, until a batch goes on, a budget has room or an equal job ends.
    waiting: int
    paused: bool

    def __str__(self) -> str:
        counts = [(name, getattr(self, name)) for name in ("queued", "running", "due", "waiting")]
        said = [f"{number(count)} {name}" for name, count in counts if count] or ["empty"]
        return f"{self.queue}, lane {self.lane}: {one_line([*said, 'paused' if self.paused else ''])}"


def queues(keys: Keys) -> Flow[tuple[QueueInfo, ...]]:
    """Every lane of every queue in which something waits or runs, and the default lane of every other."""
    rows = yield from ask(reads.queues(keys))
    return tuple(
        QueueInfo(row.queue, row.lane, row.queued, row.running, row.due, row.waiting, row.paused) for row in rows
    )
