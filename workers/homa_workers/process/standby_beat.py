"""Keeps leases while the worker's event loop is held up, by a thread with a connection of its own.

Code of others runs on the loop: middleware, async actors, callbacks of libraries. One that computes for a minute there
would cost every job of the process its lease; all their calls would be made, and paid, again elsewhere, though each of
them still runs here. So a thread looks whether the loop still beats, and renews in its place where it does not.

* The fence stays where it is: it renews by the script that the loop uses, which asks for job, attempt and worker.
* A loop that is dead is not kept alive for ever: after `MOST_LEASES` of silence its leases run out.
* It takes nothing, ends nothing, and tells the store nothing else. What the script wants stopped is handed to the loop.
* It needs the interpreter's lock: what computes in C and holds that (Python's `re`) holds up the thread, too. Such work
  is bounded where it is done (pipeline/steps/schema_check.py).
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any

from homa_shared.model.errors import HomaError
from homa_shared.store.client import AsyncStore, Store
from homa_shared.store.transitions.attempts import renew
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.process.in_flight import HeldLease, InFlight

#: How long a loop may be silent and its leases are renewed all the same, in lengths of a lease.
MOST_LEASES = 4
#: Most leases that one script renews.
_SLICE = 500
#: How long the end of a worker waits for the thread, s.
_END_S = 5.0


class StandbyBeat:
    """Renews a worker's leases when its loop has not for half their length.

    Args:
        store: the loop's; the thread opens another connection to it, when it is needed first.
        lease_ms: length of the worker's leases.
        in_flight: whose leases they are.
        log: of the worker.
    """

    def __init__(self, store: AsyncStore, lease_ms: int, in_flight: InFlight, log: WorkerLog) -> None:
        self._address, self._keys = store.address, store.keys
        self._lease_ms = lease_ms
        self._in_flight = in_flight
        self._log = log
        self._beaten = time.monotonic()
        self._facts: Mapping[str, Any] = {}
        self._stopped = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._store: Store | None = None

    def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._beaten = time.monotonic()
        self._thread = threading.Thread(target=self._watch, name="homa-standby-beat", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        self._stopped.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _END_S)

    def beaten(self, facts: Mapping[str, Any]) -> None:
        """The loop has just told the store that it lives.

        Args:
            facts: what it told of itself.
        """
        self._beaten = time.monotonic()
        self._facts = facts

    def _watch(self) -> None:
        lease_s = self._lease_ms / 1000
        while not self._stopped.wait(lease_s / 6):
            silent_s = time.monotonic() - self._beaten
            if not lease_s / 2 < silent_s < MOST_LEASES * lease_s:
                continue
            try:
                self._renew_all()
            except HomaError:
                continue  # the store is away; the loop says so when it is back
            except Exception as error:  # a thread that ends would keep no lease
                self._log.defect(error)
        if self._store is not None:
            self._store.close()

    def _renew_all(self) -> None:
        self._store = self._store or Store(self._address, self._keys.namespace, role="worker")
        leases = self._in_flight.ripe(self._lease_ms / 3000)
        for start in range(0, len(leases), _SLICE):
            self._renew(self._store, leases[start : start + _SLICE])

    def _renew(self, store: Store, leases: list[HeldLease]) -> None:
        asked = time.monotonic()
        names = [lease.claim.name for lease in leases]
        worker, facts = self._log.worker, dict(self._facts)
        told = store.run(renew(self._keys, worker=worker, lease_ms=self._lease_ms, facts=facts, attempts=names))
        for lease in leases:
            lease.renewed = asked
        # Lost ones are told by the loop's own beat, which asks again.
        for name in told.called_off:
            if self._loop is not None and not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._in_flight.cancel, name)
