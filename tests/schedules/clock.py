"""A store whose clock a test sets: the one fragment that asks for the time reads a key of the namespace instead."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import redis

from homa_shared.store import scripts

_ASKED = "local TIME = redis.call('TIME')"
_READ = "local TIME = redis.call('HMGET', P .. 'test.clock', 's', 'us')"


@contextmanager
def simulated_clock() -> Iterator[None]:
    """While it holds, all scripts go by `SimulatedClock`; other processes' do not."""
    real = scripts._read
    source = real("lib/time.lua")
    assert source.count(_ASKED) == 1

    def read(path: str) -> str:
        return source.replace(_ASKED, _READ) if path == "lib/time.lua" else real(path)

    scripts._read = read
    _forget_scripts()
    try:
        yield
    finally:
        scripts._read = real
        _forget_scripts()


def _forget_scripts() -> None:
    for known in (scripts._fragment, scripts._put_together):
        known.cache_clear()


class SimulatedClock:
    """The clock of one namespace."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self._client, self._key = client, f"{prefix}test.clock"
        self.now = 0

    def set(self, now_ms: int) -> None:
        self.now = now_ms
        self._client.hset(self._key, mapping={"s": now_ms // 1000, "us": now_ms % 1000 * 1000})
