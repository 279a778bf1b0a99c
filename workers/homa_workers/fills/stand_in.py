"""Batches of files go on while no gateway lives: a process of the worker does for them what a gateway would do.

1. Now and then a worker asks whether a batch is due that nobody has gone on with for some seconds, and whose files are
   where this worker keeps such.
2. One worker of a place is told so, and starts the process (`homa batches stand-in`).
3. It ends by itself when a gateway looks after batches again or there is nothing more to do, and with its worker.

Killed anywhere, a batch goes on from its cursors, which scripts alone move (homa_shared/store/gateway_batches.py).
"""

from __future__ import annotations

import structlog

from homa_shared.store.client import AsyncStore
from homa_shared.store.gateway_work import FilePlace, is_untended
from homa_workers import command_line

#: Between two looks of a process, s.
LOOK_S = 5.0

_log = structlog.get_logger("homa.batches")


class StandIn:
    """Stands in for gateways.

    Args:
        place: where this process keeps files of the gateway.
    """

    def __init__(self, store: AsyncStore, place: FilePlace) -> None:
        self._store, self._place = store, place

    async def look(self) -> None:
        """Asks once, and where it is needed runs the process to its end. Cancelled, it is ended first."""
        if not await self._store.run(is_untended(self._store.keys, self._place)):
            return
        _log.info("batches.stand_in", place=self._place.name)
        ended = await command_line.homa("batches", "stand-in")
        if ended.status:
            _log.warning("batches.stand_in_failed", status=ended.status, said=ended.said)
