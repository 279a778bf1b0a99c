"""Plain requests straight to the wire: what aiohttp does for a call of a JSON API, without its request and response.

Not everything goes this way. A proxy, a password in the address, a body that must go out in pieces, a header that says
how the body is framed: all of these, and every stream, stay with aiohttp, which knows them all.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from dataclasses import replace
from urllib.request import getproxies, getproxies_environment, proxy_bypass

import httpx2
from yarl import URL

from homa_shared.model.errors import ConfigError
from homa_shared.settings.proxies import proxy_for
from homa_workers.providers.base import HttpSettings
from homa_workers.providers.decompression import inflated
from homa_workers.providers.http1.pool import ConnectionPool, Origin
from homa_workers.providers.http1.reply_parser import Reply

#: Larger bodies do not go out in one piece, which would hold the loop up.
ONE_PIECE_BYTES = 256 * 1024
#: Headers that change how a message is framed, or what its connection is for.
_FRAMING = frozenset(
    b"connection expect host keep-alive proxy-authorization te trailer transfer-encoding upgrade".split()
)
#: What goes without saying, and is not repeated.
_SAID = (b"connection", b"keep-alive")
#: RFC 9110, 5.1 and 5.5: a token; anything but controls.
_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")


class DirectExchange:
    """Exchanges with the server of one base URL.

    Args:
        origin: the server.
        pool: its connections.
        most_bytes: of a reply, before and after decompression.
    """

    def __init__(self, origin: Origin, pool: ConnectionPool, most_bytes: int) -> None:
        self._origin = origin
        self._pool = pool
        self._most_bytes = most_bytes

    @classmethod
    def to(
        cls, settings: HttpSettings, tls: Callable[[], ssl.SSLContext], *, connect_timeout_s: float
    ) -> DirectExchange | None:
        """Exchanges with the server of some settings; None where requests to it have to go another way."""
        url = httpx2.URL(settings.base_url)
        if url.scheme not in ("http", "https") or url.userinfo or not url.host or _is_proxied(settings.base_url):
            return None
        origin = Origin.of(url)
        pool = ConnectionPool(
            origin,
            tls,
            connect_timeout_s=connect_timeout_s,
            silence_s=settings.read_timeout_s,
            keep_alive_s=settings.keep_alive_s,
            most_bytes=settings.most_bytes,
        )
        return cls(origin, pool, settings.most_bytes)

    def head(self, request: httpx2.Request) -> bytes | None:
        """A request up to the length of its body; None where it has to go another way."""
        if request.url.userinfo or Origin.of(request.url) != self._origin:
            return None
        host = request.url.netloc
        lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.url.raw_path), b"host: " + host]
        for name, value in request.headers.raw:
            lowered = name.lower()
            if (lowered, value.lower()) in (_SAID, (b"host", host)):
                continue
            if lowered in _FRAMING or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
                return None
            if lowered != b"content-length":
                lines.append(b"%b: %b" % (name, value))
        return b"\r\n".join((*lines, b"content-length: "))

    async def send(self, head: bytes, content: bytes, request: httpx2.Request) -> Reply:
        """Sends a request and returns its reply, decompressed.

        Args:
            head: as `head` makes it.
            content: one that `goes_in_one_piece`.
            request: what errors name.

        Raises:
            httpx2.TransportError, httpx2.DecodingError: as `AiohttpClient` raises them.
        """
        try:
            coming = self._pool.exchange(b"%b%d\r\n\r\n%b" % (head, len(content), content))
            del content
            reply = await coming
            if encoding := reply.headers.pop("content-encoding", ""):
                whole = await inflated(reply.content, encoding, reply.status, self._most_bytes)
                return replace(reply, content=whole)
        except httpx2.RequestError as error:
            error.request = request
            raise
        return reply

    async def aclose(self) -> None:
        """Closes every connection."""
        await self._pool.aclose()


def goes_in_one_piece(content: bytes) -> bool:
    """Whether a body can be written at once; `DirectExchange` takes no others."""
    return len(content) <= ONE_PIECE_BYTES


def environment_proxy(url: str) -> str | None:
    """The proxy that the environment, else the system, sets for a URL; read once, since it is slow to ask for.

    Raises:
        ConfigError: calls cannot go through it.
    """
    parsed = URL(url)
    if getproxies_environment() or not parsed.host:
        return proxy_for(url)
    return None if proxy_bypass(parsed.host) else getproxies().get(parsed.scheme)


def _is_proxied(url: str) -> bool:
    try:
        return environment_proxy(url) is not None
    except ConfigError:
        # Told by whoever would go through it.
        return True
