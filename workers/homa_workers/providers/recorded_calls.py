"""Calls of an SDK's client that differ in their bodies alone: what the SDK sends around a body is recorded once.

An SDK builds each request from its options: address, key, headers of its own and the account's, all of which are the
same the next time. So it is asked what it would send, twice and with different bodies; where both requests are alike,
calls go out with that head, and the SDK has no more to do with them. Where they differ (a signature, a key for each
request), or the request is one that `DirectExchange` leaves to others, each call is made by the SDK.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

import httpx2

from homa_workers.providers.direct_exchange import DirectExchange, goes_in_one_piece
from homa_workers.providers.http1.reply_parser import Reply
from homa_workers.providers.recording import Recordings, seen_of
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
        self._recordings: Recordings[_Recorded] = Recordings()

    async def post(self, url: str, content: bytes) -> Reply | None:
        """The reply to a call; None where the SDK has to make it.

        Raises:
            httpx2.HTTPError: there is no reply.
        """
        direct = self._http.direct
        if direct is None or not goes_in_one_piece(content):
            return None
        recorded = self._recordings.get(url)
        if recorded is None:
            recorded = await self._recordings.made(url, partial(self._recorded, url, direct))
            if recorded is None:
                return None
        coming = direct.send(recorded.head, content, recorded.request)
        del content
        return await coming

    async def _recorded(self, url: str, direct: DirectExchange) -> _Recorded | None:
        requests: list[httpx2.Request] = []
        for sample in _SAMPLES:
            seen = await seen_of(partial(self._post, url, sample))
            if seen.error is not None:
                # Perhaps not the call itself, but something that it needs first.
                return None
            requests += seen.requests
        heads = {direct.head(request) for request in requests}
        head = heads.pop() if len(heads) == 1 else None
        return None if head is None else _Recorded(head, requests[0])
