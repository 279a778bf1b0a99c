"""Tells who sends a request, by its key; while no key has ever been made, whoever sends it from this machine.

What the store says of a key is gone by for at most a second: so long a revoked one may still open.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

from starlette.requests import Request

from homa.gateway.access.local_only import require_local
from homa.gateway.access.principal import LOCAL, Principal
from homa.gateway.errors import ApiError
from homa_shared.store.gateway_keys import FoundKey, split_key

#: How long an answer of the store is gone by, s.
FRESH_S = 0.9
#: Keys that are remembered; a key that opens nothing is not.
_MOST = 10_000

#: Asks the store for the key of an id.
Find = Callable[[str], Awaitable[FoundKey]]


class Doorkeeper:
    """Lets requests in.

    Args:
        find: asks the store.
    """

    def __init__(self, find: Find) -> None:
        self._find = find
        #: SHA-256 of a shown key -> who shows it, and until when that holds; no key as such is kept.
        self._known: OrderedDict[bytes, tuple[Principal, float]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[FoundKey]] = {}
        self._any_made: tuple[bool, float] = (False, 0.0)

    async def admit(self, request: Request) -> Principal:
        """Who sends it.

        Raises:
            ApiError: 401 without a valid key where there are keys; 403 from elsewhere where there are none.
            StoreUnavailable: nobody can tell.
        """
        shown = _shown(request)
        if shown is None:
            if await self.any_made():
                raise ApiError(401, "no key was shown: expected Authorization: Bearer homa_…", "invalid_api_key")
            require_local(request)
            return LOCAL
        known = self._known.get(hashlib.sha256(shown.encode()).digest())
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        return await self._look_up(request, shown)

    async def any_made(self) -> bool:
        """Whether a key was ever made."""
        made, until_s = self._any_made
        # What was made once stays made.
        if not made and time.monotonic() >= until_s:
            self._note((await self._ask("")).any_made)
        return self._any_made[0]

    async def _look_up(self, request: Request, shown: str) -> Principal:
        if not await self.any_made():
            # Official clients want some key: while none has been made, any will do.
            require_local(request)
            return LOCAL
        parts = split_key(shown)
        found = await self._ask(parts[0] if parts else "")
        if parts is None or found.key is None or not found.key.opens(parts[1]):
            raise ApiError(401, "the key that was shown is not valid here, or was revoked", "invalid_api_key")
        principal = Principal.of(found.key)
        self._remember(shown, principal)
        return principal

    async def _ask(self, key_id: str) -> FoundKey:
        """What the store says; requests that ask at the same time share the answer."""
        asking = self._asking.get(key_id)
        if asking is None:
            asking = asyncio.ensure_future(self._find(key_id))
            self._asking[key_id] = asking
            asking.add_done_callback(lambda _: self._asking.pop(key_id, None))
        return await asyncio.shield(asking)

    def _remember(self, shown: str, principal: Principal) -> None:
        self._known[hashlib.sha256(shown.encode()).digest()] = (principal, time.monotonic() + FRESH_S)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)

    def _note(self, any_made: bool) -> None:
        self._any_made = (any_made, time.monotonic() + FRESH_S)


def _shown(request: Request) -> str | None:
    """The key that a request shows: OpenAI's clients as a bearer's, Anthropic's as `x-api-key`."""
    own = request.headers.get("x-api-key")
    if own is not None:
        return own
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    return shown.strip() if scheme.lower() == "bearer" and shown.strip() else None
