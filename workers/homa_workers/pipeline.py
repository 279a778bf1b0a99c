"""What happens to a job, as verbs. Who reads this page knows what a worker does.

    read the request → call the provider, under deadline and cancel watch → judge what came back → acknowledge

A reply that arrived is stored before anything else happens to it, and is kept for as long as the store is away. The
pipeline is the only place that knows this order; providers, rules and store operations don't know each other.
"""

from __future__ import annotations

import asyncio
from time import perf_counter
from typing import Any

from homa_shared.errors import HomaError
from homa_shared.failures import ErrorKind, ProviderError
from homa_shared.records import State
from homa_shared.reply import Completion
from homa_shared.request import JobRequest
from homa_shared.store import steering
from homa_shared.store.client import AsyncStore
from homa_shared.store.op import Op
from homa_shared.store.working import Claim, divert, fail, requeue, settle
from homa_workers import reports
from homa_workers.book import FleetBook
from homa_workers.deltas import DeltaWriter
from homa_workers.outcomes import Deferred, Ended, Outcome, Released, Rerouted, Succeeded
from homa_workers.persistence import persist
from homa_workers.providers.base import Provider
from homa_workers.retry import decide
from homa_workers.watching import Watch


class _TooLate(ProviderError):
    """The time for a call ran out: the provider's, or (`expired`) the job's own."""

    def __init__(self, kind: ErrorKind, message: str, *, expired: bool) -> None:
        super().__init__(kind, message)
        self.expired = expired


class Pipeline:
    """Carries jobs of one provider from claim to acknowledgement.

    Args:
        store: where claims come from and reports go.
        provider: the account's adapter.
        book: prices and plans of the fleet, following its changes.
        timeout_s: seconds for one whole call.
        watch: told of every attempt (logs, Sentry).
    """

    def __init__(self, store: AsyncStore, provider: Provider, book: FleetBook, timeout_s: float, watch: Watch) -> None:
        self.store = store
        self.provider = provider
        self.book = book
        self.timeout_s = timeout_s
        self.watch = watch
        self._cancelled: set[str] = set()

    async def run(self, claim: Claim) -> None:
        """One attempt, from claim to acknowledgement. Cancelling the task hands the job back, or leaves its cost open."""
        started = perf_counter()
        outcome = await self._attempt(claim)
        latency_ms = round((perf_counter() - started) * 1000)
        await self._acknowledge(claim, outcome, latency_ms)
        self.watch.attempt(claim, outcome, latency_ms)

    def cancel(self, task: asyncio.Task[None], claim: Claim) -> None:
        """Stops a running attempt because its job was cancelled: the provider's connection is closed at once."""
        self._cancelled.add(claim.name)
        task.cancel()

    async def _attempt(self, claim: Claim) -> Outcome:
        try:
            request = JobRequest.decode(claim.request)
        except HomaError as error:
            return Ended(ProviderError(ErrorKind.INTERNAL, f"unreadable request: {error}"), State.FAILED)
        try:
            return Succeeded(await self._call(claim, request))
        except ProviderError as error:
            return self._judge(claim, request, error)
        except asyncio.CancelledError:
            return self._stopped(claim)
        except Exception as error:
            self.watch.unexpected(claim, error)
            return Ended(ProviderError(ErrorKind.INTERNAL, f"{type(error).__name__}: {error}"), State.FAILED)

    async def _call(self, claim: Claim, request: JobRequest) -> Completion:
        """The call, under its deadline."""
        seconds = min(self.timeout_s, claim.left_ms / 1000) if claim.left_ms else self.timeout_s
        call = request.call(claim.target)
        try:
            async with asyncio.timeout(seconds):
                if not request.stream:
                    return await self.provider.complete(call)
                async with DeltaWriter(self.store, claim) as deltas:
                    return await self.provider.stream(call, deltas.emit)
        except TimeoutError:
            late = bool(claim.left_ms) and seconds < self.timeout_s
            raise _TooLate(ErrorKind.AMBIGUOUS, f"no complete reply within {seconds:g} s", expired=late) from None

    def _judge(self, claim: Claim, request: JobRequest, error: ProviderError) -> Outcome:
        if isinstance(error, _TooLate) and error.expired:
            return Ended(error, State.EXPIRED)
        if error.partial_text and request.stream:
            # Somebody may have read the beginning: another beginning must not follow it.
            return Ended(error, State.FAILED)
        return decide(claim, error, lambda: self.book.next_target(claim, request))

    def _stopped(self, claim: Claim) -> Outcome:
        error = ProviderError(ErrorKind.AMBIGUOUS, "stopped in mid-call")
        if claim.name in self._cancelled:
            self._cancelled.discard(claim.name)
            return Ended(error, State.CANCELLED)
        # The worker stops at once: the call may have been charged, the job goes on elsewhere.
        return Deferred(error, 0, counts=False)

    async def _acknowledge(self, claim: Claim, outcome: Outcome, latency_ms: int) -> None:
        """One clause an outcome; every operation is repeated until the store has it."""
        keys, name = self.store.keys, (claim.id, claim.attempt)
        plan, price = self.book.plan(claim.target), self.book.price
        match outcome:
            case Succeeded(completion):
                nano = price(claim.target, completion)
                report = reports.of_success(claim, completion, nano, plan)
                reply = reports.reply_json(claim, completion, nano, latency_ms)
                await self._persist(settle(keys, name, reply, report))
            case Deferred(error, delay_ms, counts, pause):
                report = reports.of_error(claim, error, price, latency_ms)
                if pause:
                    await self._persist(steering.pause_batch(keys, claim.batch, pause))
                await self._persist(
                    requeue(keys, name, "job.deferred", delay_ms=delay_ms, report=report, counts=counts)
                )
            case Rerouted(error, fields):
                report = reports.of_error(claim, error, price, latency_ms)
                await self.book.ensure_plan(fields["tg"])
                await self._persist(
                    requeue(keys, name, "job.rerouted", delay_ms=0, report=report, counts=True, fields=fields)
                )
            case Ended(error, state):
                report = reports.of_error(claim, error, price, latency_ms)
                envelope = reports.error_json(claim, error, latency_ms)
                await self._persist(fail(keys, name, state, envelope, report, str(error)))
            case Released():
                await self._persist(
                    requeue(keys, name, "job.released", delay_ms=0, report=reports.of_release(), counts=False)
                )

    async def release(self, claim: Claim, why: str) -> None:
        """Hands a job back that was not called."""
        await self._acknowledge(claim, Released(why), 0)

    async def divert(self, why: str, claim: Claim) -> None:
        """Moves a waiting job whose target is out of reach to the next one that can do it."""
        try:
            request = JobRequest.decode(claim.request)
        except HomaError:
            return
        fields = self.book.next_target(claim, request)
        if fields is not None:
            await self.book.ensure_plan(fields["tg"])
            await self.store.run(divert(self.store.keys, claim.id, claim.target, why, fields))

    async def _persist(self, op: Op[Any]) -> None:
        """Until the store has it. Not even a cancelled task gives up a reply that arrived."""
        await persist(self.store, op, self.watch)
