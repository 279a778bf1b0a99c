"""The HTTP client that Homa hands to the OpenAI and Anthropic SDKs: httpx2's interface on aiohttp.

Both SDKs take an `http_client`, and both carry an aiohttp one. Homa brings its own for two reasons.

1. *What a failure cost.* OpenAI's reports each refused or dropped connection as a timeout, Anthropic's each dropped one
   as a failure to connect. For a paid call it matters whether the request can have reached the provider: a failure to
   connect costs nothing, all else may have. Here what failed before a byte was written (no address, no connection,
   no TLS, a proxy that refused, a header that cannot be sent, a connection known to be closed) is raised as
   `httpx2.ConnectError`, and nothing else is.
2. *CPU.* A worker with thousands of calls in flight is bound by it. Building a request and walking httpx2's redirect,
   auth and cookie handling costs more than aiohttp's whole exchange; none of it is of use to a JSON API. Plain requests
   do not even need aiohttp (`direct_exchange`); streams, proxies and large bodies do.

What is left out on purpose: redirects (a moved endpoint is a wrong setting, and following it would send a paid request
twice), cookies (a job must not depend on an earlier one), retries.
"""

from __future__ import annotations

import asyncio
import io
import json
import ssl
from collections.abc import AsyncGenerator
from contextvars import ContextVar
from functools import cached_property, lru_cache
from typing import Any

import aiohttp
import httpx2
from aiohttp.connector import Connection
from multidict import CIMultiDict
from yarl import URL

from homa_workers.providers.base import HttpSettings
from homa_workers.providers.decompression import Inflater, inflated
from homa_workers.providers.direct_exchange import DirectExchange, environment_proxy, goes_in_one_piece
from homa_workers.providers.exchange_errors import of_request, sent, unsent
from homa_workers.providers.recording import held_back
from homa_workers.providers.reply_room import ROOM
from homa_workers.providers.reply_size import (
    BROKEN,
    LimitedResponse,
    ReplyTooLarge,
    is_failure,
    limited_response,
    most_read,
)

#: Seconds for DNS, TCP and TLS. Below the pipeline's deadline, since what never connected cost nothing.
CONNECT_TIMEOUT_S = 30.0

#: Decodes any byte. Where none is set, httpx2 tries encodings over all headers at the first look-up.
HEADER_ENCODING = "iso-8859-1"


class AiohttpClient(httpx2.AsyncClient):
    """An `httpx2.AsyncClient` that sends through aiohttp and skips what a JSON API never needs.

    The session opens at the first request, in its loop.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._exchange = AiohttpTransport(settings)
        super().__init__(transport=self._exchange, trust_env=False, timeout=None, follow_redirects=False)
        # What the transport decompresses; httpx2 would name whatever else is installed.
        self.headers["accept-encoding"] = self._accept_encoding = "gzip, deflate"

    def build_request(self, method: str, url: httpx2.URL | str, **options: Any) -> httpx2.Request:
        headers, content = options.pop("headers", None), options.pop("content", None)
        if not isinstance(headers, list) or not isinstance(content, bytes) or options.get("params"):
            return super().build_request(method, url, headers=headers, content=content, **options)
        headers.append(("accept-encoding", self._accept_encoding))
        request = httpx2.Request(method, _httpx_url(str(url)), headers=headers, stream=httpx2.ByteStream(content))
        request.headers.encoding = HEADER_ENCODING
        return request

    @property
    def direct(self) -> DirectExchange | None:
        """The way of plain requests that need not even this client; None where there is none to this server."""
        return self._exchange.direct

    async def send(self, request: httpx2.Request, *, stream: bool = False, **_: Any) -> httpx2.Response:
        if (seen := held_back()) is not None:
            seen.append(request)
            return httpx2.Response(200, content=b"{}", request=request)
        if stream:
            return await self._exchange.handle_async_request(request)
        return await self._exchange.exchange(request)


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """One aiohttp session, speaking httpx2's requests, responses and exceptions."""

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._most_bytes = settings.most_bytes
        self._timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_TIMEOUT_S, sock_read=settings.read_timeout_s)
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return its response unread."""
        response = await self._send(request)
        headers, encoding = _headers(response)
        body = _Body(response, encoding, request, self._most_bytes)
        return _Response(response.status, headers=headers, stream=body, request=request)

    async def exchange(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return its response read."""
        content = request.read()
        if self.direct and goes_in_one_piece(content) and (head := self.direct.head(request)):
            reply = await self.direct.send(head, content, request)
            headers = httpx2.Headers(reply.headers, encoding=HEADER_ENCODING)
            return _Response(reply.status, headers=headers, content=reply.content, request=request)
        response = await self._send(request)
        headers, encoding = _headers(response)
        try:
            content = await response.read()
            if encoding:
                content = await inflated(content, encoding, response.status, self._most_bytes)
        except Exception as error:
            raise of_request(sent(error), request) from error
        return _Response(response.status, headers=headers, content=content, request=request)

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()
        if "direct" in vars(self) and self.direct is not None:
            await self.direct.aclose()

    @cached_property
    def direct(self) -> DirectExchange | None:
        """How plain requests go out; None where they have to go by aiohttp."""
        return DirectExchange.to(self._settings, lambda: self._tls, connect_timeout_s=CONNECT_TIMEOUT_S)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        # It holds all of the machine's authorities: one is enough.
        return httpx2.create_ssl_context()

    async def _send(self, request: httpx2.Request) -> LimitedResponse:
        session = self._session or self._open()
        body = request.read()
        written: list[bool] = []
        _WRITTEN.set(written)
        try:
            response = await session.request(
                request.method,
                _yarl_url(str(request.url)),
                headers=CIMultiDict(request.headers.multi_items()),
                data=body if goes_in_one_piece(body) else io.BytesIO(body),
                allow_redirects=False,
            )
            assert isinstance(response, LimitedResponse), "the session makes no others"
            return response
        except Exception as error:
            if not written and isinstance(session.connector, aiohttp.TCPConnector):
                # As `ConnectionPool`: the server may have moved.
                session.connector.clear_dns_cache()
            raise of_request(sent(error) if written else unsent(error), request) from error

    def _open(self) -> aiohttp.ClientSession:
        secure = self._settings.base_url.startswith("https")
        connector = aiohttp.TCPConnector(
            limit=self._settings.connections,
            ssl=self._tls if secure else True,
            ttl_dns_cache=60,
            # Zero would stand for aiohttp's own default.
            keepalive_timeout=self._settings.keep_alive_s or 0.001,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=self._timeout,
            response_class=limited_response(self._most_bytes),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            request_class=_Request,
            proxy=environment_proxy(self._settings.base_url),
        )
        return self._session


#: What reading a body may raise.
_UNREADABLE = (*BROKEN, ReplyTooLarge, httpx2.DecodingError)
#: Not empty from when the present task's request may have reached its connection.
_WRITTEN: ContextVar[list[bool]] = ContextVar("_WRITTEN")


class _Request(aiohttp.ClientRequest):
    """A request that notes when its bytes go out; what fails before has cost nothing.

    aiohttp serializes headers before it writes anything, and checks in the same breath whether the connection lives.
    """

    async def send(self, conn: Connection) -> aiohttp.ClientResponse:
        if conn.transport is None or conn.transport.is_closing():
            raise aiohttp.ClientConnectionResetError("the server had closed the connection before anything was sent")
        response = await super().send(conn)
        # The request to a proxy for a tunnel is not the call.
        if self.method != "CONNECT":
            _WRITTEN.get([]).append(True)
        return response


class _Response(httpx2.Response):
    """A response whose JSON may hold bytes that are not UTF-8: a refusal in such words is a refusal all the same."""

    def json(self, **kwargs: Any) -> Any:
        try:
            return super().json(**kwargs)
        except UnicodeDecodeError:
            return json.loads(self.content.decode(errors="replace"), **kwargs)


class _Body(httpx2.AsyncByteStream):
    """A response's bytes as they arrive, decompressed. Closing it before the end closes the connection."""

    def __init__(
        self, response: aiohttp.ClientResponse, encoding: str, request: httpx2.Request, most_bytes: int
    ) -> None:
        self._response = response
        self._encoding = encoding
        self._request = request
        self._most_bytes = most_read(response.status, most_bytes)

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        size, share = 0, ROOM.share()
        try:
            inflater = Inflater(self._encoding, self._most_bytes)
            async for chunk in self._response.content.iter_any():
                for turn, piece in enumerate(inflater.feed(chunk)):
                    if turn:
                        await asyncio.sleep(0)
                    if piece:
                        yield piece
                        # Whoever reads a stream keeps what it says.
                        size += len(piece)
                        await share.grown(size)
        except _UNREADABLE as error:
            # Of a failure, its status and the beginning of its body say what it is.
            if not is_failure(self._response.status):
                raise of_request(sent(error), self._request) from error
        finally:
            share.leave()
            # Not every SDK closes its response when its reader is cancelled.
            await self.aclose()

    async def aclose(self) -> None:
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


def _headers(response: aiohttp.ClientResponse) -> tuple[httpx2.Headers, str]:
    """Headers of a body that is handed on without its compression, and that; of one that is repeated the last."""
    headers = {name.lower(): value for name, value in response.raw_headers}
    encoding = headers.pop(b"content-encoding", b"")
    return httpx2.Headers(headers, encoding=HEADER_ENCODING), encoding.decode(HEADER_ENCODING)


@lru_cache(maxsize=256)
def _httpx_url(url: str) -> httpx2.URL:
    return httpx2.URL(url)


@lru_cache(maxsize=256)
def _yarl_url(url: str) -> URL:
    return URL(url, encoded=True)
