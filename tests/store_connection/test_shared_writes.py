"""Operations of concurrent tasks share a write, and nothing else: what is wrong with one is no other's concern."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress
from homa_shared.store.op import Command, Op, read


def echo(word: object) -> Op[Any]:
    command: Command = ("ECHO", word)
    return read((command,), lambda replies: replies[0])


@pytest.mark.parametrize(("odd", "error"), [("half a pair \ud83d", UnicodeEncodeError), (None, Exception)])
async def test_an_operation_that_cannot_be_encoded_fails_alone(
    store_address: StoreAddress, namespace: str, odd: object, error: type[Exception]
) -> None:
    store = AsyncStore(store_address, namespace)
    told = await asyncio.gather(*map(store.run, map(echo, ("a", odd, "b"))), return_exceptions=True)
    assert (told[0], told[2]) == (b"a", b"b")
    assert isinstance(told[1], error)
    await store.aclose()
