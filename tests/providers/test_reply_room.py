"""Large replies share the memory of a process: beyond what they share one goes on at a time, and all of them end."""

from __future__ import annotations

import asyncio
import gzip

import orjson
import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_workers.providers.base import Provider
from homa_workers.providers.json_body import MOST_VALUES, decoded
from homa_workers.providers.reply_room import ROOM, ReplyRoom
from tests.patience import PATIENCE_S
from tests.providers.shapes import CHAT
from tests.providers.stub import Answer, Stub, raw
from tests.providers.test_reply_size import HEAD, Make, asked, make
from tests.worker.cell import until

__all__ = ["make"]
#: A reply of as many bytes as `tests.providers.test_reply_size` allows.
LARGE = orjson.dumps(CHAT).ljust(90_000)
CALLS = 8
OWN, SHARED = 10_000, 100_000


class Peak:
    """The most that was ever counted."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.taken, count = 0, ReplyRoom.count

        def counted(room: ReplyRoom, more: int) -> None:
            count(room, more)
            self.taken = max(self.taken, room.taken)

        patch.setattr(ReplyRoom, "count", counted)


@pytest.fixture
def peak(monkeypatch: pytest.MonkeyPatch) -> Peak:
    monkeypatch.setattr(ROOM, "own", OWN)
    monkeypatch.setattr(ROOM, "_shared", SHARED)
    return Peak(monkeypatch)


def slowly(head: bytes, body: bytes) -> Answer:
    """A body that comes in pieces, with those of others in between."""

    async def write(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for start in range(0, len(body), 8192):
            writer.write(body[start : start + 8192])
            await writer.drain()
            await asyncio.sleep(0.005)
        writer.close()

    return write


BODIES = {
    "of known length": (HEAD + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(LARGE), LARGE),
    "until it closes": (HEAD + b"\r\n", LARGE),
}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize(("kind", "way"), [("openai", "complete"), ("openai", "stream"), ("gemini", "complete")])
async def test_all_large_replies_are_read_one_behind_the_other(
    stub: Stub, make: Make, peak: Peak, kind: str, way: str, body: str
) -> None:
    stub.answer = slowly(*BODIES[body])
    provider = make(kind)
    async with asyncio.timeout(PATIENCE_S):
        done = await asyncio.gather(*(asked(provider, kind, way) for _ in range(CALLS)), return_exceptions=True)
    expected = ErrorKind.MALFORMED if kind == "gemini" else None
    assert [getattr(one, "kind", None) for one in done] == [expected] * CALLS
    # Each of those that wait has what came before it was told to.
    assert SHARED < peak.taken < SHARED + len(LARGE) + CALLS * 2 * 65_536
    assert ROOM.taken == 0


async def test_what_comes_out_of_compression_is_counted(stub: Stub, make: Make, peak: Peak) -> None:
    packed = gzip.compress(LARGE)
    stub.answer = raw(HEAD + b"content-encoding: gzip\r\ncontent-length: %d\r\n\r\n%b" % (len(packed), packed))
    provider = make("openai")
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*(asked(provider, "openai", "complete") for _ in range(CALLS)))
    assert peak.taken >= len(LARGE) - OWN
    assert ROOM.taken == 0


@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_calls_that_are_cancelled_while_they_wait_make_room(
    stub: Stub, make: Make, peak: Peak, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(ROOM, "_shared", 20_000)

    async def write(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + b"\r\n" + b" " * 40_000)
        await stub.hang(reader, writer)

    stub.answer = write
    provider: Provider = make("openai")
    tasks = [asyncio.ensure_future(asked(provider, "openai", way)) for _ in range(CALLS)]
    await until(lambda: bool(ROOM._waiting))
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await until(lambda: not ROOM.taken)
    assert not ROOM._waiting
    assert ROOM._ahead is None


def test_the_first_goes_on_and_the_next_follows() -> None:
    room = ReplyRoom(own=10, shared=100)
    a, b, c = room.share(), room.share(), room.share()
    told: list[str] = []
    assert a.grow(10, lambda: told.append("a"))
    assert room.taken == 0, "what is small is not counted"
    assert a.grow(100, lambda: told.append("a"))
    assert b.grow(60, lambda: told.append("b")), "it goes on ahead of the others"
    assert b.grow(600, lambda: told.append("b"))
    assert not a.grow(101, lambda: told.append("a"))
    assert not a.grow(110, lambda: told.append("a")), "it came while it was held back"
    assert not c.grow(20, lambda: told.append("c"))
    b.leave()
    b.leave()
    assert told == ["a"], "one at a time"
    assert room.taken == 110
    a.leave()
    assert told == ["a", "c"]
    c.leave()
    assert room.taken == 0


@pytest.mark.parametrize("body", [b"[" + b"[]," * MOST_VALUES + b"[]]", b"[" + b"{}," * (MOST_VALUES // 4) + b"{}]"])
def test_a_reply_of_values_without_number_is_too_large(body: bytes) -> None:
    with pytest.raises(ProviderError, match="may hold") as caught:
        decoded(body)
    assert (caught.value.kind, caught.value.charge) == (ErrorKind.REPLY_TOO_LARGE, Charge.UNRESOLVED)


def test_a_large_reply_of_many_numbers_is_read() -> None:
    vectors = [[0.123456789] * 4096] * 100
    assert decoded(orjson.dumps(vectors)) == vectors
