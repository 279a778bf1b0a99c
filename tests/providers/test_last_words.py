"""A reply is whole with its protocol's last word: what becomes of the connection behind it takes nothing back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import RESPONSES_API, Call
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from tests.providers.conftest import Connect
from tests.providers.responses_shapes import ended, message, response, text
from tests.providers.shapes import DONE, MESSAGE, chunk, event
from tests.providers.stub import Answer, Stub
from tests.providers.test_openai import Pieces

CHAT_END = chunk({}, "stop", usage={"prompt_tokens": 5, "completion_tokens": 2})
STREAMS: dict[str, list[bytes]] = {
    "openai": [chunk({"content": "Hi there"}).encode(), CHAT_END.encode(), DONE.encode()],
    "anthropic": [
        piece.encode()
        for piece in (
            event("message_start", message={**MESSAGE, "content": [], "stop_reason": None}),
            event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
            event("content_block_delta", index=0, delta={"type": "text_delta", "text": "Hi there"}),
            event("content_block_stop", index=0),
            event("message_delta", delta={"stop_reason": "end_turn"}, usage={"output_tokens": 40}),
            event("message_stop"),
        )
    ],
    "responses": [text("Hi there").encode(), ended(response(message())).encode()],
}


def bedrock_stream() -> list[bytes]:
    from tests.providers.bedrock_shapes import USAGE, frame

    pytest.importorskip("aiobotocore", reason="the bedrock extra is not installed")

    return [
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi there"}}),
        frame("messageStop", {"stopReason": "end_turn"}),
        frame("metadata", {"usage": USAGE, "metrics": {"latencyMs": 5}}),
    ]


def written(pieces: list[bytes], kind: str, behind: Callable[[asyncio.StreamWriter], Any]) -> Answer:
    content_type = "application/vnd.amazon.eventstream" if kind == "bedrock" else "text/event-stream"
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n".encode()

    async def write(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(head)
        for piece in pieces:
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await writer.drain()
        behind(writer)
        await reader.read()

    return write


def made(kind: str, connect: Connect, stub: Stub) -> Provider:
    if kind != "bedrock":
        return connect("openai" if kind == "responses" else kind, stub.url)
    account = {"region": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}
    return create(ProviderConfig("bedrock", "bedrock", None, stub.url, options=account))


@pytest.mark.parametrize("kind", ["openai", "anthropic", "responses", "bedrock"])
@pytest.mark.parametrize("behind", ["broken", "kept open"])
async def test_the_connection_behind_the_last_word_takes_no_reply_back(
    stub: Stub, connect: Connect, kind: str, behind: str
) -> None:
    pieces = bedrock_stream() if kind == "bedrock" else STREAMS[kind]

    def then(writer: asyncio.StreamWriter) -> None:
        if behind == "broken":
            writer.close()

    stub.answer = written(pieces, kind, then)
    provider = made(kind, connect, stub)
    api = RESPONSES_API if kind == "responses" else "chat"
    call = Call("some-model", [{"role": "user", "content": "Hello"}], {"max_tokens": 50}, api=api)
    started = monotonic()
    async with asyncio.timeout(20):
        completion = await provider.stream(call, Pieces().emit)
    assert (completion.text, completion.metered) == ("Hi there", True)
    assert monotonic() - started < 10
    await provider.aclose()


@pytest.mark.parametrize("kind", ["openai", "anthropic", "responses", "bedrock"])
async def test_a_connection_that_breaks_before_the_last_word_loses_the_reply(
    stub: Stub, connect: Connect, kind: str
) -> None:
    pieces = bedrock_stream() if kind == "bedrock" else STREAMS[kind]
    stub.answer = written(pieces[:1] if kind != "anthropic" else pieces[:4], kind, lambda writer: writer.close())
    provider = made(kind, connect, stub)
    api = RESPONSES_API if kind == "responses" else "chat"
    call = Call("some-model", [{"role": "user", "content": "Hello"}], {"max_tokens": 50}, api=api)
    with pytest.raises(ProviderError) as caught:
        await provider.stream(call, Pieces().emit)
    assert (caught.value.kind, caught.value.partial_text) == (ErrorKind.AMBIGUOUS, "Hi there")
    await provider.aclose()
