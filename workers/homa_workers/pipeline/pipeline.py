"""What happens to a job, as verbs. Who reads this page knows what a worker does.

    read the request → call the provider, under deadline and cancel watch → judge what came back → acknowledge

A reply that arrived is stored before anything else happens to it, and is kept for as long as the store is away. The
pipeline is the only place that knows this order; providers, rules and store operations don't know each other. What is
optional is told of it: middleware.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.request import EMBEDDING, JobRequest, NewerRequest
from homa_shared.model.errors import HomaError
from homa_shared.model.records import State
from homa_shared.model.targets import Target
from homa_shared.store.client import AsyncStore
from homa_shared.store.transitions.attempts import ReportResult
from homa_workers.attempt import RunningAttempt
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.fleet.vector_cache import VectorCache
from homa_workers.middleware.chain import MiddlewareChain
from homa_workers.observe.worker_log import WorkerLog
from homa_workers.outcomes.halting import Halted, refused, stopped_before_call
from homa_workers.outcomes.judgement import accept_or_decline, judge
from homa_workers.outcomes.outcomes import Ended, Outcome, Released, Succeeded, succeeded
from homa_workers.pipeline.acknowledge import Acknowledger
from homa_workers.pipeline.around_call import AroundCaller
from homa_workers.pipeline.call import Caller
from homa_workers.pipeline.code_steps import run_code
from homa_workers.pipeline.departures import Departures
from homa_workers.pipeline.flow_prompts import FlowPrompts
from homa_workers.pipeline.reckoning import Reckoned, reckoned
from homa_workers.pipeline.skipping import tell_skipped
from homa_workers.pipeline.splitting import split_by_code
from homa_workers.pipeline.steps import Chat, Embedding, Judged, StepJournal, takes_steps
from homa_workers.pipeline.waits import answered_from_outside
from homa_workers.providers.base import Provider
from homa_workers.providers.secrets import NO_SECRETS, Secrets
from homa_workers.store_io.group_commit import GroupCommit
from homa_workers.store_io.media import Media
from homa_workers.store_io.persist import NOT_HERE_MS
from homa_workers.store_io.replay_buffer import Recent
from homa_workers.tools import Toolbox


class Pipeline:
    """Carries jobs of one provider from claim to acknowledgement.

    Args:
        store: where claims come from and reports go.
        provider: the account's adapter.
        book: prices and plans of the fleet, following its changes.
        timeout_s: seconds for one whole call.
        log: the worker's.
        middleware: told of every attempt.
        media: puts images and documents into requests.
        vectors: the cache of single texts' vectors.
        toolbox: tools that this process runs; without it all that are registered.
        secrets: what nothing that leaves the worker may hold.
        gather_s: how long a good reply waits for others to be settled with, s.
    """

    def __init__(
        self,
        store: AsyncStore,
        provider: Provider,
        book: FleetBook,
        timeout_s: float,
        log: WorkerLog,
        middleware: MiddlewareChain,
        media: Media,
        vectors: VectorCache,
        toolbox: Toolbox | None = None,
        *,
        secrets: Secrets = NO_SECRETS,
        gather_s: float = 0,
    ) -> None:
        self.store = store
        self.provider = provider
        self.book = book
        self.log = log
        self.middleware = middleware
        self.media = media
        self.flow_prompts = FlowPrompts(store, media, log)
        self.toolbox = toolbox or Toolbox()
        self.vectors = vectors
        #: Reports that the store has taken of late.
        self.recent = Recent()
        self.secrets = secrets
        self.departures = Departures(store, log, self._reserve_anew)
        parts = (store, provider, book, timeout_s, middleware, self.departures, secrets)
        around = middleware.around
        self.caller = AroundCaller(around, self._allow, log, *parts) if around else Caller(*parts)
        self._running = 0
        self.group = GroupCommit(store, gather_s, lambda: self._running, log)
        self.acknowledger = Acknowledger(store, book, log, self.media, self.recent, self.group, secrets)

    async def run(self, attempt: RunningAttempt, first: Awaitable[None] | None = None) -> Outcome:
        """One attempt, from claim to acknowledgement. Cancelling it hands the job on, with the call's cost open.

        Args:
            first: what comes before anything else; its errors are its own.
        """
        attempt.begin()
        self._running += 1
        result: ReportResult | None = None
        try:
            outcome = await self._outcome(attempt, first)
            attempt.end()
            try:
                result = await self.acknowledger.acknowledge(attempt, outcome)
                attempt.is_acknowledged = True
            finally:
                await self.middleware.attempt_ended(attempt, outcome, result)
            return outcome
        finally:
            self._running -= 1

    async def _outcome(self, attempt: RunningAttempt, first: Awaitable[None] | None) -> Outcome:
        try:
            if first is not None:
                await self._before_all(attempt, first)
            await self._read(attempt)
            return await self._answer(attempt)
        except Halted as halt:
            return halt.outcome

    async def _before_all(self, attempt: RunningAttempt, first: Awaitable[None]) -> None:
        try:
            await self.departures.in_time(attempt, first)
        except asyncio.CancelledError:
            raise stopped_before_call(attempt) from None

    async def _read(self, attempt: RunningAttempt) -> None:
        """The request, with its media in their places."""
        try:
            attempt.request = JobRequest.decode(attempt.claim.request)
        except NewerRequest as error:
            self.log.too_new(attempt.claim)
            raise Halted(Released(str(error), NOT_HERE_MS)) from error
        except HomaError as error:
            raise refused(f"unreadable request: {error}") from error
        attempt.claim.forget_request()
        own = self.book.fleet.tenants.get(attempt.claim.tenant)
        if attempt.request.regions or (own is not None and own.regions):
            self._require_region(attempt)
        try:
            if attempt.request.skipped and attempt.claim.attempt == 1:
                await tell_skipped(self.store, attempt.claim, attempt.request.skipped)
            place = attempt.request.flow
            if place is not None and not self.flow_prompts.filled(attempt, place):
                await self.departures.in_time(attempt, self.flow_prompts.fill(attempt, place))
            if self.media.needed(attempt.request):
                await self.departures.in_time(attempt, self.media.complete(attempt))
        except asyncio.CancelledError:
            raise Halted(Released("stopped before its call")) from None

    def _require_region(self, attempt: RunningAttempt) -> None:
        """Refuses what its pin keeps from this account: the settings may have changed since the job was submitted."""
        claim = attempt.claim
        why = self.book.fleet.region_lack(Target.parse(claim.target), claim.tenant, attempt.request.regions)
        if why is not None:
            raise refused(f"{claim.target} may not get it: {why}; submit it again, to a target that may")

    async def _answer(self, attempt: RunningAttempt) -> Outcome:
        """What the provider made of it, judged."""
        try:
            return accept_or_decline(attempt, await self._call(attempt))
        except Halted:
            raise
        except ProviderError as error:
            return self._judged(attempt, error)
        except Exception as error:
            self.log.defect(error, attempt.claim)
            message = self.secrets.hidden(f"{type(error).__name__}: {error}")
            return Ended(ProviderError(ErrorKind.INTERNAL, message), State.FAILED)

    def _judged(self, attempt: RunningAttempt, error: ProviderError) -> Outcome:
        """What an error means for the job; where nobody can say, it ends with it: what the call cost is not lost."""
        try:
            return judge(attempt, error, self.book)
        except Exception as defect:
            self.log.defect(defect, attempt.claim)
            return Ended(error, State.FAILED)

    async def _call(self, attempt: RunningAttempt) -> Succeeded:
        """The answer, over as many calls as it takes; each one that is not the last is journaled as a step."""
        request = attempt.request
        if request.kind == EMBEDDING:
            return await Embedding(self._journal(attempt), self.caller, self.vectors).answer()
        if request.rules.wait is not None:
            return answered_from_outside(attempt, request.rules.wait)
        if takes_steps(request):
            if request.rules.splits:
                return await split_by_code(attempt, self.toolbox, self.store, self.log)
            if request.rules.code:
                return await run_code(attempt, self.toolbox)
            if request.rules.judge is not None:
                return await Judged(self._journal(attempt), self.toolbox, self.caller, request.rules.judge).answer()
            completion = await Chat(self._journal(attempt), self.toolbox, self.caller).answer()
            return succeeded(completion, attempt.answered_by)
        asked = request.call(attempt.claim.target, attempt.claim.fallbacks_left)
        call, changed = await self.caller.prepare(attempt, asked)
        if (found := reckoned(self.book, attempt, call, changed)) is not None:
            await self._journal(attempt).allow(found.need, why=found.why)
        return succeeded(await self.caller.complete(attempt, call), attempt.answered_by)

    async def _allow(self, attempt: RunningAttempt, found: Reckoned) -> None:
        """Reserves for a call that middleware has changed.

        Raises:
            Halted: as `StepJournal.allow`.
        """
        await self._journal(attempt).allow(found.need, why=found.why)

    async def _reserve_anew(self, attempt: RunningAttempt) -> None:
        """Reserves for a call that stood by.

        Raises:
            Halted: as `StepJournal.allow`.
        """
        await self._journal(attempt).reserve_anew()

    def _journal(self, attempt: RunningAttempt) -> StepJournal:
        return StepJournal(self.store, attempt, self.book, self.log, self.recent, self.secrets)
