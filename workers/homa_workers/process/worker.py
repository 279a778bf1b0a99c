"""One worker process: takes jobs, runs them on one event loop, keeps their leases.

1. `take` hands out jobs that may be called at once, up to the free slots (`take_loop`); each becomes a task
   (`dispatch`, `in_flight`).
2. When nothing may run, it says how long until something may; the worker sleeps for at most that, on its queues' bells
   (`waiting`).
3. The beat renews leases at a third of their time and tells the fleet that this worker lives (`heartbeat`).
4. The sweep does a slice of the fleet's housekeeping; any worker's will do.
5. Orders to this worker (cancel a job) arrive on a list of its own (`heartbeat`).
6. Draining: nothing more is taken, calls in flight finish. Stopping at once: they are cut, and what they may have cost
   stays open in the ledger while their jobs go on elsewhere. A worker that is killed does neither: its leases run out.

The delivery guarantee rests on 1 and 3: a job is leased in the same script that chose it, so there is no moment in
which it stands in no index; and only a lease that ran out on the store's clock gives it to somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import structlog

from homa_shared.broker import HomaBroker
from homa_shared.model.constants import LEASE_MS
from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.model.ids import new_worker_id
from homa_shared.store.client import AsyncStore
from homa_shared.store.errors import NO_KEYS
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op
from homa_shared.store.transitions.attempts import Taken, leave, take
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.middleware.base import Chore
from homa_workers.observe import sentry
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.pipeline.pipeline import Pipeline
from homa_workers.process import own_queues
from homa_workers.process.actors import MessageRunner
from homa_workers.process.dispatch import Dispatcher
from homa_workers.process.facts import process_facts
from homa_workers.process.heartbeat import Heartbeat
from homa_workers.process.in_flight import InFlight
from homa_workers.process.life_cycle import ThreadedWorker
from homa_workers.process.own_queues import OwnQueues
from homa_workers.process.sync_queues import SyncQueues
from homa_workers.process.take_loop import TAKE_AT_MOST, Room, TakeLoop
from homa_workers.process.uncalled_hooks import uncalled_hooks
from homa_workers.process.waiting import Waiting
from homa_workers.schedules.ticker import Ticker

log = structlog.get_logger("homa.actor")

#: Jobs at once where nothing else is said; sync actors are bound by their threads.
DEFAULT_CONCURRENCY = 1000
#: How often a worker without keys says why it gets nothing to do, s.
_KEYLESS_S = 60.0
#: Threads for sync actors, as in Dramatiq.
DEFAULT_THREADS = 8


class HomaWorker(ThreadedWorker):
    """A `dramatiq.Worker` that runs everything on one asyncio loop.

    `start`, `stop`, `pause`, `resume` and `join` are Dramatiq's, for programs and tests that embed a worker; `homa
    worker` awaits `serve` directly.

    Args:
        broker: actors, middleware, and the store's address.
        pipeline: calls this worker's provider, None for a worker of actors only.
        store: shared with other workers of the process; None makes one of its own.
        book: the fleet's settings, to be followed.
        log: of this worker.
        provider: name of the account that it serves, and of that account's queue.
        queues: further queues. A worker with a provider serves its queue and those of the pools that it is in, one
            without serves the broker's declared queues.
        concurrency: most jobs at once.
        lease_s: seconds after which a silent worker's jobs are given to others.
        worker_threads: threads for sync actors; no more of them are taken.
        boots: tells middleware of its beginning and end, as one worker of a process does.
        takes: whether it takes jobs, or does what a fleet without other workers needs: housekeeping and deliveries.
        waiting: what it sleeps by.
        own: what does the messages of Homa's own queues, once the fleet has those.
        chores: what else it does every so many seconds, where it boots.
    """

    def __init__(
        self,
        broker: HomaBroker,
        *,
        pipeline: Pipeline | None = None,
        store: AsyncStore | None = None,
        book: FleetBook | None = None,
        log: WorkerLog | None = None,
        provider: str = "",
        queues: set[str] | None = None,
        concurrency: int | None = None,
        lease_s: float = LEASE_MS / 1000,
        worker_threads: int = DEFAULT_THREADS,
        boots: bool = True,
        takes: bool = True,
        worker_timeout: int = 1000,
        worker_id: str | None = None,
        waiting: Waiting | None = None,
        own: OwnQueues = MappingProxyType({}),
        chores: Sequence[Chore] = (),
    ) -> None:
        super().__init__(
            broker, queues=queues, worker_threads=worker_threads, worker_timeout=worker_timeout, waiting=waiting
        )
        self.id = log.worker if log else worker_id or new_worker_id(provider or "actors")
        self.provider = provider
        self.concurrency = concurrency or DEFAULT_CONCURRENCY
        self._boots = boots
        self.takes = takes
        self._beat: Heartbeat | None = None
        self._sync_queues = SyncQueues(broker)
        self.lease_ms = round(lease_s * 1000)
        self.log = log or WorkerLog(self.id, [sentry.unexpected])
        self._store = store
        self._pipeline = pipeline
        self._book = book
        self._own = own
        self._chores = chores
        self._extra_queues = queues or set()
        if provider:
            broker.declare_completion()
        self._in_flight = InFlight(self.log, self._waiting.slot_freed)

    @property
    def running(self) -> int:
        """Attempts in flight."""
        return len(self._in_flight)

    @property
    def bounds_nano(self) -> int:
        """Nano-dollars reserved in budgets for the attempts in flight."""
        return self._in_flight.bounds_nano()

    @property
    def is_draining(self) -> bool:
        """Whether it takes nothing more."""
        return self._waiting.is_stopping

    @property
    def beaten_s(self) -> float | None:
        """When the store last took its heartbeat, on this process's clock (s); None before the first."""
        return None if self._beat is None else self._beat.beaten_s

    def drain(self) -> None:
        super().drain()
        if self._pipeline is not None:
            self._pipeline.group.stop_gathering()

    def stop_now(self) -> None:
        self.drain()
        self._in_flight.cut()

    async def serve(self) -> None:
        self._begin()
        store = self._store or AsyncStore(self.homa_broker.address, self.homa_broker.namespace, role="worker")
        messages = MessageRunner(self.homa_broker, store, self.log, threads=self.worker_threads)
        heartbeat = self._beat = self._heartbeat(store)
        if self._boots:
            self._tell_uncalled_hooks()
            await self._hooks(self.homa_broker.emit_before, "worker_boot")
        heartbeat.start()
        try:
            if self._boots:
                await self._hooks(self.homa_broker.emit_after, "worker_boot")
            self._ready.set()
            await self._work(store, messages)
        finally:
            await heartbeat.stop()
            await messages.aclose()
            await self._leave(store)
            if self._boots:
                await self._hooks(self.homa_broker.emit_after, "worker_shutdown")

    async def _hooks(self, emit: Callable[..., None], signal: str) -> None:
        """Hooks of middleware, in a thread: Dramatiq knows no event loop, and what they use may refuse one."""
        await asyncio.to_thread(emit, signal, self)

    def _tell_uncalled_hooks(self) -> None:
        for middleware, hook, reason in uncalled_hooks(self.homa_broker.middleware):
            log.warning("middleware.hook_never_called", middleware=middleware, hook=hook, reason=reason)

    async def _work(self, store: AsyncStore, messages: MessageRunner) -> None:
        """Takes until the order to stop, then waits for what runs."""
        try:
            try:
                await self._take_loop(store, messages).run()
            finally:
                try:
                    if self._boots:
                        await self._hooks(self.homa_broker.emit_before, "worker_shutdown")
                finally:
                    messages.notify_shutdown()
            await self._in_flight.through()
        except asyncio.CancelledError:
            self.stop_now()
            await self._in_flight.through()
            raise

    async def _leave(self, store: AsyncStore) -> None:
        with contextlib.suppress(StoreUnavailable, StoreFull):
            await store.run(leave(store.keys, self.id))
        if self._store is None:
            await store.aclose()

    def _take_loop(self, store: AsyncStore, messages: MessageRunner) -> TakeLoop:
        def ask(nonce: str, room: Room) -> Op[Taken]:
            return take(
                store.keys,
                worker=self.id,
                nonce=nonce,
                slots=room.slots,
                lease_ms=self.lease_ms,
                provider=self.provider,
                suspects=self._in_flight.suspects,
                queues=room.queues,
                settings=0 if self._book is None else self._book.fleet.version,
            )

        running, waiting = self._in_flight, self._waiting
        dispatcher = Dispatcher(
            store, self.homa_broker, messages, self._pipeline, running, waiting, self.log, self._own
        )
        follow = None if self._book is None else self._book.follow

        def room() -> Room:
            return self._room(messages)

        return TakeLoop(store, ask, room, self.concurrency, dispatcher, running, waiting, self.log, follow)

    def _room(self, messages: MessageRunner) -> Room:
        """Sync actors are taken up to the free threads: the rest is left to other workers."""
        slots = min(self.concurrency + own_queues.running(self._own) - len(self._in_flight), TAKE_AT_MOST)
        served = self.queues_served()
        full = own_queues.is_any_full(self._own, served)
        queues = own_queues.without_full(self._own, served) if full else served
        if not queues:
            return Room(0, queues)
        if self.provider or not (sync := self._sync_queues.among(queues)):
            return Room(slots, queues, by_own=full)
        if messages.free_threads > 0:
            return Room(min(slots, messages.free_threads), queues, by_threads=True, by_own=full)
        rest = [queue for queue in queues if queue not in sync]
        return Room(slots if rest else 0, rest, by_threads=True, by_own=full)

    def queues_served(self) -> list[str]:
        """The provider's own queue first, then its pools; of a worker without one, the actors' queues."""
        if not self.takes:
            return sorted(self._extra_queues)
        if not self.provider:
            return sorted(self._extra_queues | self.homa_broker.get_declared_queues())
        pools = self._book.pools_of(self.provider) if self._book is not None else ()
        return [self.provider, *sorted(self._extra_queues.union(pools) - {self.provider})]

    async def know_pools(self) -> None:
        """Tells the store what this worker calls for each pool that it serves, as the settings stand now.

        Raises:
            StoreUnavailable: it cannot be told.
        """
        if self._book is not None:
            await self._book.ensure_plans(self._book.pools_of(self.provider))

    def _heartbeat(self, store: AsyncStore) -> Heartbeat:
        chores = () if self._pipeline is None else self._pipeline.middleware.chores
        return Heartbeat(
            store,
            self.lease_ms,
            self._in_flight,
            self.log,
            book=self._book,
            recent=None if self._pipeline is None else self._pipeline.recent,
            chores=[*self._chores, *chores, *self._key_chore(store.keys)],
            facts=partial(self._facts, store.keys),
            ticker=Ticker(store, self.id, self.lease_ms, serves=self._serve_own) if self._boots else None,
        )

    def _key_chore(self, keys: Keys) -> list[Chore]:
        """What tells of a fleet that requires encryption, of a worker that has no keys: it gets nothing to do."""

        async def look() -> None:
            if self._book is not None and self._book.fleet.encryption_required:
                log.error(
                    "worker.without_keys", what=f"the fleet requires encryption, nothing is handed out: {NO_KEYS}"
                )

        return [Chore(_KEYLESS_S, look)] if keys.cipher is None else []

    def _serve_own(self, queues: frozenset[str]) -> None:
        """Queues more, which a fleet that has none of them is not asked for."""
        if fresh := (queues & self._own.keys()) - self._extra_queues:
            self._extra_queues = self._extra_queues | fresh
            self._waiting.freed.set()

    def _facts(self, keys: Keys) -> dict[str, Any]:
        sealing = {} if keys.cipher is None else {"encryption": keys.cipher.keyring.checks}
        return {
            "provider": self.provider,
            "queues": self.queues_served(),
            "concurrency": self.concurrency,
            "running": len(self._in_flight),
            "taken": self._in_flight.started,
            "ended": self._in_flight.ended,
            "typical_s": round(self._in_flight.typical_s, 3),
            "draining": self.is_draining,
            **sealing,
            **process_facts(),
        }
