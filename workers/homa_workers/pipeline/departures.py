"""Calls that cannot leave at once: what was reserved for them goes back, and is reserved anew when they can.

Whoever counts at the provider counts when a call arrives. A reservation of five seconds ago has been refilled since, so
that calls which waited together and leave together would be more than the limit allows. What take reserves is therefore
good for a call that leaves at once; one that waits (for the first call of its prefix, for media, for a hook) stands by.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

from homa_shared.store.client import AsyncStore
from homa_shared.store.transitions.steps import stand_by
from homa_workers.attempt import RunningAttempt
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.outcomes.halting import stopped_before_call, waiting
from homa_workers.store_io.persist import persist

T = TypeVar("T")

#: How old a reservation may be when its call leaves, s: a tenth of the burst that the limiter allows.
AT_ONCE_S = 0.05
#: How old one may be where nothing was waited for, s. A process that was stopped, or a machine that slept, would send
#: what it took before as though no time had passed; by then its lease may be another worker's. A loop that is merely
#: busy need not ask again.
STALE_S = 5.0
#: How long one waits with its slots held for others of its target that stood by, s; then its job waits in its queue.
PATIENCE_S = 5.0


class Departures:
    """Reservations of one worker's calls that are held up.

    Args:
        store: takes them back.
        log: told of an absent store, and whose worker this is.
        reserve: reserves for an attempt's call anew.
    """

    def __init__(self, store: AsyncStore, log: WorkerLog, reserve: Callable[[RunningAttempt], Awaitable[None]]) -> None:
        self._store, self._log, self._reserve = store, log, reserve
        #: Of those that wait for a target's quota one asks; a thousand would keep the store busy with asking.
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def in_time(self, attempt: RunningAttempt, work: Awaitable[T]) -> T:
        """Work before a call, whose reservation goes back where that takes longer than a moment."""
        timer = self.watch(attempt)
        try:
            return await work
        finally:
            timer.cancel()

    def watch(self, attempt: RunningAttempt) -> asyncio.TimerHandle:
        """Gives a call's reservation back after a moment, unless what is returned is cancelled before."""
        return asyncio.get_running_loop().call_later(AT_ONCE_S, self._stand_by, attempt)

    def may_leave(self, attempt: RunningAttempt) -> bool:
        """Whether a call may be made with what is reserved for it; else it has to `leave` first."""
        return attempt.is_reserved and monotonic() - attempt.reserved_s < STALE_S

    async def leave(self, attempt: RunningAttempt) -> None:
        """Returns when a call that stood by, or whose reservation is too old, may be made.

        Raises:
            Halted: there is no room for it yet, so that its job waits in its queue; or it may never be made.
        """
        target = attempt.claim.target
        self._stand_by(attempt)
        try:
            if attempt.giving_back is not None:
                await asyncio.shield(attempt.giving_back)
            async with asyncio.timeout(PATIENCE_S):
                await self._turns[target].acquire()
        except TimeoutError:
            raise waiting("waiting", f"its call stood by, and others wait for the quota of {target}") from None
        except asyncio.CancelledError:
            raise stopped_before_call(attempt) from None
        try:
            await self._reserve(attempt)
        finally:
            self._turns[target].release()

    def _stand_by(self, attempt: RunningAttempt) -> None:
        if attempt.is_reserved and not attempt.is_over:
            attempt.is_reserved = False
            attempt.giving_back = asyncio.get_running_loop().create_task(self._give_back(attempt))

    async def _give_back(self, attempt: RunningAttempt) -> None:
        await persist(self._store, stand_by(self._store.keys, attempt.key, worker=self._log.worker), self._log)
