"""An account whose key stands in a file: where the key is refused, the file is read again before anything fails.

Keys are rotated by writing the file anew; a worker that read it once would fail every job from then on.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Embeddings
from homa_shared.model.errors import ConfigError
from homa_workers.providers.base import Emit, Provider, account_params
from homa_workers.providers.second_request import Another, once_more

T = TypeVar("T")


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
        self._adapter = make(key)
        #: Of keys before: calls may still be in flight there.
        self._former: list[Provider] = []

    @property
    def name(self) -> str:
        return self._adapter.name

    @property
    def kind(self) -> str:
        return self._adapter.kind

    @property
    def own_params(self) -> Mapping[str, Any]:
        """The account's parameters, as its adapter tells them."""
        return account_params(self._adapter)

    async def complete(self, call: Call) -> Completion:
        return await self._with_present_key(lambda adapter: adapter.complete(call))

    async def stream(self, call: Call, emit: Emit) -> Completion:
        return await self._with_present_key(lambda adapter: adapter.stream(call, emit))

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        return await self._with_present_key(lambda adapter: adapter.embed(model, inputs, params))

    async def count(self, call: Call) -> int | None:
        return await self._with_present_key(lambda adapter: adapter.count(call))

    async def aclose(self) -> None:
        for adapter in (*self._former, self._adapter):
            await adapter.aclose()

    async def _with_present_key(self, work: Callable[[Provider], Awaitable[T]]) -> T:
        """A call, and once more where its key was refused and another one stands in the file."""
        adapter = self._adapter

        def another(refusal: ProviderError) -> Another[T] | None:
            if refusal.kind is not ErrorKind.UNAUTHORIZED or not self._has_another(adapter):
                return None
            return "with the key that its file holds now", lambda: work(self._adapter)

        return await once_more(lambda: work(adapter), another)

    def _has_another(self, refused: Provider) -> bool:
        if self._adapter is not refused:
            return True
        try:
            key = self._read_key()
            if key == self._key:
                return False
            following = self._make(key)
        except ConfigError:
            # Written this moment, or of no use: the refusal stands.
            return False
        self._former.append(self._adapter)
        self._key, self._adapter = key, following
        return True
