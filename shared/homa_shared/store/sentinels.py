"""Sentinels as redis-py asks them, but for what it says where none knows the store: here, what each has answered.

redis-py names its own objects instead, and drops what was wrong with the connection (an unknown authority, say).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.sentinel import MasterNotFoundError as AsyncMasterNotFoundError
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.sentinel import MasterNotFoundError, Sentinel

Host = tuple[str, int]


class _Client(redis.Redis):
    """One sentinel."""

    #: What went wrong when it was asked last; empty where it answered.
    trouble = ""

    def sentinel_masters(self, *args: Any, **options: Any) -> Any:
        self.trouble = ""
        try:
            return super().sentinel_masters(*args, **options)
        except (RedisConnectionError, RedisTimeoutError) as error:
            self.trouble = str(error)
            raise


class _AsyncClient(redis.asyncio.Redis):
    """The same for an event loop."""

    trouble = ""

    async def sentinel_masters(self, *args: Any, **options: Any) -> Any:
        self.trouble = ""
        try:
            return await super().sentinel_masters(*args, **options)
        except (RedisConnectionError, RedisTimeoutError) as error:
            self.trouble = str(error)
            raise


class Sentinels(Sentinel):
    """Sentinels, for threads.

    Args:
        hosts: of all of them.
        options: of the connections to them.
    """

    def __init__(self, hosts: Sequence[Host], options: dict[str, Any]) -> None:
        super().__init__([], sentinel_kwargs=options)  # type: ignore[no-untyped-call]
        self.sentinels = [_Client(host=host, port=port, **options) for host, port in hosts]

    def discover_master(self, service_name: str) -> Any:
        try:
            return super().discover_master(service_name)  # type: ignore[no-untyped-call]
        except MasterNotFoundError:
            raise MasterNotFoundError(_not_found(service_name, self.sentinels)) from None


class AsyncSentinels(AsyncSentinel):
    """The same for an event loop."""

    def __init__(self, hosts: Sequence[Host], options: dict[str, Any]) -> None:
        super().__init__([], sentinel_kwargs=options)  # type: ignore[no-untyped-call]
        self.sentinels = [_AsyncClient(host=host, port=port, **options) for host, port in hosts]

    async def discover_master(self, service_name: str) -> Any:
        try:
            return await super().discover_master(service_name)
        except AsyncMasterNotFoundError:
            raise AsyncMasterNotFoundError(_not_found(service_name, self.sentinels)) from None


def _not_found(service: str, asked: Iterable[Any]) -> str:
    troubles = [f"{_host(one)}: {one.trouble}" for one in asked if one.trouble]
    return f"No master found for {service!r}" + (f" ({'; '.join(troubles)})" if troubles else "")


def _host(client: Any) -> str:
    known = client.connection_pool.connection_kwargs
    return f"{known['host']}:{known['port']}"
