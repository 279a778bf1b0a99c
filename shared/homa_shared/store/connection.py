"""Clients of the store, sync and async, with every choice of redis-py's that matters made explicitly.

* Two retries with jittered backoff, where redis-py 8 has ten: an outage is the pipeline's to sit out, a retry here only
  bridges a dropped connection. A command whose reply timed out may then run twice; Homa's scripts are idempotent by
  (job, attempt, step), so the second run gets the first one's answer. Nothing else may be sent that is not repeatable.
* A pool that waits for a free connection; redis-py's default raises.
* RESP2 without legacy conversions, undecoded: a reply is bytes, int, list or None, whatever server or command.
* Commands are packed by wire.py.
* TCP keepalive plus a limit on unacknowledged data, so that a vanished peer is noticed without a read timeout.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelConnectionPool
from redis.backoff import EqualJitterBackoff
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from homa_shared.store.address import StoreAddress, masked
from homa_shared.store.errors import store_error, store_errors
from homa_shared.store.sentinels import AsyncSentinels, Sentinels
from homa_shared.store.wire import Packer, whole_connections

__all__ = ["StoreAddress", "connect_async", "connect_sync", "masked", "store_error", "store_errors"]

CONNECT_TIMEOUT_S = 5.0
#: A slice of Homa's work blocks the store for milliseconds; ten seconds without a reply is an outage.
READ_TIMEOUT_S = 10.0
POOL_WAIT_S = 20.0
HEALTH_CHECK_S = 30
RETRIES = 2
_BACKOFF_BASE_S, _BACKOFF_CAP_S = 0.05, 0.5
#: Data that the peer's kernel does not acknowledge for so long ends the connection (TCP_USER_TIMEOUT, Linux).
_UNACKNOWLEDGED_MS = 30_000


def connect_sync(
    address: StoreAddress,
    *,
    role: str = "client",
    max_connections: int = 16,
    blocking: bool = False,
    read_timeout_s: float = READ_TIMEOUT_S,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    within_s: float | None = None,
) -> redis.Redis:
    """A client for threads. It connects at the first command, and anew after a fork; close it with `close()`.

    Args:
        address: the store.
        role: what the connection is for; `CLIENT LIST` shows it as `homa-<role>`.
        max_connections: most connections at once; a command waits for a free one.
        blocking: for commands that wait in the store (BLPOP, XREAD BLOCK): no read timeout.
        read_timeout_s: seconds to wait for a reply otherwise.
        connect_timeout_s: seconds to wait for a connection.
        within_s: seconds that a command may take with all its tries, where that is less.
    """
    if within_s is not None:
        each_s = within_s / (RETRIES + 1)
        read_timeout_s, connect_timeout_s = min(read_timeout_s, each_s), min(connect_timeout_s, each_s)
    options = _options(address, role, None if blocking else read_timeout_s, connect_timeout_s)
    options |= {"max_connections": max_connections, "timeout": POOL_WAIT_S, "retry": _retry(_OneBudgetRetry)}
    options["command_packer"] = Packer()
    pool: redis.ConnectionPool
    if address.service is not None:
        sentinel = Sentinels(address.hosts, _sentinel_options(address, Retry, connect_timeout_s))
        pool = _SentinelPool(address.service, sentinel, **options)  # type: ignore[no-untyped-call]
    else:
        pool = _Pool(connection_class=_connection_class(address, redis), **options)  # type: ignore[no-untyped-call]
    # from_pool makes the client the pool's owner: closing one closes the other.
    return redis.Redis.from_pool(pool)


def connect_async(
    address: StoreAddress,
    *,
    role: str = "client",
    max_connections: int = 16,
    blocking: bool = False,
    read_timeout_s: float = READ_TIMEOUT_S,
    connect_timeout_s: float = CONNECT_TIMEOUT_S,
    within_s: float | None = None,
) -> redis.asyncio.Redis:
    """A client for one event loop; arguments as for `connect_sync`. Close it with `await client.aclose()`."""
    if within_s is not None:
        each_s = within_s / (RETRIES + 1)
        read_timeout_s, connect_timeout_s = min(read_timeout_s, each_s), min(connect_timeout_s, each_s)
    options = _options(address, role, None if blocking else read_timeout_s, connect_timeout_s)
    options |= {"max_connections": max_connections, "timeout": POOL_WAIT_S, "retry": _retry(_OneBudgetAsyncRetry)}
    pool: redis.asyncio.ConnectionPool
    if address.service is not None:
        sentinel = AsyncSentinels(address.hosts, _sentinel_options(address, AsyncRetry, connect_timeout_s))
        pool = _AsyncSentinelPool(address.service, sentinel, **options)  # type: ignore[no-untyped-call]
    else:
        pool = _AsyncPool(connection_class=_connection_class(address, whole_connections), **options)
    return redis.asyncio.Redis.from_pool(pool)


class _OneBudget:
    """redis-py retries a command and, within each try, connecting: three tries of both are nine, a minute and a half of
    a mute store. Within a try of a command this tries to connect once. Each connection has a retry object of its own.
    """

    _retries: int
    _trying = False

    @contextmanager
    def _budget(self) -> Iterator[None]:
        if self._trying:
            retries, self._retries = self._retries, 0
            try:
                yield
            finally:
                self._retries = retries
        else:
            self._trying = True
            try:
                yield
            finally:
                self._trying = False


class _OneBudgetRetry(_OneBudget, Retry):
    def call_with_retry(self, *args: Any, **options: Any) -> Any:
        with self._budget():
            return super().call_with_retry(*args, **options)


class _OneBudgetAsyncRetry(_OneBudget, AsyncRetry):
    async def call_with_retry(self, *args: Any, **options: Any) -> Any:
        with self._budget():
            return await super().call_with_retry(*args, **options)


class _Pool(redis.BlockingConnectionPool):
    """A waiting pool that is closed in two steps: what another thread uses, when it gives that back.

    redis-py would close the socket under that thread's read, which then meets a closed file instead of an error of the
    connection.
    """

    _closed = False

    def disconnect(self, inuse_connections: bool = True) -> None:
        self._closed = self._closed or inuse_connections
        super().disconnect(inuse_connections=False)

    def release(self, connection: Any) -> None:
        if self._closed:
            connection.disconnect()
        super().release(connection)  # type: ignore[no-untyped-call]


class _SentinelPool(SentinelConnectionPool, _Pool):
    """redis-py has a pool that asks sentinels and a pool that waits; this is both. It closes its sentinels' clients."""

    def close(self) -> None:
        super().close()
        self.sentinel_manager.close()


class _AsyncPool(redis.asyncio.BlockingConnectionPool):
    """A waiting pool that starts empty in a forked child, as redis-py's sync pools do and its async ones don't."""

    #: Connections of a parent process, kept from the garbage collector: closing one here would unregister it from the
    #: epoll instance that parent and child share, and so deafen the parent. One list for all pools.
    _inherited: list[object] = []

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._pid = os.getpid()

    async def get_connection(self, *args: Any, **options: Any) -> Any:
        if self._pid != os.getpid():
            self._disown()
        return await super().get_connection(*args, **options)  # type: ignore[no-untyped-call]

    def _disown(self) -> None:
        self._inherited.extend((self._available_connections, self._in_use_connections, self._condition, self._lock))
        self._available_connections, self._in_use_connections = [], set()
        self._condition, self._lock = type(self._condition)(), type(self._lock)()
        self._pid = os.getpid()


class _AsyncSentinelPool(AsyncSentinelConnectionPool, _AsyncPool):
    """The same for a store behind sentinels."""

    async def aclose(self) -> None:
        await super().aclose()
        await self.sentinel_manager.aclose()


def _options(
    address: StoreAddress, role: str, read_timeout_s: float | None, connect_timeout_s: float
) -> dict[str, Any]:
    options: dict[str, Any] = {
        "db": address.db,
        "username": address.username,
        "password": address.password,
        "client_name": f"homa-{role}",
        "socket_timeout": read_timeout_s,
        "socket_connect_timeout": connect_timeout_s,
        "health_check_interval": HEALTH_CHECK_S,
        "protocol": 2,
        "legacy_responses": False,
        "decode_responses": False,
    }
    if address.socket_path is not None:
        return options | {"path": str(address.socket_path)}
    options |= {"socket_keepalive": True, "socket_keepalive_options": _keepalive()}
    if address.service is None:
        host, port = address.hosts[0]
        return options | {"host": host, "port": port} | _tls_options(address.options)
    return options | _sentinel_tls_options(address)


def _tls_options(given: Mapping[str, str]) -> dict[str, Any]:
    options: dict[str, Any] = {name: value for name, value in given.items() if name.startswith("ssl_")}
    if "ssl_check_hostname" in options:
        options["ssl_check_hostname"] = options["ssl_check_hostname"].lower() == "true"
    elif options.get("ssl_cert_reqs") == "none":
        # OpenSSL refuses to check a host name against a certificate that it was told not to look at.
        options["ssl_check_hostname"] = False
    return options


def _sentinel_tls_options(address: StoreAddress) -> dict[str, Any]:
    """The same for what redis-py chooses the class of connections for: sentinels' clients, and what they lead to."""
    return {"ssl": True} | _tls_options(address.options) if address.is_tls else {}


def _sentinel_options(address: StoreAddress, retry: type, connect_timeout_s: float) -> dict[str, Any]:
    return {
        "username": address.options.get("sentinel_username"),
        "password": address.options.get("sentinel_password"),
        "socket_timeout": connect_timeout_s,
        "socket_connect_timeout": connect_timeout_s,
        # The next sentinel is the retry.
        "retry": retry(EqualJitterBackoff(), 0),
        "protocol": 2,
        "legacy_responses": False,
        **_sentinel_tls_options(address),
    }


def _connection_class(address: StoreAddress, package: Any) -> Any:
    if address.socket_path is not None:
        return package.UnixDomainSocketConnection
    return package.SSLConnection if address.is_tls else package.Connection


def _retry(kind: type) -> Any:
    return kind(EqualJitterBackoff(cap=_BACKOFF_CAP_S, base=_BACKOFF_BASE_S), RETRIES)


def _keepalive() -> dict[int, int]:
    """Idle 30 s, then three probes 5 s apart; constants that a platform lacks are left out."""
    wanted = {
        "TCP_KEEPIDLE": 30,
        "TCP_KEEPALIVE": 30,  # macOS's name for TCP_KEEPIDLE
        "TCP_KEEPINTVL": 5,
        "TCP_KEEPCNT": 3,
        "TCP_USER_TIMEOUT": _UNACKNOWLEDGED_MS,
    }
    return {getattr(socket, name): value for name, value in wanted.items() if hasattr(socket, name)}
