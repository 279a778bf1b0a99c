"""Prefixes that calls share: which are worth telling the provider of, and whose first call goes ahead of the others.

Where writing to a prompt cache costs more than plain input, a thousand calls that begin at once would all write the
same prefix, since it can be read only once the first of them is being answered. So the first one leads, and the others
of its prefix wait for it, at most `HOLD_S`; a prefix that was called for within its life is not waited for at all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic

from homa_shared.calls.reply import Call
from homa_shared.calls.shared_prefix import SharedPrefix, is_marked
from homa_shared.kinds.profile import PromptCaching
from homa_workers.fleet.fleet_cache import FleetBook

#: Longest wait for the first call of a prefix, s: what it reads is then most likely kept, long as its answer may be.
HOLD_S = 5.0
#: How long providers keep a prefix that is not called for, s.
LIFE_S = 300.0
#: Prefixes that are remembered.
_MOST = 1000

#: Target and digest of a prefix.
Key = tuple[str, str]


@dataclass(slots=True)
class _Prefix:
    #: When its first call began.
    began_s: float
    #: Set when that has ended.
    settled: asyncio.Event = field(default_factory=asyncio.Event)
    #: Until when the provider keeps it.
    until_s: float = 0.0


class Prefixes:
    """What one worker knows of the prefixes that its calls share.

    Args:
        book: says which models have a prompt cache.
        hold_s: longest wait for the first call of a prefix.
        clock_s: seconds that only go forward.
    """

    def __init__(self, book: FleetBook, *, hold_s: float = HOLD_S, clock_s: Callable[[], float] = monotonic) -> None:
        self._book, self._hold_s, self._clock_s = book, hold_s, clock_s
        self._prefixes: dict[Key, _Prefix] = {}
        self._tokens: dict[Key, int] = {}

    def fitted(self, target: str, call: Call) -> tuple[Call, Key | None]:
        """A call that marks what is shared only where the target keeps it, and the prefix that is worth waiting for."""
        if call.shared is None:
            return call, None
        caching = self._book.caching(target)
        key = (target, call.shared.digest(call.messages, call.params)) if caching else None
        if caching is None or key is None or not self._is_kept(caching, key, call, call.shared):
            return replace(call, shared=None), None
        return call, key if caching.writes_cost else None

    async def leads(self, key: Key, left_s: float | None = None) -> bool:
        """Returns when a call may be made: true for the first one of its prefix, which then has to tell `called`.

        Args:
            left_s: time left of the job; half of it may be spent here.
        """
        patient_until_s = self._clock_s() + (self._hold_s if left_s is None else min(self._hold_s, left_s / 2))
        while True:
            now_s, prefix = self._clock_s(), self._prefixes.get(key)
            if prefix is None or (prefix.settled.is_set() and prefix.until_s <= now_s):
                self._lead(key, now_s)
                return True
            give_up_s = min(patient_until_s, prefix.began_s + self._hold_s)
            if prefix.settled.is_set() or now_s >= give_up_s:
                return False
            try:
                async with asyncio.timeout(give_up_s - now_s):
                    await prefix.settled.wait()
            except TimeoutError:
                return False

    def called(self, key: Key, *, led: bool, kept: bool) -> None:
        """A call of a prefix has ended.

        Args:
            led: it was the first one.
            kept: it was answered, so that the provider has the prefix now.
        """
        prefix = self._prefixes.get(key)
        if prefix is None:
            return
        if kept:
            prefix.until_s = self._clock_s() + LIFE_S
        if kept or led:
            # One of those that wait leads next, where this one came to nothing.
            prefix.settled.set()

    def _lead(self, key: Key, now_s: float) -> None:
        if len(self._prefixes) >= _MOST:
            self._prefixes = {k: p for k, p in self._prefixes.items() if not p.settled.is_set() or p.until_s > now_s}
        self._prefixes[key] = _Prefix(now_s)

    def _is_kept(self, caching: PromptCaching, key: Key, call: Call, shared: SharedPrefix) -> bool:
        if is_marked(call.messages):
            return False
        tokens = self._tokens.get(key)
        if tokens is None:
            if len(self._tokens) >= _MOST:
                self._tokens.clear()
            tokens = self._tokens[key] = shared.tokens(call.messages, call.params, call.model)
        return tokens >= caching.least_tokens
