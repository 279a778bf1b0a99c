"""Sessions of browsers: a random token in a cookie, whose digest leads in the store to the key that opened it.

A session is worth what its key is: once that is revoked, no page opens any more, a second later at most. The store has
sessions, so that gateways side by side share them; it keeps no token, so that whoever reads it opens nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict

from homa.gateway.access.doorkeeper import FRESH_S
from homa.gateway.access.principal import Principal
from homa.gateway.errors import ApiError
from homa.gateway.live_jobs import LiveJobs
from homa_shared.store.gateway_keys import split_key
from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, read, text

#: How long a session lives, whatever happens in it, s.
SESSION_S = 12 * 3600
#: Sessions whose principal is remembered for FRESH_S.
_MOST = 1000
_TOKEN_BYTES = 32


class Sessions:
    """Opens, finds and ends sessions.

    Args:
        jobs: the store's door.
    """

    def __init__(self, jobs: LiveJobs) -> None:
        self._jobs = jobs
        self._known: OrderedDict[str, tuple[Principal, float]] = OrderedDict()

    async def open(self, shown: str) -> str:
        """A session for whoever shows a key; returns its token.

        Raises:
            ApiError: it is no key, or not in force.
        """
        parts = split_key(shown.strip())
        found = await self._jobs.find_key(parts[0]) if parts else None
        if parts is None or found is None or found.key is None or not found.key.opens(parts[1]):
            raise ApiError(401, "this key is not valid here, or was revoked", "invalid_api_key")
        token = new_token()
        await (await self._jobs.store()).run(_put(self._jobs.keys, _digest(token), found.key.id))
        return token

    async def find(self, token: str) -> Principal | None:
        """Who opened a session; None where it is over, or its key was revoked."""
        digest = _digest(token)
        known = self._known.get(digest)
        if known is not None and time.monotonic() < known[1]:
            return known[0]
        key_id = await (await self._jobs.store()).run(_key_of(self._jobs.keys, digest))
        found = await self._jobs.find_key(key_id) if key_id else None
        if found is None or found.key is None or found.key.revoked_ms is not None:
            self._known.pop(digest, None)
            return None
        principal = Principal.of(found.key)
        self._known[digest] = (principal, time.monotonic() + FRESH_S)
        while len(self._known) > _MOST:
            self._known.popitem(last=False)
        return principal

    async def end(self, token: str) -> None:
        """Ends a session."""
        self._known.pop(_digest(token), None)
        await (await self._jobs.store()).run(_remove(self._jobs.keys, _digest(token)))


def new_token() -> str:
    return secrets.token_urlsafe(_TOKEN_BYTES)


def csrf_of(token: str) -> str:
    """What forms of a session have to show: a page of another site can neither read nor guess it."""
    return hmac.new(token.encode(), b"homa dashboard form", hashlib.sha256).hexdigest()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _name(keys: Keys, digest: str) -> str:
    return keys.own("gateway", f"session:{digest}")


def _put(keys: Keys, digest: str, key_id: str) -> Op[None]:
    return read((("SET", _name(keys, digest), key_id, "EX", SESSION_S),), lambda _: None)


def _key_of(keys: Keys, digest: str) -> Op[str]:
    return read((("GET", _name(keys, digest)),), lambda replies: text(replies[0]))


def _remove(keys: Keys, digest: str) -> Op[None]:
    return read((("DEL", _name(keys, digest)),), lambda _: None)
