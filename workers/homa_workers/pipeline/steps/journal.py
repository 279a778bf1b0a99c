"""The steps of an attempt of several calls: what the store reserves for each call, and what it keeps of its reply.

Between `record` and the next `allow` the attempt holds nothing but its slots, and nothing is in flight: whoever stops
there, or is killed there, leaves no cost open. What `allow` has reserved is what may be called, once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable
from dataclasses import replace
from time import monotonic
from typing import TypeVar

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Completion, Usage
from homa_shared.calls.request import Option
from homa_shared.model.errors import StoreFull, StoreUnavailable
from homa_shared.model.money import usd
from homa_shared.model.records import State
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_shared.store.transitions.attempts import Report, ReportResult
from homa_shared.store.transitions.fleet import fleet_version
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
from homa_workers.attempt import RunningAttempt
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.outcomes import reports
from homa_workers.outcomes.halting import Halted, Unsent, ended, stopped, waiting
from homa_workers.pipeline.costs import known_price
from homa_workers.providers.secrets import NO_SECRETS, Secrets
from homa_workers.store_io.persist import persist
from homa_workers.store_io.replay_buffer import Recent

T = TypeVar("T")

#: How long an attempt waits for its next call's quota with its slots held, s; then its job waits in its queue.
PATIENCE_S = 5.0
#: Least pause before the store is asked again, s.
_PAUSE_S = 0.02


class StepJournal:
    """Reserves the calls of one attempt and records its steps.

    Args:
        store: journals steps and reserves calls.
        attempt: with what take reserved for its first call.
        book: prices and plans.
        log: told of an absent store, and whose worker this is.
        recent: keeps steps that the store has taken, should it come back without them.
        secrets: what no state may hold.
    """

    def __init__(
        self,
        store: AsyncStore,
        attempt: RunningAttempt,
        book: FleetBook,
        log: WorkerLog,
        recent: Recent | None = None,
        secrets: Secrets = NO_SECRETS,
    ) -> None:
        self._secrets = secrets
        self.attempt = attempt
        self.book = book
        self.earlier = Journal({}, {})
        self._store = store
        self.log = log
        self._recent = recent

    @property
    def number(self) -> int:
        """Of the step recorded last, over all attempts of the job; 0 for none."""
        return self.attempt.steps.count

    async def resume(self) -> list[bytes]:
        """What earlier attempts left of their steps, in order; each is to be counted by `count_earlier`."""
        if self.attempt.claim.attempt == 1:
            return []
        self.earlier = await self.between(self._persist(journal(self._store.keys, self.attempt.claim.id)))
        states: list[bytes] = []
        while (state := self.earlier.states.get(len(states) + 1)) is not None:
            states.append(state)
        return states

    def count_earlier(self, usage: Usage) -> None:
        """Counts a step of an earlier attempt, by its tokens."""
        self.attempt.steps = self.attempt.steps.and_earlier(usage)

    def count_earlier_refusal(self) -> None:
        """Counts a call of an earlier attempt that the provider refused."""
        self.attempt.steps = self.attempt.steps.and_earlier_refusal()

    async def follow_settings(self) -> None:
        """Returns once the settings are known that a further call's need is to be reckoned by.

        A first call's are those that take went by; between two calls minutes may pass.
        """
        if self.number:
            version = await self.ask(fleet_version(self._store.keys))
            # A store that goes away just now leaves the next script waiting, and the settings are a moment old.
            with contextlib.suppress(StoreUnavailable, StoreFull):
                await self.between(self.book.follow(version))

    async def allow(self, need: Option | None, *, less: bool = False, why: str = "") -> None:
        """Returns when the next call may be made; one that stands by reserves when it leaves.

        Args:
            need: what it takes; None: no more than what take reserved for the first.
            less: whether a first call may ask for less than take reserved for. What is reserved stays until the reply,
                rather than be given up and asked for anew; it is settled as though the call's own need had been.
            why: why a first call's need was reckoned again, or has no bound, for people.

        Raises:
            Halted: it may not be made now, or ever.
        """
        attempt = self.attempt
        if attempt.is_reserved and (need is None or self._is_covered(need)):
            if need is not None and less:
                self._reserve_for(need)
            return
        attempt.why_other_need = why
        if attempt.giving_back is not None:
            if need is not None:
                self._reserve_for(need)
            return
        assert need is not None, "every call after the first says what it takes"
        await self._reserve(need)

    async def reserve_anew(self) -> None:
        """Returns when the call that a claim is for may be made, after its reservation was given back.

        Raises:
            Halted: as `allow`.
        """
        claim = self.attempt.claim
        await self._reserve(Option(claim.target, claim.bound, claim.tokens))

    async def _reserve(self, need: Option) -> None:
        attempt, why = self.attempt, self.attempt.why_other_need
        # What is reserved for a smaller call goes back: unless all is granted, the attempt has nothing.
        attempt.is_reserved = False
        give_up_s = monotonic() + PATIENCE_S
        while True:
            asked = next_step(self._store.keys, self.attempt.key, self.number + 1, need, worker=self.log.worker)
            asked_s = monotonic()
            permit = await self.between(self._persist(asked))
            if permit.leave is Leave.OK:
                self._reserve_for(need)
                attempt.is_reserved, attempt.reserved_s, attempt.giving_back = True, asked_s, None
                return
            if permit.leave is not Leave.WAIT:
                raise self._refusal(permit, need, why)
            if monotonic() + permit.wait_ms / 1000 > give_up_s:
                raise waiting("waiting", f"its next call waits for {permit.what}{_because(why)}")
            await self.between(asyncio.sleep(max(_PAUSE_S, permit.wait_ms / 1000)))

    async def record(self, completion: Completion, state: bytes) -> None:
        """A paid reply that is not the answer: charged and journaled.

        Args:
            state: what a later attempt goes on from.

        Raises:
            Halted: the attempt is over; the reply's cost stands in the ledger all the same.
        """
        attempt, target = self.attempt, self.attempt.claim.target
        nano = known_price(self.book, self.log, attempt.claim, completion)
        plan, worker = self.book.plan(target), self.log.worker
        paid = reports.of_success(attempt.claim, completion, nano, plan, worker=worker, refused=attempt.refused)
        report = replace(self.book.with_saving(target, paid, completion.usage), outcome="step")
        await self._record(report, state)
        attempt.steps = attempt.steps.and_step(completion.usage, nano)
        attempt.claim = replace(attempt.claim, cost=attempt.claim.cost + (nano or 0))

    async def record_refusal(self, error: ProviderError, state: bytes) -> None:
        """A call that the provider refused, which is made again otherwise: it cost nothing, and its quota is used.

        Args:
            state: as for `record`.

        Raises:
            Halted: the attempt is over.
        """
        claim, worker, refused = self.attempt.claim, self.log.worker, self.attempt.refused
        report = reports.of_error(claim, error, None, 0, worker=worker, refused=refused)
        await self._record(report, state)
        self.attempt.steps = self.attempt.steps.and_refusal()

    async def _record(self, report: Report, state: bytes) -> None:
        state = self._secrets.hidden_answer(state)
        op = step(self._store.keys, self.attempt.key, self.number + 1, self.log.worker, report, state)
        result = await self.between(self._persist(op, self._recent))
        if result is not ReportResult.OK:
            raise stopped(f"its attempt was over when a step ended ({result})")
        self.attempt.is_reserved = False

    async def begin_tool(self, number: int, index: int, *, idempotent: bool) -> tuple[Begin, str]:
        """Whether tool call `index` of step `number` may run; with its result, where it ran before."""
        worker = self.log.worker
        asked = begin_tool(self._store.keys, self.attempt.key, number, index, idempotent=idempotent, worker=worker)
        return await self._persist(asked)

    async def end_tool(self, number: int, index: int, result: str) -> None:
        """Journals a tool's result."""
        told = end_tool(self._store.keys, self.attempt.key, number, index, result, worker=self.log.worker)
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
        limit = asyncio.timeout(self.attempt.left_s)
        try:
            async with limit:
                return await work
        except TimeoutError:
            if not limit.expired():
                raise
            raise ended(Unsent("expired", "the job's deadline passed between two calls"), State.EXPIRED) from None
        except asyncio.CancelledError:
            raise self.called_off() from None

    def called_off(self) -> Halted:
        """The end of an attempt that was cancelled or stopped while nothing was in flight."""
        if self.attempt.is_cancelled:
            return ended(Unsent("cancelled", "cancelled between two calls"), State.CANCELLED)
        return stopped("stopped between two calls")

    def _refusal(self, permit: Permit, need: Option, why: str) -> Halted:
        match permit.leave:
            case Leave.DEFER:
                room = f"{permit.what} leaves no room for its next call until its period turns"
                return waiting("budget", f"{room}{_because(why)}")
            case Leave.REJECT:
                room = f"{permit.what} leaves no room for a call of up to ${usd(need.bound or 0)}"
                return ended(Unsent("budget", f"budget: {room}; {self.number} calls were made{_because(why)}"))
            case Leave.UNPRICED:
                unknown = f"the price of {permit.what} is not known, or its next call has no bound"
                return ended(Unsent("unpriced", f"a budget applies, and {unknown}{_because(why)}"))
            case Leave.TOO_LARGE:
                return ended(Unsent("too_large", f"its next call needs more {permit.what} than a minute's limit"))
            case Leave.CANCELLED:
                return ended(Unsent("cancelled", "cancelled between two calls"), State.CANCELLED)
            case Leave.EXPIRED:
                return ended(Unsent("expired", "the job's deadline passed between two calls"), State.EXPIRED)
            case _:
                return stopped("its attempt was over before its next call")

    def _reserve_for(self, need: Option) -> None:
        self.attempt.claim = self.attempt.claim.reserving(need.bound, need.tokens)

    def _is_covered(self, need: Option) -> bool:
        claim = self.attempt.claim
        bound = claim.bound is None if need.bound is None else claim.bound is not None and need.bound <= claim.bound
        return bound and all(wanted <= had for wanted, had in zip(need.tokens, claim.tokens, strict=True))

    async def _persist(self, op: Op[T], recent: Recent | None = None) -> T:
        return await persist(self._store, op, self.log, recent)


def _because(why: str) -> str:
    return f" ({why})" if why else ""
