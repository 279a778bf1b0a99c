"""Operations of concurrent tasks share a write, and nothing else: what is wrong with one is no other's concern."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from homa_shared.model.errors import StoreUnavailable
from homa_shared.store.client import AsyncStore
from homa_shared.store.connection import StoreAddress, connect_sync
from homa_shared.store.embedded import EmbeddedStore
from homa_shared.store.operation import Command, Op, read
from homa_shared.store.transitions import admin as steering
from tests.patience import PATIENCE_S


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


async def test_a_store_that_takes_no_scripts_is_named_instead_of_asked_for_ever(fresh_store: EmbeddedStore) -> None:
    address = StoreAddress.parse(fresh_store.ensure())
    admin = connect_sync(address)
    admin.execute_command("ACL", "SETUSER", "guest", "on", ">word", "~*", "&*", "+@all", "-script")
    admin.close()
    store = AsyncStore(replace(address, username="guest", password="word"), "acl")
    async with asyncio.timeout(PATIENCE_S):
        with pytest.raises(StoreUnavailable, match="grant them with `ACL SETUSER"):
            await store.run(steering.pause_queue(store.keys, "p"))
    assert await store.run(echo("still alive")) == b"still alive"
    await store.aclose()
