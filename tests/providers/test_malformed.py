"""Whatever a server sends, an adapter raises ProviderError and nothing else: a job is not lost over a proxy's mood."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import RESPONSES_API, Call
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.bedrock.reply import EventAssembly as BedrockEvents
from homa_workers.providers.gemini.reply import ReplyAssembly
from homa_workers.providers.registry import create
from tests.providers.conftest import Connect
from tests.providers.shapes import CHAT, MESSAGE
from tests.providers.stub import Stub, events, reply
from tests.providers.test_openai import Pieces

K = ErrorKind
#: Reads as UTF-16 and as UTF-8, and is neither.
NO_TEXT = b"\xff\xfe\xfa"
AWS = {"region": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}


@pytest.fixture
async def gemini(stub: Stub) -> AsyncIterator[Provider]:
    pytest.importorskip("google.genai", reason="the gemini extra is not installed")
    provider = create(ProviderConfig("gemini", "gemini", None, stub.url))
    yield provider
    await provider.aclose()


@pytest.fixture
async def bedrock(stub: Stub) -> AsyncIterator[Provider]:
    pytest.importorskip("aiobotocore", reason="the bedrock extra is not installed")
    provider = create(ProviderConfig("bedrock", "bedrock", None, stub.url, options=AWS))
    yield provider
    await provider.aclose()


async def failure(provider: Provider, way: str, call: Call) -> ProviderError:
    ways: dict[str, Callable[[], Awaitable[Any]]] = {
        "complete": lambda: provider.complete(call),
        "stream": lambda: provider.stream(call, Pieces().emit),
        "embed": lambda: provider.embed(call.model, ["a"], {}),
        "count": lambda: provider.count(call),
    }
    with pytest.raises(ProviderError) as caught:
        await ways[way]()
    return caught.value


def chat(**choice: Any) -> dict[str, Any]:
    return {**CHAT, "choices": [{"index": 0, "finish_reason": "stop", **choice}]}


@pytest.mark.parametrize("body", [chat(), chat(message="Hi"), chat(message=None)])
async def test_a_choice_without_a_message_is_no_reply(stub: Stub, connect: Connect, hello: Call, body: Any) -> None:
    stub.answer = reply(200, body)
    error = await failure(connect("openai", stub.url), "complete", hello)
    assert (error.kind, error.charge) == (K.MALFORMED, Charge.ACTUAL)


async def test_details_of_usage_that_are_none_do_not_lose_the_reply(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(200, {**CHAT, "usage": {"prompt_tokens": 3, "prompt_tokens_details": [1]}})
    completion = await connect("openai", stub.url).complete(hello)
    assert (completion.usage.input_tokens, completion.usage.cached_tokens) == (3, 0)


async def test_embeddings_in_an_order_that_is_none_are_malformed(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(200, {"data": [{"embedding": [1], "index": 0}, {"embedding": [1], "index": "b"}]})
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).embed("m", ["a", "b"], {})
    assert caught.value.kind is K.MALFORMED


@pytest.mark.parametrize("vector", [[None], ["a"], [], 5, {"values": [1]}])
async def test_a_vector_is_made_of_numbers(stub: Stub, connect: Connect, bedrock: Provider, vector: Any) -> None:
    """A server whose arithmetic went wrong sends null for what is no number."""
    stub.answer = reply(200, {"data": [{"embedding": vector}], "embeddings": [vector]})
    for provider in (connect("openai", stub.url), bedrock):
        with pytest.raises(ProviderError, match="expected 1 vectors") as caught:
            await provider.embed("m", ["a"], {})
        assert caught.value.kind is K.MALFORMED


async def test_details_of_a_responses_usage_that_are_none_do_not_lose_it(stub: Stub, connect: Connect) -> None:
    text = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
    usage = {"input_tokens": 3, "output_tokens": 1, "output_tokens_details": [1]}
    stub.answer = reply(200, {"status": "completed", "output": [text], "usage": usage})
    call = Call("m", [{"role": "user", "content": "Hello"}], api=RESPONSES_API)
    completion = await connect("openai", stub.url).complete(call)
    assert (completion.text, completion.usage.input_tokens) == ("Hi", 3)


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
async def test_a_date_that_no_clock_knows_is_no_wait(stub: Stub, connect: Connect, hello: Call, kind: str) -> None:
    stub.answer = reply(429, b"slow down", {"retry-after": "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"})
    error = await failure(connect(kind, stub.url), "complete", hello)
    assert (error.kind, error.retry_after_s) == (K.RATE_LIMITED, None)


async def test_a_limit_of_thousands_of_digits_does_not_lose_the_reply(
    stub: Stub, connect: Connect, hello: Call
) -> None:
    headers = {"x-ratelimit-limit-requests": "9" * 5000, "x-ratelimit-remaining-requests": "7"}
    stub.answer = reply(200, CHAT, headers)
    completion = await connect("openai", stub.url).complete(hello)
    assert completion.quota is not None
    assert (completion.quota.limit_requests, completion.quota.remaining_requests) == (None, 7)


@pytest.mark.parametrize(
    "piece",
    [
        {"choices": [None]},
        {"choices": 5},
        {"choices": [{"index": "a", "delta": {"content": "x"}}]},
        {"choices": [{"delta": {"content": 5}}]},
        {"choices": [{"delta": {"tool_calls": [None]}}]},
        {"choices": [{"delta": {"tool_calls": [{"function": {"arguments": [1]}}]}}]},
        {"choices": [{"delta": {}, "logprobs": 5}]},
    ],
)
async def test_a_malformed_chunk_breaks_the_stream_and_keeps_its_text(
    stub: Stub, connect: Connect, hello: Call, piece: Any
) -> None:
    pieces = [{"choices": [{"delta": {"content": "Hi "}}]}, piece]
    stub.answer = events(*(f"data: {orjson.dumps(each).decode()}\n\n" for each in pieces))
    error = await failure(connect("openai", stub.url), "stream", hello)
    assert (error.kind, error.partial_text) == (K.AMBIGUOUS, "Hi ")


@pytest.mark.parametrize(
    "fields",
    [
        {"content": [1]},
        {"content": [{"type": "text"}]},
        {"content": [{"type": "tool_use"}]},
        {"stop_details": [1]},
    ],
)
async def test_a_message_of_an_unexpected_shape_is_malformed(
    stub: Stub, connect: Connect, hello: Call, fields: dict[str, Any]
) -> None:
    stub.answer = reply(200, {**MESSAGE, **fields})
    error = await failure(connect("anthropic", stub.url), "complete", hello)
    assert (error.kind, error.charge) == (K.MALFORMED, Charge.UNRESOLVED)


def told(*events_: dict[str, Any]) -> list[str]:
    return [f"event: {each['type']}\ndata: {orjson.dumps(each).decode()}\n\n" for each in events_]


BEGINNING = (
    {"type": "message_start", "message": {"usage": {"input_tokens": 3}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi "}},
)


async def test_a_malformed_event_breaks_the_stream_and_keeps_its_text(
    stub: Stub, connect: Connect, hello: Call
) -> None:
    stub.answer = events(*told(*BEGINNING, {"type": "message_start", "message": {"usage": 5}}))
    error = await failure(connect("anthropic", stub.url), "stream", hello)
    assert (error.kind, error.partial_text) == (K.AMBIGUOUS, "Hi ")


async def test_a_streamed_message_of_an_unexpected_shape_is_malformed(
    stub: Stub, connect: Connect, hello: Call
) -> None:
    block = {"type": "content_block_start", "index": 1, "content_block": {"type": "tool_use"}}
    end = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}}
    stub.answer = events(*told(*BEGINNING, block, end))
    error = await failure(connect("anthropic", stub.url), "stream", hello)
    assert (error.kind, error.charge) == (K.MALFORMED, Charge.UNRESOLVED)


@pytest.mark.parametrize("way", ["complete", "stream", "embed", "count"])
@pytest.mark.parametrize(("status", "charge"), [(429, Charge.NONE), (502, Charge.UNRESOLVED)])
async def test_geminis_errors_that_are_no_text_are_judged_by_their_status(
    stub: Stub, gemini: Provider, hello: Call, way: str, status: int, charge: Charge
) -> None:
    stub.answer = reply(status, NO_TEXT)
    error = await failure(gemini, way, hello)
    assert (error.status, error.charge) == (status, charge)


@pytest.mark.parametrize("details", [5, [{"violations": [1]}], [{"violations": 1, "retryDelay": 5}]])
async def test_geminis_malformed_details_hide_no_rate_limit(
    stub: Stub, gemini: Provider, hello: Call, details: Any
) -> None:
    stub.answer = reply(429, {"error": {"code": 429, "message": "slow down", "details": details}})
    assert (await failure(gemini, "complete", hello)).kind is K.RATE_LIMITED


@pytest.mark.parametrize(
    "body",
    [
        {"candidates": [1]},
        {"candidates": [{"finishReason": ["STOP"]}]},
        {"candidates": [{"finishReason": "STOP", "content": {"parts": [{"functionCall": {}}]}}]},
    ],
)
async def test_geminis_reply_of_an_unexpected_shape_is_malformed(
    stub: Stub, gemini: Provider, hello: Call, body: Any
) -> None:
    stub.answer = reply(200, body)
    assert (await failure(gemini, "complete", hello)).kind is K.MALFORMED


async def test_geminis_function_call_counts_as_delivered(stub: Stub, gemini: Provider, hello: Call) -> None:
    """An error behind it must not make free what was generated."""
    call = {"candidates": [{"content": {"parts": [{"functionCall": {"name": "f", "args": {"a": 1}}}]}}]}
    error = {"error": {"code": 429, "message": "slow down", "status": "RESOURCE_EXHAUSTED"}}
    stub.answer = events(*(f"data: {orjson.dumps(each).decode()}\r\n\r\n" for each in (call, error)))
    failed = await failure(gemini, "stream", hello)
    assert (failed.kind, failed.charge, failed.partial_text) == (K.AMBIGUOUS, Charge.UNRESOLVED, '{"a":1}')


@pytest.mark.parametrize("piece", [{"error": {"message": "went wrong"}}, {"error": "went wrong"}, {"candidates": 5}])
async def test_geminis_error_without_a_code_breaks_the_stream_and_keeps_its_text(
    stub: Stub, gemini: Provider, hello: Call, piece: Any
) -> None:
    text = {"candidates": [{"content": {"parts": [{"text": "Hi "}]}}]}
    stub.answer = events(*(f"data: {orjson.dumps(each).decode()}\r\n\r\n" for each in (text, piece)))
    error = await failure(gemini, "stream", hello)
    assert (error.kind, error.partial_text) == (K.AMBIGUOUS, "Hi ")


def test_geminis_malformed_chunk_breaks_the_stream_and_keeps_its_text() -> None:
    assembly = ReplyAssembly()
    assembly.add({"candidates": [{"content": {"parts": [{"text": "Hi "}]}}]})
    with pytest.raises(ProviderError) as caught:
        assembly.add({"candidates": [5]})
    assert (caught.value.kind, caught.value.partial_text) == (K.AMBIGUOUS, "Hi ")


@pytest.mark.parametrize("way", ["complete", "stream", "embed", "count"])
@pytest.mark.parametrize("body", [b"null", b"[]", NO_TEXT, b'{"message": null, "__type": 3}'])
async def test_bedrocks_malformed_errors_are_never_free(
    stub: Stub, bedrock: Provider, hello: Call, way: str, body: bytes
) -> None:
    stub.answer = reply(502, body)
    assert (await failure(bedrock, way, hello)).charge is Charge.UNRESOLVED


@pytest.mark.parametrize(
    ("way", "body"),
    [
        ("complete", []),
        ("complete", {"output": {"message": {"role": "assistant", "content": [{"text": "a", "toolUse": {}}]}}}),
        ("complete", {"output": {"message": {"content": [{"toolUse": {}}]}}, "stopReason": "tool_use"}),
        ("embed", {"embedding": [1], "inputTextTokenCount": "many"}),
        ("count", {}),
        ("count", {"inputTokens": "many"}),
    ],
)
async def test_bedrocks_reply_of_an_unexpected_shape_is_malformed(
    stub: Stub, bedrock: Provider, hello: Call, way: str, body: Any
) -> None:
    stub.answer = reply(200, body)
    assert (await failure(bedrock, way, hello)).kind is K.MALFORMED


async def test_a_tools_input_that_bedrock_never_began_is_malformed(stub: Stub, bedrock: Provider, hello: Call) -> None:
    from tests.providers.bedrock_shapes import frame

    pytest.importorskip("aiobotocore", reason="the bedrock extra is not installed")

    piece = frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{}"}}})
    end = frame("messageStop", {"stopReason": "tool_use"})
    stub.answer = reply(200, piece + end, {"content-type": "application/vnd.amazon.eventstream"})
    error = await failure(bedrock, "stream", hello)
    assert (error.kind, error.charge) == (K.MALFORMED, Charge.UNRESOLVED)


async def test_a_delta_of_a_response_that_is_not_text_breaks_the_stream_and_keeps_its_text(
    stub: Stub, connect: Connect
) -> None:
    pieces = [{"type": "response.output_text.delta", "delta": delta} for delta in ("Hi ", [5])]
    stub.answer = events(*told(*pieces))
    call = Call("m", [{"role": "user", "content": "Hello"}], api=RESPONSES_API)
    error = await failure(connect("openai", stub.url), "stream", call)
    assert (error.kind, error.partial_text) == (K.AMBIGUOUS, "Hi ")


def test_bedrocks_malformed_event_breaks_the_stream_and_keeps_its_text() -> None:
    assembly = BedrockEvents()
    assembly.add({"contentBlockDelta": {"contentBlockIndex": 0, "delta": {"text": "Hi "}}})
    with pytest.raises(ProviderError) as caught:
        assembly.add({"contentBlockStart": {"contentBlockIndex": 1, "start": {"toolUse": {}}}})
    assert (caught.value.kind, caught.value.partial_text) == (K.AMBIGUOUS, "Hi ")
