"""The calls of attempts: adapted by middleware, made under deadline and cancel watch, streamed where that is wanted."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Embeddings, Usage
from homa_shared.model.json_safe import sound
from homa_shared.quota.call_parts import output_cap
from homa_shared.store.client import AsyncStore
from homa_workers.attempt import RunningAttempt
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.middleware.chain import MiddlewareChain
from homa_workers.outcomes.halting import stopped_before_call
from homa_workers.outcomes.outcomes import Interrupted
from homa_workers.pipeline.departures import Departures
from homa_workers.pipeline.reckoning import says_more
from homa_workers.providers.base import Provider
from homa_workers.providers.second_request import noted_refusals
from homa_workers.providers.secrets import NO_SECRETS, Secrets
from homa_workers.store_io.call_pieces import CallPieces
from homa_workers.store_io.stream_writer import DeltaWriter

T = TypeVar("T")


class Caller:
    """Makes the calls of attempts at one provider.

    Args:
        store: where streamed text goes.
        provider: the account's adapter.
        book: says what targets take.
        timeout_s: seconds for one whole call.
        middleware: adapts calls, and is told of them.
        departures: what is reserved for calls that cannot leave at once.
        secrets: what no error may tell.
    """

    def __init__(
        self,
        store: AsyncStore,
        provider: Provider,
        book: FleetBook,
        timeout_s: float,
        middleware: MiddlewareChain,
        departures: Departures,
        secrets: Secrets = NO_SECRETS,
    ) -> None:
        self._departures = departures
        self._secrets = secrets
        self._store = store
        self._provider = provider
        self._book = book
        self._timeout_s = timeout_s
        self._middleware = middleware

    async def prepare(self, attempt: RunningAttempt, call: Call) -> tuple[Call, str]:
        """A call as it is to be made, and what made it another than the client knew: then it has another need.

        What its account's settings say fills what the call leaves open. What its model does not take is left out or
        translated last, whoever asked for it.

        Raises:
            Halted: the attempt was cancelled meanwhile.
        """
        target = self._book.known(attempt.claim.target)
        try:
            adapting = self._middleware.adapt_call(attempt, target.for_api(call))
            adapted, is_other = await self._departures.in_time(attempt, adapting)
        except asyncio.CancelledError:
            raise stopped_before_call(attempt) from None
        fitted, attempt.parameter_notes = target.fitted(adapted)
        made = self._capped(attempt.claim.target, fitted)
        attempt.params = made.params
        if is_other:
            return made, "middleware has changed its call"
        if attempt.grown or made.params is call.params:
            return made, attempt.grown
        same = target.published and attempt.request.priced == self._book.price_stamp
        reckoned_with = target.as_reckoned(call.params) if same else call.params
        more = says_more(made.params, reckoned_with, self._book.prices, target.target)
        return made, "its account's parameters add to its call" if more else ""

    async def complete(self, attempt: RunningAttempt, call: Call) -> Completion:
        """Makes a call that was prepared, for whose need there is a reservation.

        Raises:
            Halted: the attempt was cancelled before its call, or waited and has neither reservation nor lease any more.
            ProviderError: there is no complete reply.
        """
        try:
            await self._departures.in_time(attempt, self._middleware.before_call(attempt, call))
        except asyncio.CancelledError:
            raise stopped_before_call(attempt) from None
        refusals = noted_refusals()
        try:
            if not self._departures.may_leave(attempt):
                await self._departures.leave(attempt)
            completion = _sanitised(
                await self._streamed(attempt, call)
                if attempt.request.stream
                else await self._within_deadline(attempt, self._provider.complete(call))
            )
        except Exception as error:
            self._hide(error)
            _disbelieve(error)
            self._middleware.after_call(attempt, call, error)
            raise
        finally:
            self._tell(attempt, refusals)
        self._middleware.after_call(attempt, call, completion)
        self._book.note_model(attempt.claim.target, completion.body.get("model"))
        return completion

    async def embed(self, attempt: RunningAttempt, model: str, texts: list[str], params: dict[str, Any]) -> Embeddings:
        """Makes a call that embeds some texts.

        Raises:
            Halted: it waited, and has no reservation any more.
            ProviderError: there are no vectors.
        """
        if not self._departures.may_leave(attempt):
            await self._departures.leave(attempt)
        refusals = noted_refusals()
        try:
            found = await self._within_deadline(attempt, self._provider.embed(model, texts, params))
        except Exception as error:
            self._hide(error)
            _disbelieve(error)
            self._middleware.after_embedding(attempt, texts, error)
            raise
        finally:
            self._tell(attempt, refusals)
        if not found.usage.is_sane:
            found = replace(found, usage=Usage(), metered=False)
        self._middleware.after_embedding(attempt, texts, found)
        return found

    def tool_ended(self, attempt: RunningAttempt, tool: str, call_id: str, began_ns: int, *, failed: bool) -> None:
        """Tells of a tool that the worker ran for an attempt."""
        self._middleware.tool_ended(attempt, tool, call_id, began_ns, failed=failed)

    def _capped(self, target: str, call: Call) -> Call:
        """A call with the output cap that its need is calculated by: one is always sent, whatever the account's is."""
        params = call.params
        # As a rule one of the first two is there; the search among all names of servers takes longer.
        if params.get("max_tokens") or params.get("max_completion_tokens") or output_cap(params):
            return call
        return replace(call, params={**params, "max_tokens": self._book.own_cap(target, params)})

    def _hide(self, error: Exception) -> None:
        """Servers and proxies repeat keys and passwords in what they refuse."""
        if isinstance(error, ProviderError):
            self._secrets.hide(error)

    def _tell(self, attempt: RunningAttempt, refusals: Sequence[str]) -> None:
        """Requests of its call that were refused before the last one."""
        attempt.refused = len(refusals)
        if refusals:
            attempt.parameter_notes += tuple(map(self._secrets.hidden, refusals))

    async def _streamed(self, attempt: RunningAttempt, call: Call) -> Completion:
        # What was streamed for an earlier step is void.
        again = attempt.steps.count > 0
        # Calls of tools that the worker runs itself are no part of the answer.
        told = bool(call.params.get("tools")) and not attempt.request.steps.tools
        calls = CallPieces(self._secrets.in_pieces) if told else None
        hidden = self._secrets.in_pieces()
        deltas = DeltaWriter(self._store, attempt.claim, again=again, hidden=hidden, calls=calls)
        ending = "broken"
        try:
            streaming = self._provider.stream(call, deltas.emit)
            completion = await self._within_deadline(attempt, streaming, lambda: deltas.text)
            # From here on nothing may lose the reply: neither the deadline nor a cancel.
            ending = "done"
            return completion
        finally:
            if attempt.first_text_s is None:
                attempt.first_text_s = deltas.first_s
            await deltas.finish(ending)

    async def _within_deadline(self, attempt: RunningAttempt, work: Awaitable[T], seen: Callable[[], str] = str) -> T:
        """A call under its deadline: the provider's time, or the job's own where that is shorter.

        Args:
            seen: the text that a stream has delivered so far.
        """
        left_s = attempt.left_s
        expires = left_s is not None and left_s < self._timeout_s
        seconds = left_s if left_s is not None and expires else self._timeout_s
        limit = asyncio.timeout(seconds)
        try:
            async with limit:
                return await work
        except TimeoutError as error:
            late = f"no complete reply within {round(seconds, 3):g} s"
            if expires and limit.expired():
                raise Interrupted("expired", f"{late}: the job's deadline", seen()) from None
            # An adapter that lets a bare TimeoutError through means the same.
            raise ProviderError(ErrorKind.AMBIGUOUS, late, partial_text=seen()) from error
        except asyncio.CancelledError:
            why = "cancelled" if attempt.is_cancelled else "stopped"
            raise Interrupted(why, f"{why} in mid-call", seen()) from None


def _sanitised(completion: Completion) -> Completion:
    """A reply whose text the store can hold; one whose numbers of tokens make no sense is not metered."""
    body = sound(completion.body)
    if not completion.usage.is_sane:
        return replace(completion, body=body, usage=Usage(), metered=False)
    return completion if body is completion.body else replace(completion, body=body)


def _disbelieve(error: Exception) -> None:
    """Takes from an error a usage that makes no sense: what it cost stays open."""
    if isinstance(error, ProviderError) and error.usage is not None and not error.usage.is_sane:
        error.usage = None
