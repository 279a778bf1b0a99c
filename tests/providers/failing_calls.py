"""Calls that are expected to fail, and what makes them."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable

import pytest

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call, Delta
from homa_workers.providers.base import Provider


async def failure(call: Awaitable[object]) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await call
    return caught.value


async def ignore(_: Delta) -> None:
    """Take a piece and do nothing."""


BOTH = pytest.mark.parametrize("kind", ["openai", "anthropic"])

HALF_A_REPLY = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n" + b'{"id": "x", '


def call_by(provider: Provider, way: str, call: Call) -> Awaitable[object]:
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "complete": lambda: provider.complete(call),
        "stream": lambda: provider.stream(call, ignore),
    }
    return ways[way]()


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
