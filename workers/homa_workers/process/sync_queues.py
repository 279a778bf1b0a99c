"""Which queues have sync actors: what they hold needs a thread, or may need one."""

from __future__ import annotations

from collections.abc import Iterable

from homa_shared.broker import HomaBroker
from homa_workers.process.actor_run import is_async


class SyncQueues:
    """The queues of a broker's sync actors; looked up anew when actors are declared."""

    def __init__(self, broker: HomaBroker) -> None:
        self._broker = broker
        self._known = -1
        self._queues: frozenset[str] = frozenset()

    def among(self, queues: Iterable[str]) -> frozenset[str]:
        """Those of some queues that have a sync actor."""
        actors = self._broker.actors
        if len(actors) != self._known:
            self._known = len(actors)
            self._queues = frozenset(actor.queue_name for actor in list(actors.values()) if not is_async(actor))
        return self._queues.intersection(queues)
