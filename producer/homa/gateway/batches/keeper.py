"""Looks after the batches of files: whichever gateway lives takes the next step of each.

A claim keeps two gateways from doing the same at the same time. Nothing rests on it: where one goes on although another
took over, the scripts refuse what was done already.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict

from homa.drivers.effects import ask
from homa.gateway.batches.work import BatchWork, Workshop
from homa_shared.model.errors import HomaError
from homa_shared.store.gateway_batches import claim_batches, rest_batch

_log = logging.getLogger("homa.gateway")

#: Batches that one gateway works on at once; others have their turn when one of them waits, or has had its own, s.
_MOST, _TURN_S = 16, 3.0
#: Batches whose place in their files is remembered between two turns.
_REMEMBERED = 64
#: A claim holds for longer than a turn and its longest step, ms.
_HOLD_MS = 10_000
#: Between two looks for work, s; and after a step that went wrong, s.
_LOOK_S, _PAUSE_S = 0.25, 1.0


class Keeper:
    """What one gateway does for all batches.

    Args:
        shop: what the work shares.
    """

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._known: OrderedDict[str, BatchWork] = OrderedDict()
        self._working: dict[str, asyncio.Task[None]] = {}
        self._awake = asyncio.Event()

    def wake(self) -> None:
        """There is something new to do."""
        self._awake.set()

    async def run(self) -> None:
        """Works until it is cancelled."""
        try:
            while True:
                try:
                    await self._look()
                except HomaError as error:
                    _log.warning("batches cannot be looked after now: %s", error)
                    await asyncio.sleep(_PAUSE_S)
                except Exception:  # without this loop no batch would go on
                    _log.exception("batches cannot be looked after now")
                    await asyncio.sleep(_PAUSE_S)
                await self._pause()
        finally:
            tasks = list(self._working.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for work in self._known.values():
                await work.aclose()

    async def _look(self) -> None:
        idle = [name for name in self._known if name not in self._working]
        for name in idle[: max(0, len(self._known) - _REMEMBERED)]:
            await self._forget(name)
        room = _MOST - len(self._working)
        if room <= 0:
            return
        for batch_id in await self._shop.driver.run(ask(claim_batches(self._shop.keys, room, _HOLD_MS))):
            if batch_id not in self._working:
                self._working[batch_id] = asyncio.create_task(self._turn(batch_id))

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._awake.wait()
        except TimeoutError:
            return
        self._awake.clear()

    async def _turn(self, batch_id: str) -> None:
        """Works on a batch until it waits, or others should have their turn."""
        work, until_s, pause_s = self._work_on(batch_id), time.monotonic() + _TURN_S, 0.0
        try:
            while pause_s == 0.0 and time.monotonic() < until_s:
                found = await self._step(work)
                if found is None:
                    await self._forget(batch_id)
                    return
                pause_s = found
            await self._shop.driver.run(ask(rest_batch(self._shop.keys, batch_id, int(pause_s * 1000))))
            asyncio.get_running_loop().call_later(pause_s, self.wake)
        except HomaError as error:
            _log.warning("batch %s waits: %s", batch_id, error)
        finally:
            del self._working[batch_id]

    async def _step(self, work: BatchWork) -> float | None:
        try:
            return await work.step()
        except HomaError as error:
            _log.warning("batch %s waits: %s", work.id, error)
        except Exception:
            _log.exception("a step of batch %s failed", work.id)
        await self._forget(work.id)
        return _PAUSE_S

    def _work_on(self, batch_id: str) -> BatchWork:
        if batch_id not in self._known:
            self._known[batch_id] = BatchWork(self._shop, batch_id)
        self._known.move_to_end(batch_id)
        return self._known[batch_id]

    async def _forget(self, batch_id: str) -> None:
        """Leaves the file of a batch alone."""
        if (work := self._known.pop(batch_id, None)) is not None:
            await work.aclose()
