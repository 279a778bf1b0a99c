"""One attempt of several calls, and its accounts with the store.

Between `record` and the next `allow` the attempt holds nothing but its slots, and nothing is in flight: whoever stops
there, or is killed there, leaves no cost open. What `allow` has reserved is what may be called, once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from time import monotonic
from typing import TypeVar

from homa_shared.calls.reply import Completion, Usage
from homa_shared.calls.request import Option
from homa_shared.model.money import usd
from homa_shared.model.records import State
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_shared.store.transitions.attempts import Answer, Claim
from homa_shared.store.transitions.steps import (
    Begin,
    Journal,
    Leave,
    Permit,
    begin_tool,
    end_tool,
    journal,
    next_step,
    step,
)
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.observe.attempt_log import Watch
from homa_workers.outcomes import reports
from homa_workers.outcomes.outcomes import Spent, Tally
from homa_workers.pipeline.steps.halting import Halted, Unsent, ended, stopped, waiting
from homa_workers.store_io.persist import persist
from homa_workers.store_io.replay_buffer import Recent

T = TypeVar("T")

#: How long an attempt waits for its next call's quota with its slots held, s; then its job waits in its queue.
PATIENCE_S = 5.0
#: Least pause before the store is asked again, s.
_PAUSE_S = 0.02


class SteppedAttempt:
    """The steps of one attempt.

    Args:
        store: journals steps and reserves calls.
        claim: the attempt, with what take reserved for its first call.
        book: prices and plans.
        watch: told of an absent store, and whose worker this is.
        is_cancelled: whether its job was cancelled; else a cancelled task means that the worker stops.
        recent: keeps steps that the store has taken, should it come back without them.
    """

    def __init__(
        self,
        store: AsyncStore,
        claim: Claim,
        book: FleetBook,
        watch: Watch,
        is_cancelled: Callable[[], bool],
        recent: Recent | None = None,
    ) -> None:
        self.claim = claim
        self.book = book
        #: Steps recorded so far, over all attempts of the job.
        self.number = 0
        self.journal = Journal({}, {})
        self._store = store
        self._watch = watch
        self._recent = recent
        self._is_cancelled = is_cancelled
        #: What the steps of this attempt, and of no earlier one, come to.
        self.spent = Spent()
        self._usage = Usage()
        self._holds_call = True
        self._expires_s = monotonic() + claim.left_ms / 1000 if claim.left_ms else None

    @property
    def tally(self) -> Tally:
        return Tally(self.claim, self._usage, self.number, self.spent.nano is not None)

    @property
    def timed_claim(self) -> Claim:
        """The claim, with what is left of the job's time now."""
        left_s = self._left_s()
        return self.claim if left_s is None else replace(self.claim, left_ms=max(1, round(left_s * 1000)))

    async def resume(self) -> list[bytes]:
        """What earlier attempts left of their steps, in order."""
        if self.claim.attempt == 1:
            return []
        self.journal = await self.between(self._persist(journal(self._store.keys, self.claim.id)))
        states = []
        while (state := self.journal.states.get(self.number + 1)) is not None:
            states.append(state)
            self.number += 1
        return states

    def count_earlier(self, usage: Usage) -> None:
        """Adds the tokens of a step of an earlier attempt."""
        self._usage = self._usage + usage

    async def allow(self, need: Option | None, *, less: bool = False) -> None:
        """Returns when the next call may be made.

        Args:
            need: what it takes; None: no more than what take reserved for the first.
            less: whether a first call may ask for less than take reserved for. What is reserved stays until the reply,
                rather than be given up and asked for anew; it is settled as though the call's own need had been.

        Raises:
            Halted: it may not be made now, or ever.
        """
        if self._holds_call and (need is None or self._is_covered(need)):
            if need is not None and less:
                self._reserve_for(need)
            return
        assert need is not None, "every call after the first says what it takes"
        give_up_s = monotonic() + PATIENCE_S
        while True:
            asked = next_step(self._store.keys, self._name, self.number + 1, need, worker=self._watch.worker)
            permit = await self.between(self._persist(asked))
            if permit.leave is Leave.OK:
                self._reserve_for(need)
                self._holds_call = True
                return
            self._holds_call = False
            if permit.leave is not Leave.WAIT:
                raise self._refusal(permit, need)
            if monotonic() + permit.wait_ms / 1000 > give_up_s:
                raise waiting("waiting", f"its next call waits for {permit.what}")
            await self.between(asyncio.sleep(max(_PAUSE_S, permit.wait_ms / 1000)))

    async def record(self, completion: Completion, state: bytes) -> None:
        """A paid reply that is not the answer: charged and journaled.

        Args:
            state: what a later attempt goes on from.

        Raises:
            Halted: the attempt is over; the reply's cost stands in the ledger all the same.
        """
        nano = self._price(completion)
        paid = reports.of_success(self.claim, completion, nano, self.book.plan(self.claim.target))
        paid = self.book.with_saving(self.claim.target, paid)
        report = replace(paid, outcome="step", worker=self._watch.worker, target=self.claim.target)
        op = step(self._store.keys, self._name, self.number + 1, self._watch.worker, report, state)
        answer = await self.between(self._persist(op, self._recent))
        if answer is not Answer.OK:
            raise stopped(f"its attempt was over when a step ended ({answer})")
        self.number += 1
        self._holds_call = False
        self._usage = self._usage + completion.usage
        self.spent = self.spent.and_reply(completion.usage, nano)
        self.claim = replace(self.claim, cost=self.claim.cost + (nano or 0))

    async def begin_tool(self, number: int, index: int, *, idempotent: bool) -> tuple[Begin, str]:
        """Whether tool call `index` of step `number` may run; with its result, where it ran before."""
        worker = self._watch.worker
        asked = begin_tool(self._store.keys, self._name, number, index, idempotent=idempotent, worker=worker)
        return await self._persist(asked)

    async def end_tool(self, number: int, index: int, result: str) -> None:
        """Journals a tool's result."""
        told = end_tool(self._store.keys, self._name, number, index, result, worker=self._watch.worker)
        await self._persist(told)

    async def ask(self, op: Op[T]) -> T:
        """What the store answers between two calls, however long it is away.

        Raises:
            Halted: as `between`.
        """
        return await self.between(self._persist(op))

    async def between(self, work: Awaitable[T]) -> T:
        """Work between two calls, while nothing is in flight, until the job's deadline or its cancel.

        Raises:
            Halted: the job was cancelled, its deadline passed, or the worker stops.
        """
        limit = asyncio.timeout(self._left_s())
        try:
            async with limit:
                return await work
        except TimeoutError:
            if not limit.expired():
                raise
            raise ended(Unsent("expired", "the job's deadline passed between two calls"), State.EXPIRED) from None
        except asyncio.CancelledError:
            if self._is_cancelled():
                raise ended(Unsent("cancelled", "cancelled between two calls"), State.CANCELLED) from None
            raise stopped("stopped between two calls") from None

    def _refusal(self, permit: Permit, need: Option) -> Halted:
        match permit.leave:
            case Leave.DEFER:
                return waiting("budget", f"{permit.what} leaves no room for its next call until its period turns")
            case Leave.REJECT:
                room = f"{permit.what} leaves no room for a call of up to ${usd(need.bound or 0)}"
                return ended(Unsent("budget", f"budget: {room}; {self.number} calls were made"))
            case Leave.UNPRICED:
                return ended(Unsent("unpriced", f"a budget applies, and the price of {permit.what} is not known"))
            case Leave.TOO_LARGE:
                return ended(Unsent("too_large", f"its next call needs more {permit.what} than a minute's limit"))
            case Leave.CANCELLED:
                return ended(Unsent("cancelled", "cancelled between two calls"), State.CANCELLED)
            case Leave.EXPIRED:
                return ended(Unsent("expired", "the job's deadline passed between two calls"), State.EXPIRED)
            case _:
                return stopped("its attempt was over before its next call")

    def _reserve_for(self, need: Option) -> None:
        self.claim = self.claim.reserving(need.bound, need.tokens)

    def _is_covered(self, need: Option) -> bool:
        claim = self.claim
        bound = claim.bound is None if need.bound is None else claim.bound is not None and need.bound <= claim.bound
        return bound and all(wanted <= had for wanted, had in zip(need.tokens, claim.tokens, strict=True))

    def _price(self, completion: Completion) -> int | None:
        """A price that cannot be found must not lose the reply."""
        if not completion.metered:
            return None
        try:
            return self.book.price(self.claim.target, completion)
        except Exception as error:
            self._watch.unexpected(self.claim, error)
            return None

    def _left_s(self) -> float | None:
        return None if self._expires_s is None else max(0.0, self._expires_s - monotonic())

    @property
    def _name(self) -> tuple[str, int]:
        return self.claim.id, self.claim.attempt

    async def _persist(self, op: Op[T], recent: Recent | None = None) -> T:
        return await persist(self._store, op, self._watch, recent)
