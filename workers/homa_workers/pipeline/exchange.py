"""One call of an attempt on its way through the middlewares around it, and what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import partial

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call, Completion, Usage
from homa_shared.model.records import State
from homa_workers.attempt import RunningAttempt
from homa_workers.middleware.around import Around, Request, call_of, content_of
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.outcomes.halting import Halted, Unfit, Unsent, ended, is_stop, stopped_before_call
from homa_workers.outcomes.outcomes import Interrupted
from homa_workers.providers.secrets import Secrets
from homa_workers.stepwise import CUT_S, Stepwise, expect_reply, storable

#: Makes the call; the last argument names the middleware that changed it, if one did.
Send = Callable[[RunningAttempt, Call, str], Awaitable[Completion]]


class Exchange:
    """One call with middleware around it.

    Args:
        attempt: whose call it is.
        call: as it was prepared, with its reservation.
        around: the outermost first, at least one.
        send: makes the call.
        watch: gives its reservation back where it cannot leave at once; what it returns is cancelled when it can.
        log: told of what they raise.
        secrets: what no error may tell.
    """

    # Defaults stand here: of a call that goes well few of them are ever set.
    #: How many of them have called on, and which one raised last.
    _begun = _raiser = 0
    #: Which of them has its turn.
    _turn = 0
    #: What has become of the call: at most one of these.
    _reply: Completion | None = None
    _error: Exception | None = None
    _raised: BaseException | None = None
    #: While the middlewares have their turn: what gives the reservation back, and what cuts them off.
    _timers: tuple[asyncio.TimerHandle, ...] = ()
    _is_calling = _is_over = False
    #: How often they were cut off.
    _cuts = 0
    _steps: Stepwise[Completion] | None = None

    def __init__(
        self,
        attempt: RunningAttempt,
        call: Call,
        around: Sequence[Around],
        send: Send,
        watch: Callable[[RunningAttempt], asyncio.TimerHandle],
        log: WorkerLog,
        secrets: Secrets,
    ) -> None:
        self._secrets = secrets
        self._attempt, self._call, self._around = attempt, call, around
        self._send, self._watch, self._log = send, watch, log
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task(self._loop)

    async def reply(self) -> Completion:
        """What the attempt gets, and nothing that was called is forgotten for it.

        Raises:
            Halted: a middleware went wrong.
            ProviderError: the call went wrong.
        """
        first = self._around[0].function(Request(self._attempt, self._call), partial(self._call_next, 0))
        self._steps = Stepwise(first, self._suspended)
        try:
            returned = await self._outermost(self._steps)
            return self._paid(returned) if self._reply or self._error else await self._own(returned)
        finally:
            # They refer to this object, which would keep a call and its reply until the collector comes by.
            self._steps = self._error = self._raised = None

    async def _outermost(self, steps: Stepwise[Completion]) -> Completion:
        """What the outermost one returns."""
        try:
            returned = await steps
            if not isinstance(returned, Completion):
                raise _no_reply(returned)
        except BaseException as error:
            self._note(error, 0)
            self._disarm()
            end = self._end(error)
            if end is error:
                raise
            raise end from error
        self._disarm()
        return returned

    # -- time: no timer is set for a middleware that never waits ------------------------------------------------------

    def _suspended(self) -> None:
        """Something waits: a middleware, which has its limit, or the call, which has limits of its own."""
        if self._is_calling or self._timers:
            return
        limit_s, timers = self._limit_s, []
        if self._reply is None:
            left_s = self._attempt.left_s
            limit_s = limit_s if left_s is None else min(left_s, limit_s)
            timers.append(self._watch(self._attempt))
        timers.append(self._loop.call_later(limit_s, self._cut_off))
        self._timers = tuple(timers)

    def _cut_off(self) -> None:
        """Ends whoever waits. One that goes on regardless is left, or it would hold its lease and its slot for ever."""
        assert self._task is not None
        assert self._steps is not None
        if self._cuts:
            self._steps.is_left = True
        else:
            leave = self._loop.call_later(min(self._limit_s, CUT_S), self._cut_off)
            self._timers = (*self._timers, leave)
        self._cuts += 1
        self._task.cancel()

    def _disarm(self, *, calling: bool = False) -> None:
        """From now on the middlewares do not wait: the call begins, or they have ended."""
        if self._timers:
            for timer in self._timers:
                timer.cancel()
            self._timers = ()
        self._is_calling, self._is_over = calling, not calling
        if self._cuts and self._task is not None:
            for _ in range(self._cuts):
                self._task.uncancel()

    @property
    def _deepest(self) -> int:
        """Which of them was reached last."""
        return min(self._begun, len(self._around) - 1)

    @property
    def _limit_s(self) -> float:
        return sum(one.limit_s for one in self._around)

    # -- on the way --------------------------------------------------------------------------------------------------

    async def _call_next(self, place: int, request: Request) -> Completion:
        """What the middleware at a place calls: the next one inwards, or the call behind the innermost one.

        Every job goes through each of them: all of it stands in one coroutine.
        """
        self._expect_call(place, request)
        self._begun = inner = place + 1
        try:
            if inner == len(self._around):
                return await self._called(request)
            self._turn = inner
            returned = await self._around[inner].function(request, partial(self._call_next, inner))
            if isinstance(returned, Completion):
                return returned
            raise _no_reply(returned)
        except BaseException as error:
            self._note(error, inner)
            raise
        finally:
            self._turn = place

    def _expect_call(self, place: int, request: Request) -> None:
        if self._begun != place or self._is_over:
            raise RuntimeError("it called call_next a second time; expected one call, which Homa retries itself")
        if self._cuts:
            raise RuntimeError("it called call_next after its time was up")
        if not isinstance(request, Request):
            raise TypeError(f"it gave {request!r} to call_next; expected a Request")
        call = call_of(request)
        if call is not self._call and call.model != self._call.model:
            raise ValueError(f"it changed the model to {call.model!r}; expected {self._call.model!r}")
        if asyncio.current_task(self._loop) is not self._task:
            raise RuntimeError("it called call_next in another task; expected its own: use asyncio.timeout")

    def _note(self, error: BaseException, place: int) -> None:
        """Notes who raised what came out of a middleware, or of the call."""
        if error is not self._error and error is not self._raised:
            self._raised, self._raiser = error, min(place, len(self._around) - 1)

    async def _called(self, request: Request) -> Completion:
        """The call: its own time limits hold, and none of the middlewares'."""
        call = call_of(request)
        changed = call is not self._call and content_of(call) != content_of(self._call)
        self._disarm(calling=True)
        try:
            by = self._around[self._turn].name if changed else ""
            self._reply = await self._send(self._attempt, call if changed else self._call, by)
        except Exception as error:
            self._error = error
            raise
        finally:
            self._is_calling = False
        return self._reply

    # -- and back ----------------------------------------------------------------------------------------------------

    def _paid(self, returned: Completion) -> Completion:
        """A reply that a middleware returned, with the usage of what was called for it."""
        if self._error is not None:
            raise self._standing(self._error, f"{self._name(self._deepest)} returned a reply in its place")
        self._expect_reply(returned)
        paid = self._reply
        assert paid is not None
        return paid if returned is paid or returned.body is paid.body else replace(paid, body=returned.body)

    async def _own(self, returned: Completion) -> Completion:
        """A reply of a middleware's own: nothing was called for it."""
        self._expect_reply(returned)
        if self._attempt.giving_back is not None:
            await asyncio.shield(self._attempt.giving_back)
        self._attempt.answered_by = name = self._name(self._deepest)
        self._attempt.parameter_notes += (f"middleware {name} answered it: nothing was called",)
        return Completion(returned.body, Usage())

    def _expect_reply(self, returned: Completion) -> None:
        try:
            expect_reply(returned)
        except (TypeError, ValueError) as error:
            raise self._failed(self._turn, error, f"returned no reply: {error}") from error

    def _end(self, error: BaseException) -> Exception:
        """What an error that came through all of them means for the attempt."""
        if isinstance(error, KeyboardInterrupt):
            raise error
        if self._error is not None:
            same = error is self._error
            return self._standing(self._error, "" if same else f"{self._name(self._raiser)} raised {_said(error)}")
        if isinstance(error, asyncio.CancelledError) and self._is_cut():
            return self._cut()
        if isinstance(error, asyncio.CancelledError) and self._cuts:
            left_s = self._attempt.left_s
            if self._reply is None and left_s is not None and left_s <= 0:
                return ended(Unsent("expired", "the job's deadline passed before its call"), State.EXPIRED)
            return self._failed(self._turn, error, f"did not end within {self._limit_s:g} s beside the call")
        return self._failed(self._raiser, error, f"raised {_said(error)}")

    def _standing(self, error: Exception, more: str) -> Exception:
        """The call's own error, which nothing replaces."""
        if self._was_cut_by_middleware(error):
            seen = error.partial_text if isinstance(error, ProviderError) else ""
            text = f"middleware {self._name(self._raiser)} cut its call off; its deadline is the account's timeout_s"
            if isinstance(error, Halted):
                return ended(Unsent("middleware", text))
            return ended(Interrupted("middleware", text, seen))
        if more and isinstance(error, ProviderError):
            error.message += self._secrets.hidden(f" (middleware {more}: the call's own error stands)")
        return error

    def _cut(self) -> Exception:
        """The attempt was cancelled or its worker stops, while a middleware had its turn."""
        if self._reply is None:
            return stopped_before_call(self._attempt)
        why = "cancelled" if self._attempt.is_cancelled else "stopped"
        return Unfit(why, f"{why} while middleware {self._name(self._turn)} had its reply", storable(self._reply))

    def _failed(self, place: int, error: BaseException, what: str) -> Halted:
        """The end of the job: what was called is charged, and a reply that was paid for is kept with it."""
        name = self._name(place)
        self._log.defect(error, self._attempt.claim, hook=name)
        text = self._secrets.hidden(f"middleware {name} {what}")
        return ended(
            Unsent("middleware", text)
            if self._reply is None
            else Unfit("middleware", f"{text}, after its call", storable(self._reply))
        )

    def _was_cut_by_middleware(self, error: Exception) -> bool:
        """Whether the call was stopped, though nobody stops this attempt: as by a time limit of a middleware's own."""
        if self._is_cut() or self._attempt.is_cancelled:
            return False
        if isinstance(error, Halted):
            return is_stop(error)
        return isinstance(error, Interrupted) and error.why == "stopped"

    def _is_cut(self) -> bool:
        return self._task is None or self._task.cancelling() > 0

    def _name(self, place: int) -> str:
        return self._around[place].name


def _no_reply(returned: object) -> TypeError:
    return TypeError(f"it returned {returned!r}; expected a Completion")


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
