"""Looks after the batches of files: whichever gateway lives takes the next step of each.

A claim keeps two gateways from doing the same at the same time. Nothing rests on it: where one goes on although another
took over, the scripts refuse what was done already.
"""

from __future__ import annotations

import asyncio
import logging
import time

from homa.drivers.effects import ask
from homa.gateway.batches.work import BatchWork, Workshop
from homa_shared.model.errors import HomaError
from homa_shared.store.gateway_batches import claim_batches, rest_batch

_log = logging.getLogger("homa.gateway")

#: Batches that one gateway works on at once.
_MOST = 16
#: A claim holds for so long, ms, and is renewed after a part of it, s.
_HOLD_MS, _RENEW_S = 10_000, 3.0
#: Between two looks for work, s; and after a step that went wrong, s.
_LOOK_S, _PAUSE_S = 0.25, 1.0


class Keeper:
    """What one gateway does for all batches.

    Args:
        shop: what the work shares.
    """

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._working: dict[str, asyncio.Task[None]] = {}
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """There is something new to do."""
        self._awake.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        try:
            while True:
                await self._look()
                await self._pause()
        finally:
            tasks = list(self._working.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _look(self) -> None:
        room = _MOST - len(self._working)
        if room <= 0:
            return
        try:
            found = await self._shop.driver.run(ask(claim_batches(self._shop.keys, room, _HOLD_MS)))
        except HomaError as error:
            _log.warning("batches cannot be looked after now: %s", error)
            return
        for batch_id in found:
            if batch_id not in self._working:
                self._working[batch_id] = asyncio.create_task(self._work(batch_id))

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._awake.wait()
        except TimeoutError:
            return
        self._awake.clear()

    async def _work(self, batch_id: str) -> None:
        work, held_s = BatchWork(self._shop, batch_id), time.monotonic()
        try:
            while True:
                pause_s = await self._step(work)
                if pause_s is None:
                    return
                if time.monotonic() - held_s > _RENEW_S:
                    held_s = time.monotonic()
                    await self._shop.driver.run(ask(rest_batch(self._shop.keys, batch_id, _HOLD_MS)))
                await asyncio.sleep(pause_s)
        except HomaError as error:
            _log.warning("batch %s waits: %s", batch_id, error)
        finally:
            await work.aclose()
            del self._working[batch_id]

    async def _step(self, work: BatchWork) -> float | None:
        try:
            return await work.step()
        except HomaError as error:
            _log.warning("batch %s waits: %s", work.id, error)
        except Exception:
            _log.exception("a step of batch %s failed", work.id)
        await work.aclose()
        return _PAUSE_S
