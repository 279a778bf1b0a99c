"""Lets the first call of a prompt prefix go ahead, so that others find it in the provider's prompt cache."""

from __future__ import annotations

from collections.abc import Awaitable

from homa_shared.calls.reply import Call, Completion
from homa_workers.attempt import RunningAttempt
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.fleet.prefix_warmup import Key, Prefixes
from homa_workers.middleware.base import Middleware

#: Where an attempt keeps the prefix of its present call, and whether that call is the prefix's first.
_PREFIX, _LEADS = "prefix_warmup.prefix", "prefix_warmup.leads"


class PrefixWarmup(Middleware):
    """Marks what a call shares with others only where its target keeps that, and lets the first such call go ahead.

    It comes last: what it looks at is the call as it is made, and whoever leads must not be held up by others.

    Args:
        book: says which models have a prompt cache.
    """

    #: `Prefixes` keeps a limit of its own.
    hook_s = None
    adapts_content = False

    def __init__(self, book: FleetBook) -> None:
        self.prefixes = Prefixes(book)

    def adapt_call(self, attempt: RunningAttempt, call: Call) -> Call:
        if call.shared is None:
            return call
        call, prefix = self.prefixes.fitted(attempt.claim.target, call)
        attempt.notes[_PREFIX] = prefix
        return call

    def before_call(self, attempt: RunningAttempt, call: Call) -> Awaitable[None] | None:
        prefix = attempt.notes.get(_PREFIX)
        return None if prefix is None else self._take_turn(attempt, prefix)

    async def _take_turn(self, attempt: RunningAttempt, prefix: Key) -> None:
        attempt.notes[_LEADS] = await self.prefixes.leads(prefix, attempt.left_s)

    def after_call(self, attempt: RunningAttempt, call: Call, result: Completion | Exception) -> None:
        prefix = attempt.notes.pop(_PREFIX, None)
        if prefix is not None:
            self.prefixes.called(prefix, led=attempt.notes.pop(_LEADS, False), kept=isinstance(result, Completion))
