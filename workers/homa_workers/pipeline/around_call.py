"""Calls with functions of others around them, and the argument why none of these breaks a promise.

    outermost → … → innermost → is it another call? reserve anew → the call → innermost → … → outermost

* What has been called stands. A reply keeps its usage, whatever becomes of its body; an error of the call is the
  attempt's error, whoever catches it: limits, breakers, retries and the ledger learn what the provider did.
* A call is made once at most, in the attempt's own task: no second one goes out under one reservation, and none is left
  behind when the attempt has ended.
* Another call than was prepared is fitted to its model, reckoned and reserved before it leaves.
* A reply that nothing was called for costs nothing. The ledger calls it `answered`.
* Whatever a middleware raises ends its job, with its name; a reply that was paid for by then is charged and kept there.
* Beside the call each has `limit_s`, before the call the job's deadline holds, too; a cancel cuts it as it cuts a call.
  One that swallows its end is left where it waits.

Between a reply and its storing the worker holds it in memory, as it does while a reply is compared with a schema: the
attempt was journaled before, so that a worker that is lost there leaves its cost unresolved, and nothing unseen.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any

from homa_shared.calls.reply import Call, Completion
from homa_shared.model.records import decode_tags
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware.around import Around
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.pipeline.call import Caller
from homa_workers.pipeline.exchange import Exchange
from homa_workers.pipeline.reckoning import Reckoned, need_of_call

#: Reserves for an attempt's call, which is another one than before.
Allow = Callable[[RunningAttempt, Reckoned], Awaitable[None]]


class AroundCaller(Caller):
    """Makes the calls of attempts with middleware around them.

    Args:
        around: the outermost first.
        allow: reserves for a call that was changed.
        log: told of what they raise.
        others: as of `Caller`.
    """

    def __init__(self, around: Sequence[Around], allow: Allow, log: WorkerLog, *others: Any) -> None:
        super().__init__(*others)
        self._around = tuple(around)
        self._has_tags = any(one.tag is not None for one in around)
        self._allow, self._log = allow, log

    async def complete(self, attempt: RunningAttempt, call: Call) -> Completion:
        """As of `Caller`, by way of the middlewares.

        Raises:
            Halted: as of `Caller`; a middleware went wrong, or what it made of the call may not be made.
            ProviderError: there is no complete reply.
        """
        attempt.answered_by = ""
        around = self._fitting(attempt) if self._has_tags else self._around
        if not around:
            return await super().complete(attempt, call)
        watch = self._departures.watch
        return await Exchange(attempt, call, around, self._sent, watch, self._log, self._secrets).reply()

    def _fitting(self, attempt: RunningAttempt) -> tuple[Around, ...]:
        tags = decode_tags(attempt.claim.tags)
        return tuple(one for one in self._around if one.fits(tags))

    async def _sent(self, attempt: RunningAttempt, call: Call, changed_by: str) -> Completion:
        if changed_by:
            call = await self._reserved(attempt, call, f"middleware {changed_by} has changed its call")
        reply = await super().complete(attempt, call)
        # Told now: whoever gets its body may take out of it what has a price of its own.
        has_fees = self._book.known(attempt.claim.target).has_fees(reply)
        return replace(reply, metered=False) if has_fees else reply

    async def _reserved(self, attempt: RunningAttempt, call: Call, why: str) -> Call:
        """A changed call as its model takes it, for whose need there is a reservation."""
        fitted, notes = self._book.known(attempt.claim.target).fitted(call)
        made = self._capped(attempt.claim.target, fitted)
        attempt.params = made.params
        attempt.parameter_notes += tuple(note for note in notes if note not in attempt.parameter_notes)
        await self._allow(attempt, need_of_call(self._book, attempt.claim, made, why))
        return made
