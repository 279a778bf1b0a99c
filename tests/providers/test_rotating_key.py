"""An account whose key is rotated: what was opened for keys before is closed once nothing is in flight there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Completion, Embeddings, Usage
from homa_workers.providers.base import Emit, Provider
from homa_workers.providers.rotating_key import RotatingKeyProvider

CALL = Call("m", [{"role": "user", "content": "Hello"}])


class Keyed:
    """An adapter whose key is refused once another one stands in the file."""

    kind = "openai"

    def __init__(self, key: str, file: File) -> None:
        self.name = key
        self._file = file
        self.closed = 0
        self.may_go = asyncio.Event()

    async def complete(self, call: Call) -> Completion:
        if call.params.get("is_slow"):
            await self.may_go.wait()
        return self._answer()

    async def stream(self, call: Call, emit: Emit) -> Completion:
        return self._answer()

    async def embed(self, model: str, inputs: Sequence[str], params: Mapping[str, Any]) -> Embeddings:
        self._answer()
        return Embeddings(vectors=[], model=model, usage=Usage())

    async def count(self, call: Call) -> int | None:
        self._answer()
        return 1

    async def aclose(self) -> None:
        await asyncio.sleep(0)
        self.closed += 1

    def _answer(self) -> Completion:
        assert not self.closed
        if self.name != self._file.key:
            raise ProviderError(ErrorKind.UNAUTHORIZED, "no", status=401)
        return Completion({"key": self.name}, Usage())


class File:
    """A key's file, and the adapters that were made for what stood in it."""

    def __init__(self) -> None:
        self.key = "key-0"
        self.made: list[Keyed] = []
        self.provider = RotatingKeyProvider(self.key, lambda: self.key, self._make)

    def _make(self, key: str) -> Provider:
        self.made.append(Keyed(key, self))
        return self.made[-1]

    @property
    def closed(self) -> list[int]:
        return [one.closed for one in self.made]


@pytest.fixture
async def file() -> AsyncIterator[File]:
    file = File()
    yield file
    await file.provider.aclose()


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_adapter_of_a_former_key_is_closed_at_once_where_nothing_is_in_flight(file: File) -> None:
    for n in range(1, 4):
        file.key = f"key-{n}"
        await file.provider.complete(CALL)
        await file.provider.count(CALL)
        await turns()
        assert file.closed == [1] * n + [0]


async def test_calls_in_flight_keep_it_open_and_the_last_one_closes_it(file: File) -> None:
    slow = Call("m", CALL.messages, {"is_slow": True})
    first, second = (asyncio.create_task(file.provider.complete(slow)) for _ in range(2))
    await turns()
    file.key = "key-1"
    await file.provider.embed("m", ["a"], {})
    await turns()
    assert file.closed == [0, 0]
    first.cancel()
    await turns()
    assert file.closed == [0, 0]
    file.made[0].may_go.set()
    file.made[1].may_go.set()
    # Its refusal comes after the key has changed.
    assert (await second).body == {"key": "key-1"}
    await turns()
    assert file.closed == [1, 0]


async def test_all_are_closed_with_the_account(file: File) -> None:
    waiting = asyncio.create_task(file.provider.complete(Call("m", CALL.messages, {"is_slow": True})))
    await turns()
    file.key = "key-1"
    await file.provider.stream(CALL, None)  # type: ignore[arg-type]  # nothing is emitted
    await file.provider.aclose()
    assert file.closed == [1, 1]
    waiting.cancel()
    await turns()
    assert file.closed == [1, 1]
