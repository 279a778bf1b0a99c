"""Calls to Anthropic, asked and answered in the shape of chat completions."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Delta, Quota, Usage
from homa_workers.providers.base import ProviderConfig
from homa_workers.providers.registry import create
from tests.providers.conftest import Connect
from tests.providers.shapes import MESSAGE, anthropic_error, event
from tests.providers.stub import Stub, events, raw, reply
from tests.providers.test_anthropic_request import turns, user
from tests.providers.test_openai import Pieces


async def test_a_reply_is_a_chat_completion(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(
        200,
        MESSAGE,
        {
            "request-id": "req_1",
            "anthropic-ratelimit-requests-limit": "50",
            "anthropic-ratelimit-requests-remaining": "49",
            "anthropic-ratelimit-tokens-limit": "10000",
            "anthropic-ratelimit-tokens-remaining": "9000",
        },
    )
    completion = await connect("anthropic", stub.url).complete(hello)
    assert completion.text == "Hi there"
    assert completion.body["object"] == "chat.completion"
    assert completion.body["model"] == "claude-haiku-4-5-20251001"
    assert completion.usage == Usage(100, 40, cached_tokens=60, cache_write_tokens=5, reasoning_tokens=30)
    assert completion.body["usage"]["total_tokens"] == 140
    assert completion.request_id == "req_1"
    assert completion.quota == Quota(50, 49, 10000, 9000)
    assert stub.request.path == "/v1/messages"
    assert stub.request.headers["authorization"] == "Bearer sk-secret"
    assert stub.request.json == {
        "model": "some-model",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}],
    }


@pytest.mark.parametrize(
    ("headers", "version"), [({}, "2023-06-01"), ({"anthropic-version": "2026-10-21"}, "2026-10-21")]
)
async def test_the_apis_version_is_the_adapters_and_not_the_sdks(
    stub: Stub, hello: Call, headers: dict[str, str], version: str
) -> None:
    provider = create(ProviderConfig("claude", "anthropic", None, stub.url, options={"headers": headers}))
    stub.answer = reply(200, MESSAGE)
    await provider.complete(hello)
    stub.answer = reply(200, {"input_tokens": 3})
    await provider.count(hello)
    await provider.aclose()
    assert [request.headers["anthropic-version"] for request in stub.requests] == [version, version]


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("pause_turn", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("tool_use", "tool_calls"),
        ("refusal", "content_filter"),
        ("something_new", "something_new"),
    ],
)
async def test_stop_reasons_are_finish_reasons(
    stub: Stub, connect: Connect, hello: Call, stop: str, finish: str
) -> None:
    stub.answer = reply(200, {**MESSAGE, "stop_reason": stop})
    assert (await connect("anthropic", stub.url).complete(hello)).finish_reason == finish


async def test_tools_thinking_and_refusals_are_translated(stub: Stub, connect: Connect, hello: Call) -> None:
    thinking = {"type": "thinking", "thinking": "hm", "signature": "sig"}
    content = [thinking, {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Rome"}}]
    details = {"type": "refusal", "explanation": "No."}
    stub.answer = reply(200, {**MESSAGE, "content": content, "stop_reason": "tool_use", "stop_details": details})
    completion = await connect("anthropic", stub.url).complete(hello)
    message = completion.body["choices"][0]["message"]
    assert message == {
        "role": "assistant",
        "content": None,
        "tool_calls": [
            {"id": "toolu_1", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}}
        ],
        "refusal": "No.",
        "reasoning_content": "hm",
        "thinking_blocks": [thinking],
    }
    assert turns(user("Weather?"), message)[1]["content"] == content, "a reply can be given back as it came"


START = event("message_start", message={**MESSAGE, "content": [], "stop_reason": None})
TEXT = event("content_block_start", index=0, content_block={"type": "text", "text": ""})


def grown(index: int, **delta: Any) -> str:
    return event("content_block_delta", index=index, delta=delta)


def stopped(reason: str, output_tokens: int) -> str:
    usage = {"output_tokens": output_tokens, "input_tokens": None}
    return event("message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage=usage)


async def test_a_stream_gives_its_pieces_and_the_whole(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = events(
        START,
        event("ping"),
        event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
        grown(0, type="thinking_delta", thinking="hm"),
        grown(0, type="signature_delta", signature="sig"),
        event("content_block_stop", index=0),
        event("content_block_start", index=1, content_block={"type": "text", "text": "Hi"}),
        grown(1, type="text_delta", text=" there"),
        grown(1, type="something_new"),
        event("content_block_start", index=2, content_block={"type": "tool_use", "id": "t1", "name": "f", "input": {}}),
        grown(2, type="input_json_delta", partial_json='{"a":'),
        grown(2, type="input_json_delta", partial_json="1}"),
        event("content_block_start", index=3, content_block={"type": "tool_use", "id": "t2", "name": "g", "input": {}}),
        stopped("tool_use", 10),
        stopped("tool_use", 42),
        event("message_stop"),
    )
    pieces = Pieces()
    completion = await connect("anthropic", stub.url).stream(hello, pieces.emit)
    assert pieces.text == "Hi there"
    assert [delta.reasoning for delta in pieces.taken if delta.reasoning] == ["hm"]
    assert [delta.tool_call["index"] for delta in pieces.taken if delta.tool_call] == [0, 0, 0, 1]
    message = completion.body["choices"][0]["message"]
    assert message["content"] == "Hi there"
    assert message["thinking_blocks"] == [{"type": "thinking", "thinking": "hm", "signature": "sig"}]
    assert [call["function"]["arguments"] for call in message["tool_calls"]] == ['{"a":1}', "{}"]
    assert completion.usage.input_tokens == 100, "what message_start told stays"
    assert completion.usage.output_tokens == 42, "output is cumulative, not summed"


async def test_tool_input_cut_by_the_cap_is_kept_as_text(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = events(
        START,
        event("content_block_start", index=0, content_block={"type": "tool_use", "id": "t", "name": "f", "input": {}}),
        grown(0, type="input_json_delta", partial_json='{"a":'),
        stopped("max_tokens", 5),
    )
    completion = await connect("anthropic", stub.url).stream(hello, Pieces().emit)
    (call,) = completion.body["choices"][0]["message"]["tool_calls"]
    assert "_incomplete" in call["function"]["arguments"]
    assert completion.finish_reason == "length"


async def test_an_overload_in_mid_stream_is_told_by_its_type(stub: Stub, connect: Connect, hello: Call) -> None:
    failure = anthropic_error("overloaded_error", "Overloaded")
    stub.answer = events(START, TEXT, grown(0, type="text_delta", text="Hi"), event("error", **failure))
    with pytest.raises(ProviderError) as caught:
        await connect("anthropic", stub.url).stream(hello, Pieces().emit)
    error = caught.value
    assert (error.kind, error.charge, error.partial_text) == (ErrorKind.OVERLOADED, Charge.UNRESOLVED, "Hi")


@pytest.mark.parametrize("end", [True, False])
async def test_a_stream_that_ends_early_is_ambiguous_and_keeps_its_text(
    stub: Stub, connect: Connect, hello: Call, end: bool
) -> None:
    stub.answer = events(START, TEXT, grown(0, type="text_delta", text="Hi"), end=end)
    with pytest.raises(ProviderError) as caught:
        await connect("anthropic", stub.url).stream(hello, Pieces().emit)
    assert (caught.value.kind, caught.value.partial_text) == (ErrorKind.AMBIGUOUS, "Hi")


async def test_a_cut_event_is_ambiguous(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = events(START, 'event: content_block_start\ndata: {"type": "cont\n\n')
    with pytest.raises(ProviderError, match="not valid JSON") as caught:
        await connect("anthropic", stub.url).stream(hello, Pieces().emit)
    assert caught.value.kind is ErrorKind.AMBIGUOUS


async def test_anthropic_counts_tokens(stub: Stub, connect: Connect) -> None:
    stub.answer = reply(200, {"input_tokens": 14})
    call = Call("m", [user("x")], {"temperature": 0, "stop": "y"})
    assert await connect("anthropic", stub.url).count(call) == 14
    assert stub.request.path == "/v1/messages/count_tokens"
    assert stub.request.json.keys() == {"model", "messages"}


async def test_a_count_that_is_none_is_malformed(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(200, {})
    with pytest.raises(ProviderError, match="input_tokens") as caught:
        await connect("anthropic", stub.url).count(hello)
    assert caught.value.kind is ErrorKind.MALFORMED


async def test_anthropic_has_no_embeddings(stub: Stub, connect: Connect) -> None:
    with pytest.raises(ProviderError, match="no embeddings") as caught:
        await connect("anthropic", stub.url).embed("m", ["x"], {})
    assert caught.value.kind is ErrorKind.INVALID_REQUEST


async def test_an_output_cap_above_the_sdks_own_limit_is_sent(stub: Stub, connect: Connect) -> None:
    stub.answer = reply(200, MESSAGE)
    await connect("anthropic", stub.url).complete(Call("m", [user("x")], {"max_tokens": 64_000}))
    assert stub.request.json["max_tokens"] == 64_000


async def test_an_account_may_set_its_own_cap_and_headers(stub: Stub, connect: Connect) -> None:
    stub.answer = reply(200, MESSAGE)
    options = {"max_tokens": 99, "headers": {"anthropic-beta": "x"}}
    await connect("anthropic", stub.url + "/v1", options=options).complete(Call("m", [user("x")]))
    assert stub.request.path == "/v1/messages"
    assert stub.request.json["max_tokens"] == 99
    assert stub.request.headers["anthropic-beta"] == "x"


async def test_a_broken_listener_ends_the_stream(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = events(START, TEXT, grown(0, type="text_delta", text="Hi"))

    async def refuse(_: Delta) -> None:
        raise LookupError("the store is gone")

    with pytest.raises(LookupError):
        await connect("anthropic", stub.url).stream(hello, refuse)


async def test_silence_is_ambiguous(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = raw(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(ProviderError) as caught:
        await connect("anthropic", stub.url).stream(hello, Pieces().emit)
    assert caught.value.kind is ErrorKind.AMBIGUOUS
