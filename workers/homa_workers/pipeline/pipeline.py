"""What happens to a job, as verbs. Who reads this page knows what a worker does.

    read the request → call the provider, under deadline and cancel watch → judge what came back → acknowledge

A reply that arrived is stored before anything else happens to it, and is kept for as long as the store is away. The
pipeline is the only place that knows this order; providers, rules and store operations don't know each other.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from time import perf_counter
from typing import Any, TypeVar

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Embeddings, Usage
from homa_shared.calls.request import EMBEDDING, JobRequest, NewerRequest
from homa_shared.model.errors import HomaError, StoreFull, StoreUnavailable
from homa_shared.model.json_safe import sound, valid_text
from homa_shared.model.records import State
from homa_shared.store.client import AsyncStore
from homa_shared.store.operation import Op
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim, Report, ReportResult, divert, fail, requeue, settle
from homa_shared.store.transitions.skipped_targets import note_skipped
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.fleet.prefix_warmup import Key, Prefixes
from homa_workers.fleet.token_calibration import FLUSH_S, TokenLearning
from homa_workers.fleet.vector_cache import VectorCache
from homa_workers.observe.attempt_log import Watch
from homa_workers.outcomes import reports
from homa_workers.outcomes.outcomes import (
    Declined,
    Deferred,
    Ended,
    Interrupted,
    Outcome,
    Released,
    Rerouted,
    Spent,
    Succeeded,
    paid_usage,
)
from homa_workers.outcomes.retry_policy import decide, stay_in_pool
from homa_workers.pipeline.steps import Chat, Embedding, Halted, SteppedAttempt, is_refusal, takes_steps
from homa_workers.pipeline.steps.halting import Unsent, ended, stopped
from homa_workers.providers.base import Provider
from homa_workers.store_io.media import SWEEP_S, Media
from homa_workers.store_io.persist import NOT_HERE_MS, hand_back, persist, shielded
from homa_workers.store_io.replay_buffer import Recent
from homa_workers.store_io.stream_writer import DeltaWriter
from homa_workers.tools import Toolbox

T = TypeVar("T")


class Pipeline:
    """Carries jobs of one provider from claim to acknowledgement.

    Args:
        store: where claims come from and reports go.
        provider: the account's adapter.
        book: prices and plans of the fleet, following its changes.
        timeout_s: seconds for one whole call.
        watch: told of every attempt (logs, Sentry).
        media: puts images and documents into requests; without it only those in the store itself.
        toolbox: tools that this process runs; without it all that are registered.
    """

    def __init__(
        self,
        store: AsyncStore,
        provider: Provider,
        book: FleetBook,
        timeout_s: float,
        watch: Watch,
        media: Media | None = None,
        toolbox: Toolbox | None = None,
    ) -> None:
        self.store = store
        self.provider = provider
        self.book = book
        self.timeout_s = timeout_s
        self.watch = watch
        self.media = media or Media(store)
        self.toolbox = toolbox or Toolbox()
        self.learning = TokenLearning(store)
        self.prefixes = Prefixes(book)
        self.vectors = VectorCache(store)
        #: Reports that the store has taken of late.
        self.recent = Recent()
        self._skipped: dict[str, list[tuple[str, str]]] = {}
        self._cancelled: set[str] = set()
        #: Attempts of several calls, until their line is written.
        self._pursued: dict[str, SteppedAttempt] = {}

    async def run(self, claim: Claim) -> Outcome:
        """One attempt, from claim to acknowledgement. Cancelling it hands the job on, with the call's cost open."""
        started = perf_counter()
        outcome = await self._attempt(claim)
        latency_ms = round((perf_counter() - started) * 1000)
        nano = self._nano(claim, outcome)
        spent = self._spent(claim, outcome, nano)
        answer: ReportResult | None = None
        try:
            acknowledging = self._acknowledge(claim, outcome, latency_ms, nano)
            # A good reply is told in one operation; what takes several must not stop between two of them.
            answer = await (acknowledging if isinstance(outcome, Succeeded) else shielded(acknowledging))
        finally:
            self._cancelled.discard(claim.name)
            self.watch.attempt(claim, outcome, latency_ms, spent, answer)
        await self.media.done(claim, outcome)
        if isinstance(outcome, Succeeded) and outcome.recalled is not None:
            await self.vectors.keep(outcome.recalled.entries)
        return outcome

    @property
    def chores(self) -> Sequence[tuple[float, Callable[[], Awaitable[None]]]]:
        """What has to be done every so many seconds beside the jobs."""
        return ((SWEEP_S, self.media.sweep), (FLUSH_S, self.learning.flush))

    def cancel(self, task: asyncio.Task[None], claim: Claim) -> None:
        """Stops a running attempt because its job was cancelled: the provider's connection is closed at once.

        Told again, it changes nothing: what is acknowledged by then must not be cut.
        """
        if claim.name in self._cancelled:
            return
        self._cancelled.add(claim.name)
        # Not before its first step: it has a claim to acknowledge.
        asyncio.get_running_loop().call_soon(task.cancel)

    async def _attempt(self, claim: Claim) -> Outcome:
        try:
            request = JobRequest.decode(claim.request)
        except NewerRequest as error:
            self.watch.too_new(claim)
            return Released(str(error), NOT_HERE_MS)
        except HomaError as error:
            return Ended(ProviderError(ErrorKind.INVALID_REQUEST, f"unreadable request: {error}"), State.FAILED)
        if request.skipped and claim.attempt == 1:
            try:
                await self._note_skipped(claim, request.skipped)
            except asyncio.CancelledError:
                return Released("stopped before its call")
        found = await self.media.whole(claim, request)
        if not isinstance(found, JobRequest):
            return found
        request = found
        try:
            if takes_steps(request):
                return _welcome(claim, request, await self._pursue(claim, request))
            call = request.call(claim.target)
            completion = await self._sharing(claim, call, stream=request.stream)
            self.learning.note(claim.target, call, completion)
            return _welcome(claim, request, Succeeded(completion))
        except Halted as halt:
            return halt.outcome
        except ProviderError as error:
            return self._judge(claim, request, error)
        except Exception as error:
            self.watch.unexpected(claim, error)
            return Ended(ProviderError(ErrorKind.INTERNAL, f"{type(error).__name__}: {error}"), State.FAILED)

    async def _pursue(self, claim: Claim, request: JobRequest) -> Succeeded:
        """The answer over as many calls as it takes, each one that is not the last journaled as a step."""
        attempt = SteppedAttempt(
            self.store, claim, self.book, self.watch, lambda: claim.name in self._cancelled, self.recent
        )
        self._pursued[claim.name] = attempt

        async def call_once(call: Call, again: bool) -> Completion:
            completion = await self._sharing(attempt.timed_claim, call, stream=request.stream, again=again)
            self.learning.note(claim.target, call, completion)
            return completion

        async def embed_once(model: str, texts: list[str], params: dict[str, Any]) -> Embeddings:
            found = await self._timed(attempt.timed_claim, self.provider.embed(model, texts, params))
            if not found.usage.is_sane:
                found = replace(found, usage=Usage(), metered=False)
            self.learning.note_texts(claim.target, texts, found)
            return found

        if request.kind == EMBEDDING:
            return await Embedding(attempt, request, embed_once, self.vectors).answer()
        return Succeeded(await Chat(attempt, request, self.toolbox, call_once).answer(), attempt.tally)

    async def _sharing(self, claim: Claim, call: Call, *, stream: bool, again: bool = False) -> Completion:
        """A call whose prefix others may share: the first of them goes ahead, so that the rest find it kept."""
        call, prefix = self.prefixes.fitted(claim.target, self.book.spoken(claim.target, call))
        if prefix is None:
            return await self._call(claim, call, stream=stream, again=again)
        claim, leads = await self._in_turn(claim, prefix, again=again)
        kept = False
        try:
            completion = await self._call(claim, call, stream=stream, again=again)
            kept = True
            return completion
        finally:
            self.prefixes.called(prefix, led=leads, kept=kept)

    async def _in_turn(self, claim: Claim, prefix: Key, *, again: bool) -> tuple[Claim, bool]:
        """The claim, with what is left of its time when it may call, and whether its call is its prefix's first."""
        began = perf_counter()
        try:
            leads = await self.prefixes.leads(prefix, claim.left_ms / 1000 or None)
        except asyncio.CancelledError:
            if claim.name in self._cancelled:
                raise ended(Unsent("cancelled", "cancelled before its call"), State.CANCELLED) from None
            why = "stopped before its call"
            # One without steps goes back as if it had not been taken.
            raise (stopped(why) if again else Halted(Released(why))) from None
        waited_ms = round((perf_counter() - began) * 1000)
        return (replace(claim, left_ms=max(1, claim.left_ms - waited_ms)) if claim.left_ms else claim), leads

    async def _call(self, claim: Claim, call: Call, *, stream: bool, again: bool = False) -> Completion:
        """One call; `again` says that what was streamed before it is void."""
        if not stream:
            return _sound(await self._timed(claim, self.provider.complete(call)))
        deltas = DeltaWriter(self.store, claim, again=again)
        ending = "broken"
        try:
            completion = await self._timed(claim, self.provider.stream(call, deltas.emit), lambda: deltas.text)
            # From here on nothing may lose the reply: neither the deadline nor a cancel.
            ending = "done"
            return _sound(completion)
        finally:
            await deltas.finish(ending)

    async def _timed(self, claim: Claim, work: Awaitable[T], seen: Callable[[], str] = str) -> T:
        """A call under its deadline: the provider's time, or the job's own where that is shorter.

        Args:
            seen: the text that a stream has delivered so far.
        """
        expires = 0 < claim.left_ms < self.timeout_s * 1000
        seconds = claim.left_ms / 1000 if expires else self.timeout_s
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await work
        except TimeoutError as error:
            late = f"no complete reply within {seconds:g} s"
            if expires and limit.expired():
                raise Interrupted("expired", f"{late}: the job's deadline", seen()) from None
            # An adapter that lets a bare TimeoutError through means the same.
            raise ProviderError(ErrorKind.AMBIGUOUS, late, partial_text=seen()) from error
        except asyncio.CancelledError:
            why = "cancelled" if claim.name in self._cancelled else "stopped"
            raise Interrupted(why, f"{why} in mid-call", seen()) from None

    def _judge(self, claim: Claim, request: JobRequest, error: ProviderError) -> Outcome:
        if isinstance(error, Interrupted):
            return self._end_or_leave(claim, error)
        if error.usage is not None and not error.usage.is_sane:
            error.usage = None
        # Somebody may have read the beginning: another model's words must not follow it.
        begun = bool(error.partial_text) and request.stream
        stays = None if begun else stay_in_pool(claim, error, self.book.members(claim.queue))
        if stays is not None:
            return stays
        wider = error.kind is ErrorKind.CONTEXT_TOO_LONG
        skipped = self._skipped[claim.name] = []
        return decide(
            claim, error, lambda: self.book.next_target(claim, request, wider=wider, skipped=skipped), switch=not begun
        )

    def _end_or_leave(self, claim: Claim, error: Interrupted) -> Outcome:
        if error.why == "cancelled":
            return Ended(error, State.CANCELLED)
        if error.why == "expired":
            return Ended(error, State.EXPIRED)
        # The worker stops at once. The call may have been made, so that only a job that bears two goes on elsewhere.
        return Ended(error, State.FAILED) if claim.on_ambiguous == "fail" else Deferred(error, 0, counts=False)

    def _nano(self, claim: Claim, outcome: Outcome) -> int | None:
        """What a reply cost. A price that cannot be found must not lose the reply: the job is then unpriced."""
        if isinstance(outcome, Succeeded) and not outcome.called:
            return 0
        usage = paid_usage(outcome)
        if usage is None:
            return None
        body = outcome.completion.body if isinstance(outcome, Succeeded) else {}
        try:
            return self.book.price(claim.target, Completion(body, usage))
        except Exception as error:
            self.watch.unexpected(claim, error)
            return None

    def _spent(self, claim: Claim, outcome: Outcome, nano: int | None) -> Spent:
        """What the attempt's replies come to, its steps and the last one.

        Args:
            nano: what the last one cost.
        """
        pursued = self._pursued.pop(claim.name, None)
        before = pursued.spent if pursued else Spent()
        usage = paid_usage(outcome)
        if usage is None and isinstance(outcome, Succeeded) and outcome.called:
            return before.and_reply(Usage(), None)
        return before if usage is None else before.and_reply(usage, nano)

    async def _acknowledge(
        self, claim: Claim, outcome: Outcome, latency_ms: int, nano: int | None
    ) -> ReportResult | None:
        """One clause an outcome; every operation is repeated until the store has it."""
        keys, name, price = self.store.keys, (claim.id, claim.attempt), self.book.price
        await self._note_skipped(claim, self._skipped.pop(claim.name, ()))
        match outcome:
            case Succeeded(completion, tally, recalled):
                last = tally.claim if tally else claim
                told = reports.of_success(last, completion, nano, self.book.plan(claim.target))
                report = self._signed(claim, told if outcome.called else reports.of_recall(claim))
                reply = reports.reply_json(last, completion, nano, latency_ms, tally, recalled)
                return await self._report(settle(keys, name, await self.media.stowed(claim, reply), report))
            case Deferred(error, delay_ms, counts, pause):
                report = self._signed(claim, reports.of_error(claim, error, price, latency_ms))
                if pause:
                    await self._persist(admin.pause_batch(keys, claim.batch, valid_text(pause)))
                return await self._report(
                    requeue(keys, name, "job.deferred", delay_ms=delay_ms, report=report, counts=counts)
                )
            case Rerouted(error, fields, counts):
                report = self._signed(claim, reports.of_error(claim, error, price, latency_ms))
                await self._persist_plan(fields["tg"])
                return await self._report(
                    requeue(keys, name, "job.rerouted", delay_ms=0, report=report, counts=counts, fields=fields)
                )
            case Ended(error, state):
                report = self._signed(claim, reports.of_error(claim, error, price, latency_ms))
                envelope = reports.error_json(claim, error, latency_ms)
                return await self._report(fail(keys, name, state, envelope, report, valid_text(str(error))))
            case Released(_, delay_ms):
                await hand_back(self.store, claim, self.watch, delay_ms=delay_ms)
                return None

    async def divert(self, why: str, claim: Claim) -> bool:
        """Moves a waiting job whose target is out of reach to the next one that can do it; false where there is none.

        Raises:
            StoreUnavailable: the job waits where it waited, and is offered again.
        """
        try:
            request = JobRequest.decode(claim.request)
        except HomaError:
            return False
        skipped: list[tuple[str, str]] = []
        fields = self.book.next_target(claim, request, skipped=skipped)
        if fields is None:
            return False
        await self._note_skipped(claim, skipped)
        await self.book.ensure_plans([fields["tg"]])
        await self.store.run(divert(self.store.keys, claim.id, claim.target, why, fields))
        return True

    async def _note_skipped(self, claim: Claim, skipped: Sequence[tuple[str, str]]) -> None:
        """Tells a job's history which targets were passed over; no job waits for that."""
        if skipped:
            with contextlib.suppress(StoreUnavailable, StoreFull):
                await self.store.run(note_skipped(self.store.keys, claim.id, skipped))

    async def _persist_plan(self, target: str) -> None:
        op = self.book.writing([target])
        if op is not None:
            await self._persist(op)
            self.book.written([target])

    def _signed(self, claim: Claim, report: Report) -> Report:
        """Says whose call it was: another worker may have made one under the same number, where the store forgot."""
        return replace(self.book.with_saving(claim.target, report), worker=self.watch.worker, target=claim.target)

    async def _report(self, op: Op[T]) -> T:
        """Until the store has it, and again should the store come back without it."""
        return await self._persist(op, self.recent)

    async def _persist(self, op: Op[T], recent: Recent | None = None) -> T:
        """Until the store has it. Not even a cancelled task gives up a reply that arrived."""
        return await persist(self.store, op, self.watch, recent)


def _sound(completion: Completion) -> Completion:
    """A reply whose text the store can hold; one whose usage is none is not metered."""
    body = sound(completion.body)
    if not completion.usage.is_sane:
        return replace(completion, body=body, usage=Usage(), metered=False)
    return completion if body is completion.body else replace(completion, body=body)


def _welcome(claim: Claim, request: JobRequest, outcome: Succeeded) -> Succeeded:
    """A reply, unless a content policy speaks in it and the job would rather hear the next target.

    Raises:
        Declined: it would, there is one, and nobody has read the beginning.
    """
    completion = outcome.completion
    was_read = request.stream and completion.text
    may_leave = claim.on_content_policy == "reroute" and claim.fallbacks_left and not was_read
    if may_leave and is_refusal(completion):
        raise Declined(completion)
    return outcome
