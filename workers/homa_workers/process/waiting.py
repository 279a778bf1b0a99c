"""What a worker waits for between two takes: a slot, a bell, a while, the order to stop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from homa_shared.model.constants import OWN_QUEUES
from homa_shared.store.client import AsyncStore
from homa_shared.store.transitions.attempts import Claim

#: Longest sleep, s: bells may be lost with the store, time is not.
LONGEST_SLEEP_S = 5.0
#: How much later than asked for the store may answer that no bell rang, s.
LATE_BELL_S = 2.0
#: Where quota opens job by job, several are taken together, s.
QUOTA_NAP_S = 0.02
#: Over shorter waits than this a worker does not listen for bells, s.
LONGEST_NAP_S = 4 * QUOTA_NAP_S
#: How often a paused worker looks whether it may take again, s.
_PAUSED_NAP_S = 0.05


class Waiting:
    """Whether a worker is to stop or to pause, and its sleep."""

    def __init__(self) -> None:
        self.freed = asyncio.Event()
        #: Set when an attempt is over that had reserved tokens: what it did not use has come back by then.
        self.refunded = asyncio.Event()
        #: Set when a message of a queue of Homa's own is over.
        self.own_over = asyncio.Event()
        self.is_paused = False
        self._stopping = asyncio.Event()

    @property
    def is_stopping(self) -> bool:
        return self._stopping.is_set()

    def stop(self) -> None:
        """Nothing more is to be taken; whoever waits is woken."""
        self._stopping.set()
        self.freed.set()

    def slot_freed(self, claim: Claim) -> None:
        """An attempt is over."""
        self.freed.set()
        if any(claim.tokens):
            self.refunded.set()
        if claim.queue in OWN_QUEUES:
            self.own_over.set()

    async def for_slot(self, gather_s: float) -> None:
        """Until an attempt is over, or a while.

        Args:
            gather_s: how long further slots may gather then.
        """
        self.freed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PAUSED_NAP_S if self.is_paused else LONGEST_SLEEP_S):
                await self.freed.wait()
        if gather_s:
            await asyncio.sleep(gather_s)

    async def for_stop(self, longest_s: float | None) -> None:
        """Until the order to stop, or a while; None: however long that is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(longest_s):
                await self._stopping.wait()

    async def for_bell(
        self,
        store: AsyncStore,
        queues: Sequence[str],
        wait_ms: int | None,
        *,
        or_slot: bool = False,
        or_own: bool = False,
    ) -> None:
        """Until something may run: a while, or until a bell rings or reserved tokens came back.

        Most answers are far shorter than the output cap that was reserved for them. Quota that comes back opens earlier
        than was said, and what is not taken in time is lost.

        Args:
            wait_ms: the while; None where nothing waits.
            or_slot: an attempt that is over ends the sleep, too.
            or_own: so does a message of Homa's own that is over.

        Raises:
            Exception: whatever the store answered in place of a bell.
        """
        wait_s = LONGEST_SLEEP_S if wait_ms is None else min(wait_ms / 1000, LONGEST_SLEEP_S)
        if wait_s <= LONGEST_NAP_S:
            await self.for_stop(max(wait_s, QUOTA_NAP_S))
            return
        bells = [store.keys.bell(queue) for queue in queues]
        ringing = asyncio.create_task(store.wait("BLPOP", *bells, f"{wait_s:.3f}"))
        stopping = asyncio.create_task(self._stopping.wait())
        waits = [ringing, stopping]
        if wait_ms is not None:
            waits.append(asyncio.create_task(self._for_refund()))
        if or_slot:
            waits.append(asyncio.create_task(self.freed.wait()))
        if or_own:
            waits.append(asyncio.create_task(self.own_over.wait()))
        try:
            # A bell's reply may be lost on a connection that stays open: then nobody would ever wake this worker.
            await asyncio.wait(waits, timeout=wait_s + LATE_BELL_S, return_when=asyncio.FIRST_COMPLETED)
        finally:
            # A bell that nobody listens for any more must not be caught.
            for waiting in waits:
                waiting.cancel()
            answers = await asyncio.gather(*waits, return_exceptions=True)
        if isinstance(answers[0], Exception):
            raise answers[0]

    async def _for_refund(self) -> bool:
        """Until reserved tokens came back, and a moment longer, in which more may."""
        await self.refunded.wait()
        await asyncio.sleep(QUOTA_NAP_S)
        return True
