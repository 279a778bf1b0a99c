"""No server fills a worker's memory: a reply is read up to a limit, before and after decompression, at every kind."""

from __future__ import annotations

import asyncio
import gc
import gzip
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable

import orjson
import pytest
from pydantic import SecretStr

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import RESPONSES_API, Call
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from tests.providers.shapes import CHAT
from tests.providers.stub import Answer, Stub, raw, reply
from tests.providers.test_openai import Pieces

MOST = 100_000
KINDS = ["openai", "anthropic", "gemini", "bedrock", "responses"]
WAYS = ["complete", "stream", "embed"]
AWS = {"region": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"
Make = Callable[[str], Provider]


@pytest.fixture
async def make(stub: Stub) -> AsyncIterator[Make]:
    made: list[Provider] = []

    def make(kind: str) -> Provider:
        kind = "openai" if kind == "responses" else kind
        pytest.importorskip({"gemini": "google.genai", "bedrock": "aiobotocore"}.get(kind, "openai"))
        url = f"{stub.url}/v1" if kind == "openai" else stub.url
        options = AWS if kind == "bedrock" else {}
        key = None if kind == "bedrock" else SecretStr("sk")
        made.append(create(ProviderConfig(kind, kind, key, url, reply_max_bytes=MOST, options=options)))
        return made[-1]

    yield make
    for provider in made:
        await provider.aclose()


def endless(head: bytes) -> Answer:
    """A body that goes on until the client goes away."""

    async def write(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        while not writer.is_closing():
            writer.write(b"10000\r\n" + b" " * 65_536 + b"\r\n")
            await writer.drain()

    return write


def asked(provider: Provider, kind: str, way: str) -> Awaitable[object]:
    api = RESPONSES_API if kind == "responses" else "chat"
    call = Call("some-model", [{"role": "user", "content": "Hello"}], {"max_tokens": 50}, api=api)
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "complete": lambda: provider.complete(call),
        "stream": lambda: provider.stream(call, Pieces().emit),
        "embed": lambda: provider.embed("some-model", ["a"], {}),
    }
    return ways[way]()


async def failed(provider: Provider, kind: str, way: str) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await asked(provider, kind, way)
    return caught.value


def cases(*, but: tuple[str, str]) -> pytest.MarkDecorator:
    pairs = [(kind, way) for kind in KINDS for way in WAYS if (kind, way) not in (("anthropic", "embed"), but)]
    return pytest.mark.parametrize(("kind", "way"), pairs)


#: Bedrock's streams consist of frames, whose decoder refuses anything else at once.
@cases(but=("bedrock", "stream"))
async def test_a_reply_without_an_end_is_cut_off(stub: Stub, make: Make, kind: str, way: str) -> None:
    stub.answer = endless(HEAD + b"transfer-encoding: chunked\r\n\r\n")
    error = await failed(make(kind), kind, way)
    assert (error.kind, error.charge) == (ErrorKind.REPLY_TOO_LARGE, Charge.UNRESOLVED)
    assert "more than 100000 bytes (reply_max_bytes" in error.message


@pytest.mark.parametrize("kind", KINDS)
async def test_a_reply_that_says_that_it_is_too_long_is_not_received(stub: Stub, make: Make, kind: str) -> None:
    stub.answer = endless(HEAD + b"content-length: 300000000\r\n\r\n")
    assert (await failed(make(kind), kind, "complete")).kind is ErrorKind.REPLY_TOO_LARGE


@pytest.mark.parametrize("kind", KINDS)
async def test_a_reply_whose_end_comes_with_the_byte_that_is_too_many_is_too_large(
    stub: Stub, make: Make, kind: str
) -> None:
    body = b"4000\r\n" + b"x" * 0x4000 + b"\r\n"
    stub.answer = raw(HEAD + b"transfer-encoding: chunked\r\n\r\n" + body * 7 + b"0\r\n\r\n")
    error = await failed(make(kind), kind, "complete")
    assert (error.kind, error.charge) == (ErrorKind.REPLY_TOO_LARGE, Charge.UNRESOLVED)


@pytest.mark.parametrize("way", ["complete", "stream"])
@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini", "responses"])
async def test_what_comes_out_of_compression_counts(stub: Stub, make: Make, kind: str, way: str) -> None:
    bomb = gzip.compress(b" " * (MOST + 1))
    assert len(bomb) < 1000
    stub.answer = reply(200, bomb, {"content-encoding": "gzip"})
    error = await failed(make(kind), kind, way)
    assert (error.kind, error.charge) == (ErrorKind.REPLY_TOO_LARGE, Charge.UNRESOLVED)


@pytest.mark.parametrize("way", ["complete", "stream"])
@pytest.mark.parametrize("kind", ["openai", "anthropic", "gemini", "bedrock"])
async def test_an_endless_failure_is_known_by_its_status(stub: Stub, make: Make, kind: str, way: str) -> None:
    stub.answer = endless(b"HTTP/1.1 429 X\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n")
    error = await failed(make(kind), kind, way)
    assert error.kind in (ErrorKind.RATE_LIMITED, ErrorKind.MALFORMED)
    assert error.kind is ErrorKind.RATE_LIMITED or kind == "bedrock"


@pytest.mark.parametrize("kind", KINDS)
async def test_headers_without_an_end_are_cut_off(stub: Stub, make: Make, kind: str) -> None:
    async def write(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        while not writer.is_closing():
            writer.write(b"x-header: y\r\n" * 1000)
            await writer.drain()

    stub.answer = write
    error = await failed(make(kind), kind, "complete")
    assert (error.kind, error.charge) == (ErrorKind.AMBIGUOUS, Charge.UNRESOLVED)


@pytest.mark.parametrize("way", ["complete", "stream"])
@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip"])
async def test_an_encoding_that_nobody_asked_for_is_malformed(stub: Stub, make: Make, encoding: str, way: str) -> None:
    stub.answer = reply(200, b"\x00\x01not what it says", {"content-encoding": encoding})
    assert (await failed(make("openai"), "openai", way)).kind is ErrorKind.MALFORMED


#: Bodies of refusals that cannot be read, by what is wrong with them.
UNREADABLE = {
    "unknown": reply(429, b"not what it says", {"content-encoding": "br", "retry-after": "7"}),
    "not gzip": reply(429, b"not what it says", {"content-encoding": "gzip", "retry-after": "7"}),
    "broken off": raw(b"HTTP/1.1 429 X\r\ncontent-length: 100\r\nretry-after: 7\r\n\r\n{"),
    "broken chunk": raw(b"HTTP/1.1 429 X\r\ntransfer-encoding: chunked\r\nretry-after: 7\r\n\r\n64\r\n{"),
}


#: Kind and way of calls; Anthropic and the Responses API embed nothing.
CALLS = [(kind, way) for kind in KINDS for way in WAYS if way != "embed" or kind not in ("anthropic", "responses")]


@pytest.mark.parametrize(("kind", "way"), CALLS)
@pytest.mark.parametrize("what", UNREADABLE)
async def test_a_refusal_whose_body_cannot_be_read_keeps_status_and_wait(
    stub: Stub, make: Make, kind: str, way: str, what: str
) -> None:
    stub.answer = UNREADABLE[what]
    error = await failed(make(kind), kind, way)
    assert (error.kind, error.status, error.charge) == (ErrorKind.RATE_LIMITED, 429, Charge.NONE)
    assert error.retry_after_s == 7


async def test_only_what_can_be_decompressed_is_asked_for(stub: Stub, make: Make) -> None:
    stub.answer = reply(200, CHAT)
    await make("openai").complete(Call("m", [{"role": "user", "content": "Hello"}]))
    assert stub.request.headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize("encoding", ["gzip", "gzip in members", "deflate", "bare deflate", "identity"])
async def test_compressed_replies_are_read(stub: Stub, make: Make, encoding: str) -> None:
    body = orjson.dumps(CHAT)
    bare = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    written = {
        "gzip": gzip.compress(body),
        "gzip in members": b"".join(gzip.compress(body[n : n + 100]) for n in range(0, len(body), 100)) + bytes(16),
        "deflate": zlib.compress(body),
        "bare deflate": bare.compress(body) + bare.flush(),
        "identity": body,
    }[encoding]
    stub.answer = reply(200, written, {"content-encoding": encoding.removeprefix("bare ").partition(" ")[0]})
    call = Call("m", [{"role": "user", "content": "Hello"}])
    provider = make("openai")
    assert (await provider.complete(call)).text == "Hi there"
    assert (await provider.stream(call, Pieces().emit)).text == "Hi there"


async def test_a_reply_of_the_most_bytes_is_read(stub: Stub, make: Make) -> None:
    body = orjson.dumps(CHAT).ljust(MOST)
    stub.answer = raw(HEAD + b"\r\n" + body)
    assert (await make("openai").complete(Call("m", [{"role": "user", "content": "Hello"}]))).text == "Hi there"


@pytest.mark.parametrize("status", [200, 429])
@cases(but=("bedrock", "stream"))
async def test_a_cancelled_call_closes_its_connection_in_mid_reply(
    stub: Stub, make: Make, kind: str, way: str, status: int
) -> None:
    """Not once its garbage is collected: until then the provider goes on writing."""

    async def write(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = f"HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n1\r\n \r\n"
        writer.write(head.encode())
        await stub.hang(reader, writer)

    stub.answer = write
    gc.disable()
    try:
        task = asyncio.ensure_future(asked(make(kind), kind, way))
        await stub.asked.wait()
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(5):
            await stub.left.wait()
    finally:
        gc.enable()
