"""Calls to Bedrock, asked and answered in the shape of chat completions."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from typing import Any
from zlib import crc32

import orjson
import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Usage
from homa_shared.model.errors import ConfigError
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.bedrock.request import converse
from homa_workers.providers.registry import create
from tests.providers.stub import Answer, Stub, drop, raw, reply
from tests.providers.test_failures_are_classified import HALF_A_REPLY, _closed_port, ignore
from tests.providers.test_openai import Pieces

pytest.importorskip("aiobotocore", reason="the bedrock extra is not installed")

K = ErrorKind
ACCOUNT = {"region": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}
USAGE = {
    "inputTokens": 35,
    "outputTokens": 40,
    "totalTokens": 140,
    "cacheReadInputTokens": 60,
    "cacheWriteInputTokens": 5,
}
REQUEST_ID = {"x-amzn-requestid": "req_1"}


def answer(*blocks: dict[str, Any], reason: str = "end_turn") -> dict[str, Any]:
    return {
        "output": {"message": {"role": "assistant", "content": list(blocks)}},
        "stopReason": reason,
        "usage": USAGE,
        "metrics": {"latencyMs": 5},
    }


def frame(kind: str, payload: dict[str, Any], *, message: str = "event") -> bytes:
    """A message of AWS's event stream: prelude, headers, payload, each followed by its checksum."""
    names = {":event-type" if message == "event" else ":exception-type": kind, ":message-type": message}
    names[":content-type"] = "application/json"
    headers = b"".join(
        bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
        for name, value in names.items()
    )
    body = orjson.dumps(payload)
    prelude = struct.pack(">II", len(headers) + len(body) + 16, len(headers))
    content = prelude + struct.pack(">I", crc32(prelude)) + headers + body
    return content + struct.pack(">I", crc32(content))


def streamed(*frames: bytes) -> Answer:
    return reply(200, b"".join(frames), {"content-type": "application/vnd.amazon.eventstream", **REQUEST_ID})


@pytest.fixture(scope="module")
def aws() -> Any:
    """One session for all tests: it reads megabytes of service descriptions."""
    from aiobotocore.session import get_session

    return get_session()


@pytest.fixture
async def bedrock(stub: Stub, aws: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Provider]:
    monkeypatch.setattr("homa_workers.providers.bedrock.adapter.get_session", lambda: aws)
    provider = create(ProviderConfig("bedrock", "bedrock", None, stub.url, options=ACCOUNT))
    yield provider
    await provider.aclose()


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


def asked(*messages: dict[str, Any], **params: Any) -> dict[str, Any]:
    return converse(Call("m", list(messages), params), max_tokens=4096)


def user(*parts: Any) -> dict[str, Any]:
    return {"role": "user", "content": list(parts)}


@pytest.mark.parametrize(
    ("part", "block"),
    [
        ("plain", {"text": "plain"}),
        (
            {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,aGk="}},
            {"image": {"format": "jpeg", "source": {"bytes": b"hi"}}},
        ),
        (
            {"type": "file", "file": {"filename": "a b_c.pdf", "file_data": "data:application/pdf;base64,aGk="}},
            {"document": {"format": "pdf", "name": "a-b-c-pdf-0", "source": {"bytes": b"hi"}}},
        ),
        (
            {"type": "file", "file": {"file_data": "aGk="}},
            {"document": {"format": "pdf", "name": "document-0", "source": {"bytes": b"hi"}}},
        ),
        ({"cachePoint": {"type": "default"}}, {"cachePoint": {"type": "default"}}),
    ],
)
def test_parts_become_blocks(part: Any, block: dict[str, Any]) -> None:
    assert asked(user(part, {"type": "text", "text": ""}))["messages"] == [{"role": "user", "content": [block]}]


@pytest.mark.parametrize(
    ("messages", "params", "complaint"),
    [
        ([{"role": "narrator"}], {}, "role 'narrator'"),
        ([{"role": "user", "content": 7}], {}, "content 7"),
        ([user({"type": "input_audio"})], {}, "type 'input_audio'"),
        ([user({"type": "image_url", "image_url": {"url": "https://x/y.png"}})], {}, "Bedrock fetches nothing"),
        ([user({"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}})], {}, "not base64"),
        ([user({"type": "image_url", "image_url": {"url": "data:image/png;base64,"}})], {}, "expected data:"),
        ([user({"type": "file", "file": {"file_id": "file-1"}})], {}, "no ids of files"),
        (
            [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]}],
            {},
            "tool call 'a'",
        ),
        ([], {"n": 2}, "one choice"),
        ([], {"tools": [{"toolSpec": {}}], "tool_choice": "sometimes"}, "'sometimes'"),
    ],
)
def test_what_cannot_be_asked_is_named(messages: list[dict[str, Any]], params: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ProviderError, match=complaint) as caught:
        asked(*messages, **params)
    assert caught.value.kind is K.INVALID_REQUEST


FUNCTION = {"type": "function", "function": {"name": "f", "description": "d"}}
SPEC = {"toolSpec": {"name": "f", "description": "d", "inputSchema": {"json": {"type": "object", "properties": {}}}}}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, {"inferenceConfig": {"maxTokens": 4096}}),
        (
            {"max_completion_tokens": 5, "stop": "x", "temperature": 0, "top_p": 0.5},
            {"inferenceConfig": {"maxTokens": 5, "stopSequences": ["x"], "temperature": 0, "topP": 0.5}},
        ),
        ({"tools": [FUNCTION]}, {"toolConfig": {"tools": [SPEC]}}),
        ({"tools": [SPEC], "tool_choice": "auto"}, {"toolConfig": {"tools": [SPEC], "toolChoice": {"auto": {}}}}),
        ({"tools": [SPEC], "tool_choice": "required"}, {"toolConfig": {"tools": [SPEC], "toolChoice": {"any": {}}}}),
        (
            {"tools": [SPEC], "tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"toolConfig": {"tools": [SPEC], "toolChoice": {"tool": {"name": "f"}}}},
        ),
        ({"tools": [SPEC], "tool_choice": "none"}, {"toolConfig": None}),
        ({"top_k": 3, "seed": 1}, {"additionalModelRequestFields": {"top_k": 3}}),
        ({"service_tier": "default"}, {"additionalModelRequestFields": None}),
        ({"guardrailConfig": {"guardrailIdentifier": "g"}}, {"guardrailConfig": {"guardrailIdentifier": "g"}}),
        ({"metadata": {"team": 1}}, {"requestMetadata": {"team": "1"}}),
        ({"reasoning_effort": "minimal"}, {"outputConfig": {"effort": "low"}}),
        ({"reasoning_effort": "none"}, {"outputConfig": None}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object"}}}},
            {
                "outputConfig": {
                    "textFormat": {
                        "type": "json_schema",
                        "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n"}},
                    }
                }
            },
        ),
    ],
)
def test_parameters_are_translated(params: dict[str, Any], expected: dict[str, Any]) -> None:
    body = asked(**params)
    assert {name: body.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("model", "effort", "own", "output"),
    [
        ("amazon.nova-2-lite-v1:0", "low", {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "low"}}, None),
        ("amazon.nova-2-lite-v1:0", "none", {"reasoningConfig": {"type": "disabled"}}, None),
        ("openai.gpt-oss-120b-1:0", "high", {"reasoning_effort": "high"}, None),
        ("anthropic.claude-haiku-5-5", "none", {"thinking": {"type": "disabled"}}, None),
        ("anthropic.claude-sonnet-5-5", "none", {"thinking": {"type": "between_tools"}}, {"effort": "low"}),
        ("anthropic.claude-opus-4-6-v1", "none", None, None),
        ("anthropic.claude-opus-5-5", "high", None, {"effort": "high"}),
    ],
)
def test_an_effort_goes_where_its_model_takes_it(model: str, effort: str, own: object, output: object) -> None:
    body = converse(Call(model, [user("Hi")], {"reasoning_effort": effort}), max_tokens=4096)
    assert (body.get("additionalModelRequestFields"), body.get("outputConfig")) == (own, output)


def test_system_messages_stand_beside_the_conversation() -> None:
    body = asked({"role": "system", "content": "A"}, {"role": "developer", "content": "B"}, user("C"), user("D"))
    assert body["system"] == [{"text": "A"}, {"text": "B"}]
    assert body["messages"] == [{"role": "user", "content": [{"text": "C"}, {"text": "D"}]}]


async def test_a_request_of_another_shape_is_invalid(stub: Stub, bedrock: Provider) -> None:
    for call in (Call("m", [user({"type": "image_url"})]), Call("m", [], {"temperature": "hot"})):
        with pytest.raises(ProviderError) as caught:
            await bedrock.complete(call)
        assert caught.value.kind is K.INVALID_REQUEST
    assert not stub.requests


ROWS = [
    (400, "ValidationException", "The provided value is bad", K.INVALID_REQUEST),
    *(
        (400, "ValidationException", text, K.UNSUPPORTED_BY_MODEL)
        for text in (
            "The model returned the following errors: `temperature` is deprecated for this model.",
            "This model doesn't support the stopSequences field. Remove stopSequences and try again.",
            "This model doesn't support tool use in streaming mode.",
            "Malformed input request: #: extraneous key [top_k] is not permitted, please reformat your input",
        )
    ),
    (400, "ValidationException", "Input is too long for requested model.", K.CONTEXT_TOO_LONG),
    (400, "ValidationException", "The provided model identifier is invalid.", K.MODEL_NOT_FOUND),
    (400, "ServiceQuotaExceededException", "Quota", K.QUOTA_EXHAUSTED),
    (403, "AccessDeniedException", "No", K.UNAUTHORIZED),
    (403, "ExpiredTokenException", "Expired", K.UNAUTHORIZED),
    (404, "ResourceNotFoundException", "Could not resolve the foundation model", K.MODEL_NOT_FOUND),
    (408, "ModelTimeoutException", "Model has timed out", K.AMBIGUOUS),
    (424, "ModelErrorException", "The model failed", K.AMBIGUOUS),
    (429, "ThrottlingException", "Too many requests", K.RATE_LIMITED),
    (429, "ThrottlingException", "Too many tokens per day", K.QUOTA_EXHAUSTED),
    (429, "ModelNotReadyException", "Not ready", K.OVERLOADED),
    (500, "InternalServerException", "Oops", K.AMBIGUOUS),
    (503, "ServiceUnavailableException", "Busy", K.OVERLOADED),
]


@pytest.mark.parametrize("way", ["complete", "stream"])
@pytest.mark.parametrize(("status", "code", "message", "expected"), ROWS)
async def test_a_refusal_is_classified(
    stub: Stub, bedrock: Provider, hello: Call, way: str, status: int, code: str, message: str, expected: ErrorKind
) -> None:
    stub.answer = reply(status, {"message": message}, {"x-amzn-errortype": code, "retry-after": "3", **REQUEST_ID})
    error = await failure(bedrock, way, hello)
    assert (error.kind, error.status, error.request_id) == (expected, status, "req_1")
    assert error.retry_after_s == 3
    assert len(stub.requests) == 1


@pytest.mark.parametrize(
    ("body", "kind", "charge"),
    [
        (answer(reason="malformed_tool_use"), K.UNUSABLE_REPLY, Charge.ACTUAL),
        ({"stopReason": "end_turn"}, K.MALFORMED, Charge.UNRESOLVED),
    ],
)
async def test_a_reply_that_is_none_is_malformed(
    stub: Stub, bedrock: Provider, hello: Call, body: Any, kind: ErrorKind, charge: Charge
) -> None:
    stub.answer = reply(200, body)
    error = await failure(bedrock, "complete", hello)
    assert (error.kind, error.charge) == (kind, charge)


@pytest.mark.parametrize("way", ["complete", "stream"])
@pytest.mark.parametrize("how", [drop(), raw(HALF_A_REPLY), raw(b"SSH-2.0\r\n\r\n"), reply(200, b"not json")])
async def test_what_breaks_after_sending_is_not_free(
    stub: Stub, bedrock: Provider, hello: Call, way: str, how: Answer
) -> None:
    stub.answer = how
    error = await failure(bedrock, way, hello)
    assert error.charge is Charge.UNRESOLVED
    assert len(stub.requests) == 1


async def test_a_refused_connection_cost_nothing(hello: Call) -> None:
    url = f"http://127.0.0.1:{_closed_port()}"
    provider = create(ProviderConfig("bedrock", "bedrock", None, url, options=ACCOUNT))
    error = await failure(provider, "complete", hello)
    assert (error.kind, error.charge) == (K.UNREACHABLE, Charge.NONE)
    await provider.aclose()


async def test_missing_credentials_are_named(stub: Stub, hello: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("HOME", "/nonexistent")
    provider = create(ProviderConfig("bedrock", "bedrock", None, stub.url, options={"region": "us-east-1"}))
    error = await failure(provider, "complete", hello)
    assert (error.kind, stub.requests) == (K.UNAUTHORIZED, [])
    await provider.aclose()


@pytest.mark.parametrize("way", ["complete", "stream"])
async def test_cancelling_a_call_closes_its_connection(stub: Stub, bedrock: Provider, hello: Call, way: str) -> None:
    stub.answer = stub.hang
    task = asyncio.ensure_future(bedrock.complete(hello) if way == "complete" else bedrock.stream(hello, ignore))
    await stub.asked.wait()
    task.cancel()
    async with asyncio.timeout(1):
        await stub.left.wait()


def delta(index: int, **piece: Any) -> bytes:
    return frame("contentBlockDelta", {"contentBlockIndex": index, "delta": piece})


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


async def test_titan_embeds_one_text_a_call(stub: Stub, bedrock: Provider) -> None:
    stub.answer = reply(200, {"embedding": [0.5]}, {"x-amzn-bedrock-input-token-count": "4", **REQUEST_ID})
    embeddings = await bedrock.embed("amazon.titan-embed-text-v2:0", ["a", "b"], {"dimensions": 256})
    assert embeddings.vectors == [[0.5], [0.5]]
    assert (embeddings.usage.input_tokens, embeddings.request_id) == (8, "req_1")
    assert [request.json for request in stub.requests] == [
        {"inputText": "a", "dimensions": 256},
        {"inputText": "b", "dimensions": 256},
    ]


async def test_titans_own_count_stands_in_for_a_header_that_is_not_there(stub: Stub, bedrock: Provider) -> None:
    stub.answer = reply(200, {"embedding": [0.5], "inputTextTokenCount": 3})
    embeddings = await bedrock.embed("amazon.titan-embed-text-v2:0", ["a", "b"], {})
    assert (embeddings.usage.input_tokens, embeddings.metered) == (6, True)


@pytest.mark.parametrize("vectors", [[[0.25], [0.5]], {"float": [[0.25], [0.5]]}])
async def test_cohere_embeds_many_texts_a_call(stub: Stub, bedrock: Provider, vectors: Any) -> None:
    stub.answer = reply(200, {"embeddings": vectors})
    embeddings = await bedrock.embed("cohere.embed-v4", ["a", "b"], {"encoding_format": "float"})
    assert (embeddings.vectors, embeddings.metered) == ([[0.25], [0.5]], False)
    assert stub.request.json == {"texts": ["a", "b"], "input_type": "search_document"}


async def test_dimensions_go_by_the_name_that_each_family_has_for_them(stub: Stub, bedrock: Provider) -> None:
    stub.answer = reply(200, {"embeddings": [[0.5]]})
    await bedrock.embed("cohere.embed-v4", ["a"], {"dimensions": 256})
    assert stub.requests[-1].json["output_dimension"] == 256
    stub.answer = reply(200, {"embedding": [0.5]})
    await bedrock.embed("amazon.titan-embed-text-v2:0", ["a"], {"dimensions": 256})
    assert stub.requests[-1].json["dimensions"] == 256


async def test_nova_embeds_one_text_a_call_in_a_shape_of_its_own(stub: Stub, bedrock: Provider) -> None:
    stub.answer = reply(200, {"embeddings": [{"embeddingType": "TEXT", "embedding": [0.5]}], "inputTokenCount": 3})
    model = "amazon.nova-2-multimodal-embeddings-v1:0"
    params = {"dimensions": 384, "embeddingPurpose": "TEXT_RETRIEVAL", "truncationMode": "END", "encoding_format": "x"}
    embeddings = await bedrock.embed(model, ["a", "b"], params)
    assert (embeddings.vectors, embeddings.usage.input_tokens) == ([[0.5], [0.5]], 6)
    assert [request.json for request in stub.requests] == [
        {
            "taskType": "SINGLE_EMBEDDING",
            "singleEmbeddingParams": {
                "embeddingPurpose": "TEXT_RETRIEVAL",
                "embeddingDimension": 384,
                "text": {"truncationMode": "END", "value": text},
            },
        }
        for text in ("a", "b")
    ]
    await bedrock.embed(f"us.{model}", ["a"], {})
    said = {"embeddingPurpose": "GENERIC_INDEX", "text": {"truncationMode": "NONE", "value": "a"}}
    assert stub.requests[-1].json["singleEmbeddingParams"] == said


async def test_embeddings_that_fail_half_way_are_charged_for_the_half(stub: Stub, bedrock: Provider) -> None:
    answers = [
        reply(200, {"embedding": [0.5]}, {"x-amzn-bedrock-input-token-count": "4"}),
        reply(429, {"message": "slow down"}, {"x-amzn-errortype": "ThrottlingException"}),
    ]

    async def next_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await answers.pop(0)(reader, writer)

    stub.answer = next_answer
    with pytest.raises(ProviderError) as caught:
        await bedrock.embed("amazon.titan-embed-text-v2:0", ["a", "b"], {})
    assert (caught.value.kind, caught.value.charge) == (K.RATE_LIMITED, Charge.ACTUAL)
    assert caught.value.usage == Usage(input_tokens=4)


async def test_embeddings_that_do_not_fit_their_inputs_are_malformed(stub: Stub, bedrock: Provider) -> None:
    stub.answer = reply(200, {})
    with pytest.raises(ProviderError, match="expected 1 vectors"):
        await bedrock.embed("amazon.titan-embed-text-v2:0", ["a"], {})


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


async def failure(provider: Provider, way: str, call: Call) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await (provider.complete(call) if way == "complete" else provider.stream(call, ignore))
    return caught.value


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
