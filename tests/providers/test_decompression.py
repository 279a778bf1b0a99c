"""Compressed bodies, hostile ones among them: what is made of them is bounded, and the event loop takes its turns."""

from __future__ import annotations

import asyncio
import gzip
import random
import zlib
from collections.abc import Awaitable
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from homa_shared.calls.reply import Call
from homa_workers.providers.base import ProviderConfig
from homa_workers.providers.decompression import MOST_MEMBERS, Inflater, inflated
from homa_workers.providers.registry import create
from homa_workers.providers.reply_size import ReplyTooLarge
from tests.providers.shapes import chunk
from tests.providers.stub import Stub, reply
from tests.providers.test_openai import Pieces

EMPTY = gzip.compress(b"")


async def turns_during(work: Awaitable[object]) -> int:
    """How many turns the event loop takes meanwhile."""
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    await work
    counting.cancel()
    return turns


def test_decompression_goes_in_small_pieces() -> None:
    pieces = list(Inflater("gzip", 10_000_000).feed(gzip.compress(bytes(5_000_000))))
    assert sum(map(len, pieces)) == 5_000_000
    assert max(map(len, pieces)) <= 256 * 1024
    with pytest.raises(ReplyTooLarge):
        list(Inflater("gzip", 4_999_999).feed(gzip.compress(bytes(5_000_000))))
    with pytest.raises(httpx2.DecodingError):
        Inflater("br", 10)


@pytest.mark.parametrize("step", [1, 7, 1000])
def test_members_of_gzip_are_read_however_they_are_cut(step: int) -> None:
    body = gzip.compress(b"Hi ") + gzip.compress(b"") + gzip.compress(b"there")
    inflater = Inflater("gzip", 100)
    read = b"".join(piece for n in range(0, len(body), step) for piece in inflater.feed(body[n : n + step]))
    assert read == b"Hi there"
    assert list(inflater.feed(bytes(50))) == []
    with pytest.raises(ReplyTooLarge):
        list(inflater.feed(bytes(50)))


def test_padding_ends_all_members() -> None:
    inflater = Inflater("gzip", 100)
    assert b"".join(inflater.feed(gzip.compress(b"Hi") + bytes(10))) == b"Hi"
    assert b"".join(inflater.feed(gzip.compress(b"there"))) == b""


@pytest.mark.parametrize("member", [EMPTY, gzip.compress(b"a")], ids=["empty", "of a byte"])
async def test_members_without_an_end_are_malformed(member: bytes) -> None:
    assert await inflated(member * MOST_MEMBERS, "gzip", 200, 10_000_000) == gzip.decompress(member) * MOST_MEMBERS
    with pytest.raises(httpx2.DecodingError, match="more than 10000 members"):
        await inflated(member * (MOST_MEMBERS + 1), "gzip", 200, 10_000_000)
    refusal = gzip.compress(b"no") + member * MOST_MEMBERS
    assert (await inflated(refusal, "gzip", 429, 10_000_000)).startswith(b"no")


@pytest.mark.parametrize(
    "body",
    [EMPTY * 3000, gzip.compress(bytes(30_000_000)), gzip.compress(random.Random(1).randbytes(1_000_000))],
    ids=["members", "bomb", "large"],
)
async def test_zlib_is_given_little_in_each_turn_of_the_loop(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, *args: Any) -> None:
            self._inflate = real(*args)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inflate, name)

        def decompress(self, data: bytes, most: int) -> bytes:
            given.append(len(data))
            return self._inflate.decompress(data, most)

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    turns = await turns_during(inflated(body, "gzip", 200, 100_000_000))
    assert max(given) <= 64 * 1024
    assert turns >= len(given) - 1 > 10


async def test_a_stream_of_many_members_lets_the_loop_take_its_turns(stub: Stub) -> None:
    events = [chunk({"content": "a"})] * 500 + [chunk({}, "stop"), "data: [DONE]\n\n"]
    body = b"".join(gzip.compress(event.encode()) for event in events)
    stub.answer = reply(200, body, {"content-type": "text/event-stream", "content-encoding": "gzip"})
    provider = create(ProviderConfig("openai", "openai", SecretStr("sk"), f"{stub.url}/v1"))
    call = Call("m", [{"role": "user", "content": "Hello"}])
    completions = []

    async def work() -> None:
        completions.append(await provider.stream(call, Pieces().emit))

    try:
        assert await turns_during(work()) >= 500
        assert completions[0].text == "a" * 500
    finally:
        await provider.aclose()
