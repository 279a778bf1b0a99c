"""Calls of an SDK's client that differ in their bodies alone: what the SDK sends around a body is recorded once.

An SDK builds each request from its options: address, key, headers of its own and the account's, all of which are the
same the next time. So it is asked what it would send, twice and with different bodies; where both requests are alike,
calls go out with that head, and the SDK has no more to do with them. Where they differ (a signature, a key for each
request), or the request is one that `DirectExchange` leaves to others, each call is made by the SDK.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import httpx2

from homa_workers.providers.direct_exchange import ONE_PIECE_BYTES, DirectExchange
from homa_workers.providers.http1.reply_parser import Reply
from homa_workers.providers.recording import recording
from homa_workers.providers.transport import AiohttpClient

#: Two bodies of different lengths: a header that depends on the body differs, too.
_SAMPLES = (b"{}", b'{"":""}')


class _Recorded(NamedTuple):
    """What goes before the body of each call to one URL."""

    head: bytes
    #: One of the requests, for errors to name.
    request: httpx2.Request


class RecordedCalls:
    """Calls of one client.

    Args:
        http: what the client sends through.
        post: makes the client send a body to a URL.
    """

    def __init__(self, http: AiohttpClient, post: Callable[[str, bytes], Awaitable[object]]) -> None:
        self._http = http
        self._post = post
        self._known: dict[str, _Recorded | None] = {}

    async def post(self, url: str, content: bytes) -> Reply | None:
        """The reply to a call; None where the SDK has to make it.

        Raises:
            httpx2.HTTPError: there is no reply.
        """
        direct = self._http.direct
        if direct is None or len(content) > ONE_PIECE_BYTES:
            return None
        if url not in self._known:
            self._known[url] = await self._recorded(url, direct)
        recorded = self._known[url]
        if recorded is None:
            return None
        coming = direct.send(recorded.head, content, recorded.request)
        del content
        return await coming

    async def _recorded(self, url: str, direct: DirectExchange) -> _Recorded | None:
        with recording() as seen:
            try:
                for sample in _SAMPLES:
                    await self._post(url, sample)
            except Exception:
                # The SDK will say of a real call what is wrong with it.
                return None
        heads = {direct.head(request) for request in seen}
        head = heads.pop()
        return None if heads or head is None else _Recorded(head, seen[0])
