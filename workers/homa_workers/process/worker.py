"""One worker process: takes jobs, runs them on one event loop, keeps their leases.

1. `take` hands out jobs that may be called at once, up to the free slots; each becomes a task (`in_flight`).
2. When nothing may run, it says how long until something may; the worker sleeps for at most that, on its queues' bells.
3. The beat renews leases at a third of their time and tells the fleet that this worker lives (`heartbeat`).
4. The sweep does a slice of the fleet's housekeeping; any worker's will do.
5. Orders to this worker (cancel a job) arrive on a list of its own.
6. Draining: nothing more is taken, calls in flight finish. Stopping at once: they are cut, and what they may have cost
   stays open in the ledger while their jobs go on elsewhere. A worker that is killed does neither: its leases run out.

The delivery guarantee rests on 1 and 3: a job is leased in the same script that chose it, so there is no moment in
which it stands in no index; and only a lease that ran out on the store's clock gives it to somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import dramatiq
from dramatiq.middleware import MiddlewareError

from homa_shared.backoff import Backoff
from homa_shared.broker import COMPLETE, HomaBroker
from homa_shared.calls.failures import ProviderError
from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.model.ids import new_nonce, new_worker_id
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_shared.store.transitions.attempts import Claim, Taken, leave, take
from homa_shared.store.versions import own_versions, release
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.observe.attempt_log import Watch
from homa_workers.outcomes.outcomes import Deferred, Ended, Rerouted
from homa_workers.pipeline.pipeline import Pipeline
from homa_workers.process.actors import MessageRunner, is_async
from homa_workers.process.heartbeat import Duties
from homa_workers.process.in_flight import InFlight
from homa_workers.store_io.persist import NOT_HERE_MS, hand_back

#: Jobs at once where nothing else is said; sync actors alone are bound by their threads.
DEFAULT_CONCURRENCY = 200
#: Most jobs of one take: a script of a few milliseconds.
TAKE_AT_MOST = 50
#: Longest sleep, s: bells may be lost with the store, time is not.
LONGEST_SLEEP_S = 5.0
#: How much later than asked for the store may answer that no bell rang, s.
LATE_BELL_S = 2.0
#: Where quota opens job by job, several are taken together, s.
QUOTA_NAP_S = 0.02
#: A full worker lets freed slots gather for so long before it asks again, s.
GATHER_S = 0.005
#: A worker with fewer slots than these asks for each one at once.
GATHER_FROM = 16
#: What is cut is waited for so long, s: a sync actor can't be cut.
_CUT_S = 10.0
#: Pauses of a worker whose store does not answer.
_BACKOFF = Backoff(first_s=0.1, longest_s=2.0)


class HomaWorker(dramatiq.Worker):
    """A `dramatiq.Worker` that runs everything on one asyncio loop.

    `start`, `stop`, `pause`, `resume` and `join` are Dramatiq's, for programs and tests that embed a worker; `homa
    worker` awaits `serve` directly.

    Args:
        broker: actors, middleware, and the store's address.
        pipeline: calls this worker's provider, None for a worker of actors only.
        store: shared with other workers of the process; None makes one of its own.
        book: the fleet's settings, to be followed.
        provider: name of the account that it serves; its queue bears the name.
        queues: further queues; the broker's declared queues, and pools that the provider is in, are always served.
        concurrency: most jobs at once.
        lease_s: seconds after which a silent worker's jobs are given to others.
        worker_threads: threads for sync actors.
    """

    def __init__(
        self,
        broker: HomaBroker,
        *,
        pipeline: Pipeline | None = None,
        store: AsyncStore | None = None,
        book: FleetBook | None = None,
        watch: Watch | None = None,
        provider: str = "",
        queues: set[str] | None = None,
        concurrency: int | None = None,
        lease_s: float = 30.0,
        worker_threads: int = 8,
        worker_timeout: int = 1000,
        worker_id: str | None = None,
    ) -> None:
        super().__init__(broker, queues=queues, worker_threads=worker_threads, worker_timeout=worker_timeout)
        self.homa_broker = broker
        self.id = worker_id or new_worker_id(provider or "actors")
        self.provider = provider
        self.concurrency = concurrency or self._own_concurrency()
        self.lease_ms = round(lease_s * 1000)
        self.watch = watch or Watch(self.id)
        self._store = store
        self._pipeline = pipeline
        self._book = book
        self._extra_queues = queues or set()
        if provider:
            broker.declare_completion()
        self._freed = asyncio.Event()
        self._in_flight = InFlight(self.watch, self._freed.set)
        self._stopping = asyncio.Event()
        self._paused = False
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()

    def _own_concurrency(self) -> int:
        """A worker of sync actors takes no more than it has threads: the rest is left to others."""
        actors = self.homa_broker.actors.values()
        only_sync = not self.provider and not any(is_async(actor) for actor in actors)
        return self.worker_threads if only_sync else DEFAULT_CONCURRENCY

    # -- life cycle as Dramatiq has it -----------------------------------------------------------------------------

    def start(self) -> None:
        """Runs the worker in a thread of its own; returns when it takes."""
        self._thread = threading.Thread(target=self._run_thread, name="homa-worker", daemon=True)
        self._thread.start()
        self._ready.wait()

    def _run_thread(self) -> None:
        try:
            asyncio.run(self.serve())
        finally:
            self._ready.set()

    def stop(self, timeout: int = 600_000) -> None:
        """Drains: takes nothing more, waits up to `timeout` ms for what runs, then cuts it.

        A sync actor that still runs is left behind with its thread.
        """
        if self._thread is None:
            return
        self._call(self.drain)
        self._thread.join(timeout / 1000)
        if self._thread.is_alive():
            self._call(self.stop_now)
            self._thread.join(_CUT_S)

    def pause(self) -> None:
        """Takes nothing until `resume`; what runs goes on."""
        self._paused = True

    def resume(self) -> None:
        """Takes again."""
        self._paused = False
        self._call(self._freed.set)

    def join(self) -> None:
        """Waits until nothing runs and nothing waits on the broker's queues."""
        for queue in self.homa_broker.get_declared_queues():
            self.homa_broker.join(queue)

    def _call(self, function: Callable[[], Any]) -> None:
        if self._loop is not None:
            # A loop that has just closed has nothing left to stop or wake.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(function)

    def drain(self) -> None:
        """Stops taking; `serve` returns when what runs is through."""
        self._stopping.set()
        self._freed.set()

    def stop_now(self) -> None:
        """Cuts what runs, too. Jobs cut in mid-call go back to their queues with their cost open."""
        self.drain()
        self._in_flight.cut()

    @property
    def running(self) -> int:
        """Attempts in flight."""
        return len(self._in_flight)

    # -- the loop ---------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Works until `drain` or `stop_now`; cancelling it is `stop_now`, too."""
        self._loop = asyncio.get_running_loop()
        store = self._store or AsyncStore(self.homa_broker.address, self.homa_broker.namespace, role="worker")
        messages = MessageRunner(self.homa_broker, store, self.watch, threads=self.worker_threads)
        duties = self._duties(store)
        self.homa_broker.emit_before("worker_boot", self)
        duties.start()
        self.homa_broker.emit_after("worker_boot", self)
        self._ready.set()
        try:
            try:
                await self._take_until_stopped(store, messages)
                await self._in_flight.through()
            except asyncio.CancelledError:
                self.stop_now()
                await self._in_flight.through()
                raise
        finally:
            self.homa_broker.emit_before("worker_shutdown", self)
            await duties.stop()
            with contextlib.suppress(StoreUnavailable, StoreFull):
                await store.run(leave(store.keys, self.id))
            messages.close()
            if self._store is None:
                await store.aclose()
            self.homa_broker.emit_after("worker_shutdown", self)

    def queues_served(self) -> list[str]:
        """The provider's own queue first, then pools and actors' queues."""
        own = [self.provider] if self.provider else []
        pools = self._book.pools_of(self.provider) if self._book is not None and self.provider else ()
        others = self._extra_queues.union(self.homa_broker.get_declared_queues(), pools) - {self.provider}
        return own + sorted(others)

    async def know_pools(self) -> None:
        """Tells the store what this worker calls for each pool that it serves, as the settings stand now.

        Raises:
            StoreUnavailable: it cannot be told.
        """
        if self._book is not None:
            await self._book.ensure_plans(self._book.pools_of(self.provider))

    async def _take_until_stopped(self, store: AsyncStore, messages: MessageRunner) -> None:
        nonce, asked, failures = new_nonce(), time.monotonic(), 0
        while not self._stopping.is_set():
            slots = min(self.concurrency - len(self._in_flight), TAKE_AT_MOST)
            if slots <= 0 or self._paused:
                await self._until_freed(0.05 if self._paused else LONGEST_SLEEP_S)
                asked = time.monotonic()
                continue
            try:
                asking = asyncio.ensure_future(store.run(self._take(store, nonce, slots)))
                try:
                    taken = await asyncio.shield(asking)
                except asyncio.CancelledError:
                    await self._hand_all_back(asking, store, messages, asked)
                    raise
                for claim in taken.claims:
                    self._start(claim, store, messages, asked)
                moved = await self._divert(taken)
            except Exception as error:
                # The same nonce is asked again: if the answer was lost on its way, it is given again.
                self._tell(error)
                failures += 1
                await self._until_stopping(_BACKOFF.pause_s(failures))
                continue
            # Behind jobs that moved on there may be more, which would else wait as long as their target does.
            if len(taken.claims) < slots and not moved:
                await self._sleep(store, taken.wait_ms)
            nonce, asked, failures = new_nonce(), time.monotonic(), 0

    def _tell(self, error: Exception) -> None:
        if isinstance(error, StoreUnavailable | StoreFull):
            self.watch.store_away(error)
        else:
            self.watch.unexpected(None, error)

    def _take(self, store: AsyncStore, nonce: str, slots: int) -> Op[Taken]:
        return take(
            store.keys,
            worker=self.id,
            nonce=nonce,
            slots=slots,
            lease_ms=self.lease_ms,
            provider=self.provider,
            suspects=self._in_flight.suspects,
            queues=self.queues_served(),
        )

    def _start(self, claim: Claim, store: AsyncStore, messages: MessageRunner, asked: float) -> None:
        if claim.name in self._in_flight:
            return
        if self._stopping.is_set():
            # Asked for before the order to stop came: it has not been sent, so that nobody needs to wait for it.
            work = hand_back(store, claim, self.watch)
        elif claim.version > own_versions().record:
            self.watch.too_new(claim)
            work = hand_back(store, claim, self.watch, delay_ms=NOT_HERE_MS)
        elif claim.kind == "m":
            work = messages.run(claim)
        elif self._pipeline is None:
            work = hand_back(store, claim, self.watch, delay_ms=NOT_HERE_MS)
        else:
            work = self._job(claim, self._pipeline)
        self._in_flight.start(claim, work, asked)

    async def _hand_all_back(
        self, asking: asyncio.Future[Taken], store: AsyncStore, messages: MessageRunner, asked: float
    ) -> None:
        """Jobs handed out while this worker is cancelled: nobody else would know that they were not sent."""
        self._stopping.set()
        with contextlib.suppress(Exception):
            for claim in (await asking).claims:
                self._start(claim, store, messages, asked)

    async def _job(self, claim: Claim, pipeline: Pipeline) -> None:
        if not self.homa_broker.watched:
            await pipeline.run(claim)
            return
        # As middleware sees it, a job is a message to one actor.
        message = dramatiq.Message[None](claim.queue, COMPLETE, (), {}, {}, message_id=claim.id)
        proxy = dramatiq.broker.MessageProxy(message)
        with contextlib.suppress(MiddlewareError):
            # Middleware watches jobs; it can't skip one that is leased and paid for.
            self.homa_broker.emit_before("process_message", proxy)
        error: ProviderError | None = None
        match await pipeline.run(claim):
            case Deferred(error) | Rerouted(error) | Ended(error):
                self.homa_broker.emit_after("process_message", proxy, exception=error)
            case _:
                self.homa_broker.emit_after("process_message", proxy, result=None)

    async def _divert(self, taken: Taken) -> bool:
        """Sends jobs on whose targets are out of reach; true when one of them had somewhere to go."""
        if not taken.diverts or self._pipeline is None:
            return False
        with contextlib.suppress(StoreUnavailable, StoreFull):
            return any(await asyncio.gather(*(self._pipeline.divert(why, claim) for why, claim in taken.diverts)))
        return False

    # -- waiting ----------------------------------------------------------------------------------------------------

    async def _sleep(self, store: AsyncStore, wait_ms: int | None) -> None:
        """Until something may run: a while, or until a bell rings."""
        wait_s = LONGEST_SLEEP_S if wait_ms is None else min(wait_ms / 1000, LONGEST_SLEEP_S)
        if wait_s <= 4 * QUOTA_NAP_S:
            await self._until_stopping(max(wait_s, QUOTA_NAP_S))
            return
        bells = [store.keys.bell(queue) for queue in self.queues_served()]
        ringing = asyncio.create_task(store.wait("BLPOP", *bells, f"{wait_s:.3f}"))
        stopping = asyncio.create_task(self._stopping.wait())
        # A bell's reply may be lost on a connection that stays open: then nobody would ever wake this worker.
        await asyncio.wait([ringing, stopping], timeout=wait_s + LATE_BELL_S, return_when=asyncio.FIRST_COMPLETED)
        for waiting in (ringing, stopping):
            waiting.cancel()
        answers = await asyncio.gather(ringing, stopping, return_exceptions=True)
        if isinstance(answers[0], Exception):
            self._tell(answers[0])
            await self._until_stopping(_BACKOFF.first_s)

    async def _until_freed(self, longest_s: float) -> None:
        self._freed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._freed.wait()
        if self.concurrency >= GATHER_FROM:
            await asyncio.sleep(GATHER_S)

    async def _until_stopping(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    # -- duties -----------------------------------------------------------------------------------------------------

    def _duties(self, store: AsyncStore) -> Duties:
        return Duties(
            store,
            self.id,
            self.lease_ms,
            self._in_flight,
            self.watch,
            book=self._book,
            recent=None if self._pipeline is None else self._pipeline.recent,
            chores=() if self._pipeline is None else self._pipeline.chores,
            facts=self._facts,
            obey=self._carry_out,
        )

    def _facts(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "queues": self.queues_served(),
            "concurrency": self.concurrency,
            "running": len(self._in_flight),
            "taken": self._in_flight.started,
            "ended": self._in_flight.ended,
            "draining": self._stopping.is_set(),
            "reads": own_versions().facts(),
            "release": release(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }

    def _carry_out(self, order: str) -> None:
        """An order: `cancel job attempt`."""
        verb, job_id, attempt = order.split(" ")
        running = self._in_flight.find(f"{job_id}:{attempt}")
        if verb == "cancel" and running is not None and running.claim.kind == "j" and self._pipeline is not None:
            self._pipeline.cancel(running.task, running.claim)
