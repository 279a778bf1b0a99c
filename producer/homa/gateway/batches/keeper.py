"""Looks after the batches of files: whichever process lives that reaches their files takes the next step of each.

A claim keeps two from doing the same at the same time. Nothing rests on it: where one goes on although another took
over, the scripts refuse what was done already.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict

from homa.drivers.effects import ask
from homa.gateway.batches.work import BatchWork
from homa.gateway.batches.workshop import Workshop
from homa.gateway.files.kept_files import FilesElsewhere
from homa_shared.model.errors import HomaError
from homa_shared.store.gateway_work import FilePlace, claim_batches, leave_to_others, rest_batch

_log = logging.getLogger("homa.gateway")

#: Batches that one process works on at once; others have their turn when one of them waits, or has had its own, s.
_MOST, _TURN_S = 16, 3.0
#: Batches whose place in their files is remembered between two turns.
_REMEMBERED = 64
#: A claim holds for longer than a turn and its longest step, ms.
_HOLD_MS = 10_000
#: Between two looks for work, s; and after a step that went wrong, s.
_LOOK_S, _PAUSE_S = 0.25, 1.0
#: A process that stands in for gateways ends once it has had nothing to do for so long, s.
_IDLE_S = 5.0


class Keeper:
    """What one process does for all batches.

    Args:
        shop: what the work shares.
        stands_in: it is no gateway, and leaves batches to those where one lives.
    """

    def __init__(self, shop: Workshop, *, stands_in: bool = False) -> None:
        self._shop, self._stands_in = shop, stands_in
        self._known: OrderedDict[str, BatchWork] = OrderedDict()
        self._working: dict[str, asyncio.Task[None]] = {}
        self._awake = asyncio.Event()
        self._busy_s = time.monotonic()

    @property
    def place(self) -> FilePlace:
        """Where this process keeps files."""
        return self._shop.files.place

    def wake(self) -> None:
        """There is something new to do."""
        self._awake.set()

    async def run(self) -> None:
        """Works until it is cancelled, or, standing in for gateways, until there is nothing more to do."""
        try:
            goes_on = True
            while goes_on:
                try:
                    goes_on = await self._look()
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

    async def _look(self) -> bool:
        """Begins turns of batches that are due; false where there will be none for this process."""
        idle = [name for name in self._known if name not in self._working]
        for name in idle[: max(0, len(self._known) - _REMEMBERED)]:
            await self._forget(name)
        # Also without room for one: by its claims others know that a gateway lives.
        room = max(0, _MOST - len(self._working))
        claiming = claim_batches(self._shop.keys, self.place, room, _HOLD_MS, stands_in=self._stands_in)
        claimed = await self._shop.driver.run(ask(claiming))
        for batch_id in claimed.ids:
            if batch_id not in self._working:
                self._working[batch_id] = asyncio.create_task(self._turn(batch_id))
        if self._known or self._working:
            self._busy_s = time.monotonic()
        return not (self._stands_in and (claimed.gateway_lives or time.monotonic() - self._busy_s > _IDLE_S))

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(_LOOK_S):
                await self._awake.wait()
        except TimeoutError:
            return
        self._awake.clear()

    async def _turn(self, batch_id: str) -> None:
        """Works on a batch until it waits, or others should have their turn."""
        work, until_s, pause_s, waits_for = self._work_on(batch_id), time.monotonic() + _TURN_S, 0.0, ""
        try:
            while pause_s == 0.0 and time.monotonic() < until_s:
                found, waits_for = await self._step(work)
                if found is None:
                    return
                pause_s = found
            await self._shop.driver.run(ask(rest_batch(self._shop.keys, batch_id, int(pause_s * 1000), waits_for)))
            asyncio.get_running_loop().call_later(pause_s, self.wake)
        except HomaError as error:
            _log.warning("batch %s waits: %s", batch_id, error)
        finally:
            del self._working[batch_id]

    async def _step(self, work: BatchWork) -> tuple[float | None, str]:
        """How long to pause then, s, and what the batch waits for; None where it has left this process."""
        waits_for = "a defect of Homa, which the log of the process that met it tells"
        try:
            pause_s = await work.step()
            if pause_s is None:
                await self._forget(work.id)
            return pause_s, ""
        except FilesElsewhere as error:
            await self._forget(work.id)
            await self._shop.driver.run(ask(leave_to_others(self._shop.keys, work.id, self.place, str(error))))
            _log.warning("batch %s is left to others: %s", work.id, error)
            return None, ""
        except HomaError as error:
            waits_for = str(error)
            _log.warning("batch %s waits: %s", work.id, error)
        except Exception:
            _log.exception("a step of batch %s failed", work.id)
        await self._forget(work.id)
        return _PAUSE_S, waits_for

    def _work_on(self, batch_id: str) -> BatchWork:
        if batch_id not in self._known:
            self._known[batch_id] = BatchWork(self._shop, batch_id)
        self._known.move_to_end(batch_id)
        return self._known[batch_id]

    async def _forget(self, batch_id: str) -> None:
        """Leaves the file of a batch alone."""
        if (work := self._known.pop(batch_id, None)) is not None:
            await work.aclose()
