"""One worker process: takes jobs, runs them on one event loop, keeps their leases.

1. `take` hands out jobs that may be called at once, up to the free slots; each becomes a task.
2. When nothing may run, it says how long until something may; the worker sleeps for at most that, on its queues' bells.
3. The beat renews leases at a third of their time and tells the fleet that this worker lives.
4. The sweep does a slice of the fleet's housekeeping; any worker's will do.
5. Orders to this worker (cancel a job) arrive on a list of its own.
6. Draining: nothing more is taken, calls in flight finish. Stopping at once: they are cut, and what they may have cost
   stays open in the ledger while their jobs go on elsewhere. A worker that is killed does neither: its leases run out.

The delivery guarantee rests on 1 and 3: a job is leased in the same script that chose it, so there is no moment in which it
stands in no index; and only a lease that ran out on the store's clock gives it to somebody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import dramatiq

from homa_shared.broker import HomaBroker
from homa_shared.errors import HomaError, StoreFull, StoreUnavailable
from homa_shared.ids import new_nonce, new_worker_id
from homa_shared.store.client import AsyncStore
from homa_shared.store.working import Claim, Taken, leave, renew, sweep, take
from homa_workers.book import FleetBook
from homa_workers.messages import MessageRunner
from homa_workers.pipeline import Pipeline
from homa_workers.watching import Watch

#: Most jobs of one take: a script of a few milliseconds.
TAKE_AT_MOST = 50
#: Longest sleep, s: bells may be lost with the store, time is not.
LONGEST_SLEEP_S = 5.0
#: Where quota opens job by job, several are taken together, s.
QUOTA_NAP_S = 0.02
#: A full worker lets freed slots gather for so long before it asks again, s.
GATHER_S = 0.005
BEAT_S = 1.0
SWEEP_SLICE = 200
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 2.0

#: The actor that all jobs are messages to, as middleware sees it.
COMPLETE = "homa.complete"


@dataclass(slots=True)
class _Running:
    claim: Claim
    task: asyncio.Task[None]
    renewed: float = field(default_factory=time.monotonic)


class HomaWorker(dramatiq.Worker):
    """A `dramatiq.Worker` that runs everything on one asyncio loop.

    `start`, `stop`, `pause`, `resume` and `join` are Dramatiq's, for programs and tests that embed a worker; `homa worker`
    awaits `serve` directly.

    Args:
        broker: actors, middleware, and the store's address.
        pipeline: makes the pipeline of this worker's provider, None for a worker of actors only.
        provider: name of the account that it serves; its queue bears the name.
        queues: further queues, such as pools; the broker's declared queues are always served.
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
        concurrency: int = 200,
        lease_s: float = 30.0,
        worker_threads: int = 8,
        worker_timeout: int = 1000,
        worker_id: str | None = None,
    ) -> None:
        super().__init__(broker, queues=queues, worker_threads=worker_threads, worker_timeout=worker_timeout)
        self.homa_broker = broker
        self.id = worker_id or new_worker_id(provider or "actors")
        self.provider = provider
        self.concurrency = concurrency
        self.lease_ms = round(lease_s * 1000)
        self.watch = watch or Watch(self.id)
        self._store = store
        self._pipeline = pipeline
        self._book = book
        self._extra_queues = queues or set()
        if provider:
            _declare_completion(broker, provider)
        self._running: dict[str, _Running] = {}
        self._freed = asyncio.Event()
        self._stopping = asyncio.Event()
        self._paused = False
        self._taken = 0
        self._ended = 0
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()

    def adopt(self, pipeline: Pipeline) -> None:
        """Gives the worker its pipeline, which reports under the worker's id."""
        self._pipeline = pipeline

    # -- life cycle as Dramatiq has it -----------------------------------------------------------------------------

    def start(self) -> None:
        """Runs the worker in a thread of its own."""
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve()), name="homa-worker", daemon=True)
        self._thread.start()
        self._ready.wait()

    def stop(self, timeout: int = 600_000) -> None:
        """Drains: takes nothing more, waits up to `timeout` ms for what runs, then cuts it."""
        if self._thread is None or self._loop is None:
            return
        self._call(self.drain)
        self._thread.join(timeout / 1000)
        if self._thread.is_alive():
            self._call(self.stop_now)
            self._thread.join()

    def pause(self) -> None:
        """Takes nothing until `resume`; what runs goes on."""
        self._paused = True

    def resume(self) -> None:
        self._paused = False
        self._call(self._freed.set)

    def join(self) -> None:
        """Waits until nothing runs here and nothing waits on the broker's queues."""
        for queue in self.homa_broker.get_declared_queues():
            self.homa_broker.join(queue)

    def _call(self, function: Any) -> None:
        if self._loop is not None and not self._loop.is_closed():
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(function)

    def drain(self) -> None:
        """Stops taking; `serve` returns when what runs is through."""
        self._stopping.set()
        self._freed.set()

    def stop_now(self) -> None:
        """Cuts what runs, too. Jobs cut in mid-call go back to their queues with their cost open."""
        self.drain()
        for running in list(self._running.values()):
            running.task.cancel()

    # -- the loop ---------------------------------------------------------------------------------------------------

    async def serve(self) -> None:
        """Works until `drain` or `stop_now`."""
        self._loop = asyncio.get_running_loop()
        store = self._store or AsyncStore(self.homa_broker.address, self.homa_broker.namespace, role="worker")
        messages = MessageRunner(self.homa_broker, store, self.watch, threads=self.worker_threads)
        self.homa_broker.emit_before("worker_boot", self)
        duties = [
            asyncio.create_task(self._duty(self._beat(store))),
            asyncio.create_task(self._duty(self._sweep(store))),
            asyncio.create_task(self._duty(self._obey(store))),
        ]
        self.homa_broker.emit_after("worker_boot", self)
        self._ready.set()
        try:
            await self._take_until_stopped(store, messages)
            await self._finish()
        finally:
            self.homa_broker.emit_before("worker_shutdown", self)
            for duty in duties:
                duty.cancel()
            await asyncio.gather(*duties, return_exceptions=True)
            with contextlib.suppress(StoreUnavailable, StoreFull):
                await store.run(leave(store.keys, self.id))
            messages.close()
            if self._store is None:
                await store.aclose()
            self.homa_broker.emit_after("worker_shutdown", self)

    def queues_served(self) -> list[str]:
        """The provider's own queue first, then pools and actors' queues."""
        own = [self.provider] if self.provider else []
        others = (self._extra_queues | self.homa_broker.get_declared_queues()) - {self.provider}
        return own + sorted(others)

    async def _take_until_stopped(self, store: AsyncStore, messages: MessageRunner) -> None:
        nonce, pause_s = new_nonce(), _FIRST_PAUSE_S
        while not self._stopping.is_set():
            slots = min(self.concurrency - len(self._running), TAKE_AT_MOST)
            if slots <= 0 or self._paused:
                await self._until_freed(0.05 if self._paused else LONGEST_SLEEP_S)
                continue
            try:
                taken = await store.run(self._take(store, nonce, slots))
            except (StoreUnavailable, StoreFull) as error:
                # The same nonce is asked again: if the answer was lost on its way, it is given again.
                self.watch.store_away(error)
                await self._until_stopping(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)
                continue
            nonce, pause_s = new_nonce(), _FIRST_PAUSE_S
            for claim in taken.claims:
                self._start(claim, store, messages)
            await self._divert(taken)
            if len(taken.claims) < slots and not self._stopping.is_set():
                await self._sleep(store, taken.wait_ms)

    def _take(self, store: AsyncStore, nonce: str, slots: int) -> Any:
        suspects = sum(running.claim.expired_leases > 1 for running in self._running.values())
        return take(
            store.keys,
            worker=self.id,
            nonce=nonce,
            slots=slots,
            lease_ms=self.lease_ms,
            provider=self.provider,
            suspects=suspects,
            queues=self.queues_served(),
        )

    def _start(self, claim: Claim, store: AsyncStore, messages: MessageRunner) -> None:
        if claim.name in self._running:
            return
        self._taken += 1
        work = messages.run(claim) if claim.kind == "m" else self._job(claim)
        task = asyncio.create_task(self._guarded(claim, work), name=claim.name)
        self._running[claim.name] = _Running(claim, task)

    async def _job(self, claim: Claim) -> None:
        assert self._pipeline is not None, "a worker without a provider takes only messages"
        if not self.homa_broker.watched:
            await self._pipeline.run(claim)
            return
        message = dramatiq.Message[None](claim.queue, COMPLETE, (), {}, {}, message_id=claim.id)
        proxy = dramatiq.broker.MessageProxy(message)
        self.homa_broker.emit_before("process_message", proxy)
        await self._pipeline.run(claim)
        self.homa_broker.emit_after("process_message", proxy, result=None)

    async def _guarded(self, claim: Claim, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            pass
        except Exception as error:
            self.watch.unexpected(claim, error)
        finally:
            self._running.pop(claim.name, None)
            self._ended += 1
            self._freed.set()

    async def _divert(self, taken: Taken) -> None:
        if taken.diverts and self._pipeline is not None:
            with contextlib.suppress(StoreUnavailable, StoreFull):
                await asyncio.gather(*(self._pipeline.divert(why, claim) for why, claim in taken.diverts))

    async def _finish(self) -> None:
        while self._running:
            await asyncio.wait([running.task for running in self._running.values()])

    # -- waiting ----------------------------------------------------------------------------------------------------

    async def _sleep(self, store: AsyncStore, wait_ms: int | None) -> None:
        """Until something may run: a while, or until a bell rings."""
        wait_s = LONGEST_SLEEP_S if wait_ms is None else min(wait_ms / 1000, LONGEST_SLEEP_S)
        if wait_s <= 4 * QUOTA_NAP_S:
            await self._until_stopping(max(wait_s, QUOTA_NAP_S))
            return
        bells = [store.keys.bell(queue) for queue in self.queues_served()]
        ringing = asyncio.create_task(self._listen(store, bells, wait_s))
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait([ringing, stopping], return_when=asyncio.FIRST_COMPLETED)
        for waiting in (ringing, stopping):
            waiting.cancel()
        await asyncio.gather(ringing, stopping, return_exceptions=True)

    async def _listen(self, store: AsyncStore, bells: list[str], wait_s: float) -> None:
        try:
            await store.wait("BLPOP", *bells, f"{wait_s:.3f}")
        except (StoreUnavailable, StoreFull) as error:
            self.watch.store_away(error)
            await asyncio.sleep(_FIRST_PAUSE_S)

    async def _until_freed(self, longest_s: float) -> None:
        self._freed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._freed.wait()
        if self.concurrency > 16:
            await asyncio.sleep(GATHER_S)

    async def _until_stopping(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    # -- duties -----------------------------------------------------------------------------------------------------

    async def _duty(self, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # Without its beat a worker would lose its jobs one by one: better to drain and say so.
            self.watch.unexpected(None, error)
            self.drain()

    async def _beat(self, store: AsyncStore) -> None:
        while True:
            now = time.monotonic()
            third_s = self.lease_ms / 3000
            ripe = [running for running in self._running.values() if now - running.renewed >= third_s]
            try:
                await store.run(
                    renew(
                        store.keys,
                        worker=self.id,
                        lease_ms=self.lease_ms,
                        facts=self._facts(),
                        attempts=[running.claim.name for running in ripe],
                    )
                )
                for running in ripe:
                    running.renewed = now
                if self._book is not None:
                    await self._book.refresh()
            except (StoreUnavailable, StoreFull) as error:
                self.watch.store_away(error)
            except HomaError as error:
                self.watch.unexpected(None, error)
            await asyncio.sleep(min(BEAT_S, third_s))

    def _facts(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "queues": self.queues_served(),
            "concurrency": self.concurrency,
            "running": len(self._running),
            "taken": self._taken,
            "ended": self._ended,
            "draining": self._stopping.is_set(),
            "host": socket.gethostname(),
            "pid": os.getpid(),
        }

    async def _sweep(self, store: AsyncStore) -> None:
        while True:
            more = False
            with contextlib.suppress(StoreUnavailable, StoreFull):
                more = await store.run(sweep(store.keys, slice_size=SWEEP_SLICE, lease_ms=self.lease_ms))
            await asyncio.sleep(0.01 if more else BEAT_S)

    async def _obey(self, store: AsyncStore) -> None:
        """Orders: `cancel job attempt`."""
        key = store.keys.control(self.id)
        while True:
            try:
                reply = await store.wait("BLPOP", key, LONGEST_SLEEP_S)
            except (StoreUnavailable, StoreFull):
                await asyncio.sleep(_FIRST_PAUSE_S)
                continue
            if reply is not None:
                self._carry_out(reply[1].decode())

    def _carry_out(self, order: str) -> None:
        verb, job_id, attempt = order.split(" ")
        running = self._running.get(f"{job_id}:{attempt}")
        if verb == "cancel" and running is not None and self._pipeline is not None:
            self._pipeline.cancel(running.task, running.claim)




def _declare_completion(broker: HomaBroker, queue: str) -> None:
    """Middleware may look up the actor of any message that it is shown."""
    if COMPLETE not in broker.actors:
        dramatiq.Actor(
            _complete, broker=broker, actor_name=COMPLETE, queue_name=queue, priority=0, options={"max_retries": 0}
        )


def _complete() -> None:
    raise RuntimeError(f"{COMPLETE} is run by HomaWorker's pipeline; submit jobs with homa.Homa, not as messages")
