"""Calls to Bedrock, asked and answered in the shape of chat completions."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Usage
from homa_shared.model.errors import ConfigError
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from tests.providers.bedrock_shapes import REQUEST_ID, USAGE, answer, delta, failure, frame, streamed
from tests.providers.failing_calls import ignore
from tests.providers.stub import Stub, reply
from tests.providers.test_bedrock_request import user
from tests.providers.test_openai import Pieces

pytest.importorskip("aiobotocore", reason="the bedrock extra is not installed")

K = ErrorKind


async def test_a_reply_is_a_chat_completion(stub: Stub, bedrock: Provider, hello: Call) -> None:
    stub.answer = reply(200, answer({"text": "Hi "}, {"text": "there"}), REQUEST_ID)
    completion = await bedrock.complete(hello)
    assert completion.text == "Hi there"
    assert completion.finish_reason == "stop"
    assert completion.usage == Usage(100, 40, cached_tokens=60, cache_write_tokens=5)
    assert completion.body["usage"]["total_tokens"] == 140
    assert completion.request_id == "req_1"
    assert stub.request.path == "/model/some-model/converse"
    assert stub.request.json == {
        "messages": [{"role": "user", "content": [{"text": "Hello"}]}],
        "inferenceConfig": {"maxTokens": 50},
    }


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("content_filtered", "content_filter"),
        ("guardrail_intervened", "content_filter"),
    ],
)
async def test_stop_reasons_are_finish_reasons(
    stub: Stub, bedrock: Provider, hello: Call, stop: str, finish: str
) -> None:
    stub.answer = reply(200, answer({"text": "x"}, reason=stop))
    assert (await bedrock.complete(hello)).finish_reason == finish


async def test_tools_and_thinking_come_back_as_they_went(stub: Stub, bedrock: Provider, hello: Call) -> None:
    blocks = [
        {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
        {"reasoningContent": {"redactedContent": "aGk="}},
        {"toolUse": {"toolUseId": "t1", "name": "weather", "input": {"city": "Rome"}}},
    ]
    stub.answer = reply(200, answer(*blocks, reason="tool_use"))
    completion = await bedrock.complete(hello)
    message = completion.body["choices"][0]["message"]
    assert completion.finish_reason == "tool_calls"
    assert message["content"] is None
    assert message["reasoning_content"] == "hm"
    assert message["tool_calls"][0]["function"] == {"name": "weather", "arguments": '{"city":"Rome"}'}
    results = [{"role": "tool", "tool_call_id": "t1", "content": text} for text in ("sunny", "")]
    await bedrock.complete(Call("m", [{"role": "user", "content": "Weather?"}, message, *results]))
    turns = stub.requests[1].json["messages"]
    assert turns[1] == {"role": "assistant", "content": blocks}
    assert turns[2]["content"] == [
        {"toolResult": {"toolUseId": "t1", "content": [{"text": "sunny"}]}},
        {"toolResult": {"toolUseId": "t1", "content": [{"text": "(no output)"}]}},
    ]


async def test_a_stream_gives_its_pieces_and_the_whole(stub: Stub, bedrock: Provider, hello: Call) -> None:
    tool = {"toolUse": {"toolUseId": "t1", "name": "f"}}
    stub.answer = streamed(
        frame("messageStart", {"role": "assistant"}),
        delta(0, reasoningContent={"text": "hm"}),
        delta(0, reasoningContent={"signature": "sig"}),
        delta(1, reasoningContent={"redactedContent": "aGk="}),
        delta(2, text="Hi "),
        delta(2, text="there"),
        frame("contentBlockStart", {"contentBlockIndex": 3, "start": tool}),
        delta(3, toolUse={"input": '{"a":'}),
        delta(3, toolUse={"input": "1}"}),
        frame("messageStop", {"stopReason": "tool_use"}),
        frame("metadata", {"usage": USAGE, "metrics": {"latencyMs": 5}}),
    )
    pieces = Pieces()
    completion = await bedrock.stream(hello, pieces.emit)
    message = completion.body["choices"][0]["message"]
    assert pieces.text == "Hi there" == message["content"]
    assert [d.reasoning for d in pieces.taken if d.reasoning] == ["hm"]
    assert [d.tool_call["index"] for d in pieces.taken if d.tool_call] == [0, 0, 0]
    assert message["tool_calls"][0]["function"]["arguments"] == '{"a":1}'
    assert [block["type"] for block in message["thinking_blocks"]] == ["thinking", "redacted_thinking"]
    assert completion.usage.input_tokens == 100
    assert completion.request_id == "req_1"


async def test_tool_input_cut_by_the_cap_is_kept_as_text(stub: Stub, bedrock: Provider, hello: Call) -> None:
    tool = {"toolUse": {"toolUseId": "t1", "name": "f"}}
    stub.answer = streamed(
        frame("contentBlockStart", {"contentBlockIndex": 0, "start": tool}),
        delta(0, toolUse={"input": '{"a":'}),
        frame("messageStop", {"stopReason": "max_tokens"}),
    )
    completion = await bedrock.stream(hello, ignore)
    (call,) = completion.body["choices"][0]["message"]["tool_calls"]
    assert "_incomplete" in call["function"]["arguments"]
    assert not completion.metered


async def test_a_stream_that_ends_early_is_ambiguous_and_keeps_its_text(
    stub: Stub, bedrock: Provider, hello: Call
) -> None:
    stub.answer = streamed(delta(0, text="Hi"))
    error = await failure(bedrock, "stream", hello)
    assert (error.kind, error.partial_text) == (K.AMBIGUOUS, "Hi")


@pytest.mark.parametrize(
    ("code", "before", "expected"),
    [
        ("throttlingException", "", K.RATE_LIMITED),
        ("throttlingException", "Hi", K.AMBIGUOUS),
        ("modelStreamErrorException", "Hi", K.AMBIGUOUS),
        ("serviceUnavailableException", "Hi", K.OVERLOADED),
    ],
)
async def test_an_error_inside_a_stream_is_told_by_its_code(
    stub: Stub, bedrock: Provider, hello: Call, code: str, before: str, expected: ErrorKind
) -> None:
    stub.answer = streamed(delta(0, text=before), frame(code, {"message": "no"}, message="exception"))
    error = await failure(bedrock, "stream", hello)
    assert (error.kind, error.partial_text) == (expected, before)


async def test_bedrock_counts_tokens_where_the_model_allows(stub: Stub, bedrock: Provider, hello: Call) -> None:
    stub.answer = reply(200, {"inputTokens": 14})
    assert await bedrock.count(hello) == 14
    assert stub.request.json == {
        "input": {"converse": {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}}
    }
    stub.answer = reply(400, {"message": "not supported"}, {"x-amzn-errortype": "ValidationException"})
    assert await bedrock.count(hello) is None
    stub.answer = reply(503, {"message": "busy"}, {"x-amzn-errortype": "ServiceUnavailableException"})
    with pytest.raises(ProviderError):
        await bedrock.count(hello)


def test_a_missing_region_names_its_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("HOME", "/nonexistent")
    with pytest.raises(ConfigError, match="HOMA_PROVIDERS__MINE__REGION"):
        create(ProviderConfig("mine", "bedrock"))


NOVA = "amazon.nova-pro-v1:0"
HOUR = {"cacheWriteInputTokens": 1000, "totalTokens": 1110, "cacheDetails": [{"ttl": "1h", "inputTokens": 600}]}
BILLED = {"inputTokens": 100, "outputTokens": 10, "totalTokens": 110}


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ({"usage": BILLED}, Usage(100, 10)),
        ({"usage": BILLED, "serviceTier": {"type": "default"}}, Usage(100, 10)),
        ({"usage": BILLED, "serviceTier": {"type": "flex"}}, Usage(100, 10, terms=("flex",))),
        ({"usage": BILLED, "serviceTier": {"type": "reserved"}}, Usage(100, 10, terms=("reserved",))),
        ({"usage": BILLED, "performanceConfig": {"latency": "optimized"}}, Usage(100, 10, terms=("optimized",))),
        ({"usage": BILLED, "performanceConfig": {"latency": "standard"}}, Usage(100, 10)),
        (
            {"usage": {**BILLED, **HOUR}},
            Usage(1100, 10, cache_write_tokens=1000, parts=(("cache_write_1h", 600),)),
        ),
    ],
)
async def test_a_reply_tells_what_it_is_billed_for(
    stub: Stub, bedrock: Provider, told: dict[str, Any], expected: Usage
) -> None:
    call = Call(NOVA, [user({"type": "text", "text": "Hello"})])
    stub.answer = reply(200, {**answer({"text": "Hi"}), **told})
    assert (await bedrock.complete(call)).usage == expected
    stub.answer = streamed(
        frame("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}}),
        frame("messageStop", {"stopReason": "end_turn"}),
        frame("metadata", {"metrics": {"latencyMs": 5}, **told}),
    )
    assert (await bedrock.stream(call, Pieces().emit)).usage == expected


@pytest.mark.parametrize(
    ("params", "sent", "terms"),
    [
        ({"service_tier": "flex"}, {"type": "flex"}, ("flex?",)),
        ({"serviceTier": {"type": "priority"}}, {"type": "priority"}, ("priority?",)),
        ({"service_tier": "auto"}, None, ()),
        ({"service_tier": "default"}, None, ()),
    ],
)
async def test_a_tier_is_asked_for_in_its_words_and_open_where_the_reply_is_silent(
    stub: Stub, bedrock: Provider, params: dict[str, Any], sent: dict[str, str] | None, terms: tuple[str, ...]
) -> None:
    stub.answer = reply(200, answer({"text": "Hi"}))
    completion = await bedrock.complete(Call(NOVA, [user({"type": "text", "text": "Hello"})], params))
    assert stub.request.json.get("serviceTier") == sent
    assert completion.usage.terms == terms


async def test_what_aws_runs_has_no_price(stub: Stub, bedrock: Provider) -> None:
    grounding = {"toolUse": {"toolUseId": "t", "name": "nova_grounding", "input": {}, "type": "server_tool_use"}}
    stub.answer = reply(200, answer({"text": "Hi"}, grounding))
    guard = {"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}}
    completion = await bedrock.complete(Call(NOVA, [user({"type": "text", "text": "Hello"})], guard))
    assert completion.usage.fees == (("guardrail", 1), ("nova_grounding", 1))
