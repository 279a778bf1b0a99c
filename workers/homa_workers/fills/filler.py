"""Fills batches that schedules have due, each under the lease of its message.

1. A tick's script has opened the batch and put the message in its queue, both named by schedule and tick.
2. A process reads the input, submits the lines that the batch does not have, and seals it.
3. The message ends: filled; tried again, where the store or this machine failed; or refused, with host and reason,
   where the arguments or the input are wrong. The next look at schedules then cancels the batch.

Killed anywhere, a lease runs out, and another try meets the same batch.
"""

from __future__ import annotations

import os
from collections.abc import Coroutine
from typing import Any

import orjson
import structlog

from homa_shared.backoff import Backoff
from homa_shared.model.errors import SealedPayload, StoreFull, StoreUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.reads import batch
from homa_shared.store.sealing import Kind, opened_object
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.schedules import end_fill
from homa_workers import command_line
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.store_io.persist import persist

#: Pauses between tries.
BACKOFF = Backoff(first_s=2.0, longest_s=300.0)
#: From so many under way a worker process takes no more: each is a process with its readers of documents.
MOST_AT_ONCE = 2
#: Exit status of `homa run` where its arguments or inputs are wrong.
_USAGE = 2

_log = structlog.get_logger("homa.fills")


class Unfilled(Exception):
    """A batch was not filled."""

    def __init__(self, why: str, *, is_final: bool) -> None:
        super().__init__(why)
        self.is_final = is_final


class Filler:
    """Fills the batches that a worker has taken."""

    def __init__(self, store: AsyncStore, log: WorkerLog) -> None:
        self._store, self._log = store, log
        self.running = 0

    @property
    def has_room(self) -> bool:
        return self.running < MOST_AT_ONCE

    def run(self, claim: Claim) -> Coroutine[Any, Any, None]:
        """One try, from claim to the store's answer: to be awaited. Cancelled, it is handed back."""
        self.running += 1
        return self._run(claim)

    async def _run(self, claim: Claim) -> None:
        name = (claim.id, claim.attempt)
        op = end_fill(self._store.keys, name, "released")
        try:
            op = await self._outcome(claim)
        finally:
            # Also of a worker that stops: another one goes on with the same batch.
            self.running -= 1
            answer = await persist(self._store, op, self._log)
            if answer != "filled":
                _log.warning("batch.not_filled", batch=claim.id, attempt=claim.attempt, then=answer)

    async def _outcome(self, claim: Claim) -> Any:
        keys, name = self._store.keys, (claim.id, claim.attempt)
        try:
            await self._fill(orjson.loads(claim.request)["kwargs"])
        except Unfilled as error:
            why, outcome = f"on {os.uname().nodename}: {error}", "refused" if error.is_final else "again"
        except (StoreUnavailable, StoreFull) as error:
            self._log.store_away(error)
            why, outcome = str(error), "again"
        except Exception as error:
            self._log.defect(error, claim)
            why, outcome = f"on {os.uname().nodename}: {type(error).__name__}: {error}", "again"
        else:
            return end_fill(keys, name, "filled")
        _log.warning("batch.fill_failed", batch=claim.id, attempt=claim.attempt, why=why)
        if keys.cipher is not None:
            # What was read may stand in these words, and events show them to all.
            why = f"on {os.uname().nodename}: batch.fill_failed in its log says why"
        return end_fill(keys, name, outcome, why, round(BACKOFF.pause_s(claim.attempt) * 1000))  # type: ignore[arg-type]

    async def _fill(self, about: dict[str, Any]) -> None:
        ended = await command_line.homa("run", "--fill", about["batch"], *self._arguments(about["arguments"]))
        if ended.status == _USAGE:
            raise Unfilled(ended.said, is_final=True)
        view = await self._store.run(batch(self._store.keys, about["batch"]))
        # Its exit status alone does not tell: a traceback has that of some lines that failed.
        if view is not None and view.state == "open":
            raise Unfilled(f"status {ended.status}: {ended.said}", is_final=False)

    def _arguments(self, told: list[str] | dict[str, Any]) -> list[str]:
        """The arguments of a run, which stand sealed in the message where the schedule's are."""
        if isinstance(told, list):
            return told
        try:
            found: list[str] = orjson.loads(opened_object(self._store.keys, Kind.REQUEST, told))
        except SealedPayload as error:
            # Another worker may have the key.
            raise Unfilled(str(error), is_final=False) from None
        return found
