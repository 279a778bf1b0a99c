"""An account whose key stands in a file: where the key is refused, the file is read again before anything fails.

Keys are rotated by writing the file anew; a worker that read it once would fail every job from then on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Embeddings
from homa_shared.model.errors import ConfigError
from homa_workers.providers.base import Emit, Provider, account_params
from homa_workers.providers.second_request import Another, once_more

T = TypeVar("T")


@dataclass(eq=False, slots=True)
class _Keyed:
    """The adapter for a key."""

    adapter: Provider
    #: Calls that are in flight on it.
    calls: int = 0


class RotatingKeyProvider:
    """A provider that is made anew when its key has changed.

    Args:
        key: what stands in the file now.
        read_key: reads the file again, and raises ConfigError where it cannot be used.
        make: makes the adapter for a key.
    """

    def __init__(self, key: str, read_key: Callable[[], str], make: Callable[[str], Provider]) -> None:
        self._key = key
        self._read_key = read_key
        self._make = make
        self._present = _Keyed(make(key))
        #: Those of keys before on which calls are still in flight.
        self._former: set[_Keyed] = set()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def name(self) -> str:
        return self._present.adapter.name

    @property
    def kind(self) -> str:
        return self._present.adapter.kind

    @property
    def own_params(self) -> Mapping[str, Any]:
        """The account's parameters, as its adapter tells them."""
        return account_params(self._present.adapter)

    async def complete(self, call: Call) -> Completion:
        return await self._with_present_key(lambda adapter: adapter.complete(call))

    async def stream(self, call: Call, emit: Emit) -> Completion:
        return await self._with_present_key(lambda adapter: adapter.stream(call, emit))

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        return await self._with_present_key(lambda adapter: adapter.embed(model, inputs, params))

    async def count(self, call: Call) -> int | None:
        return await self._with_present_key(lambda adapter: adapter.count(call))

    async def aclose(self) -> None:
        for keyed in (*self._former, self._present):
            await keyed.adapter.aclose()
        self._former.clear()
        await asyncio.gather(*self._closing)

    async def _with_present_key(self, work: Callable[[Provider], Awaitable[T]]) -> T:
        """A call, and once more where its key was refused and another one stands in the file."""
        keyed = self._present

        def another(refusal: ProviderError) -> Another[T] | None:
            if refusal.kind is not ErrorKind.UNAUTHORIZED or not self._has_another(keyed):
                return None
            return "with the key that its file holds now", lambda: self._on(self._present, work)

        return await once_more(lambda: self._on(keyed, work), another)

    async def _on(self, keyed: _Keyed, work: Callable[[Provider], Awaitable[T]]) -> T:
        keyed.calls += 1
        try:
            return await work(keyed.adapter)
        finally:
            keyed.calls -= 1
            if not keyed.calls and keyed in self._former:
                self._former.remove(keyed)
                self._close(keyed)

    def _has_another(self, refused: _Keyed) -> bool:
        if self._present is not refused:
            return True
        try:
            key = self._read_key()
            if key == self._key:
                return False
            following = _Keyed(self._make(key))
        except ConfigError:
            # Written this moment, or of no use: the refusal stands.
            return False
        self._key, self._present = key, following
        if refused.calls:
            self._former.add(refused)
        else:
            self._close(refused)
        return True

    def _close(self, keyed: _Keyed) -> None:
        """Closes an adapter on which nothing is in flight; nobody waits for it but `aclose`."""
        closing = asyncio.create_task(keyed.adapter.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
