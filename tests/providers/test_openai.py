"""Calls to OpenAI and to servers that speak its protocol."""

from __future__ import annotations

import gzip
from typing import Any

import orjson
import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Delta, Quota, Usage
from homa_shared.model.errors import ConfigError
from homa_workers.providers.cohere.adapter import COHERE
from homa_workers.providers.openai.dialects import OPENAI, request_body
from homa_workers.providers.openai.reply import is_metered
from homa_workers.providers.openai.stream import ChunkAssembly
from tests.providers.conftest import Connect
from tests.providers.shapes import CHAT, DONE, chunk, openai_error
from tests.providers.stub import Stub, events, reply

QUOTA_HEADERS = {
    "x-request-id": "req_1",
    "x-ratelimit-limit-requests": "500",
    "x-ratelimit-remaining-requests": "499",
    "x-ratelimit-limit-tokens": "200000",
    "x-ratelimit-remaining-tokens": "soon",
}


class Pieces:
    """Takes the pieces of a stream."""

    def __init__(self) -> None:
        self.taken: list[Delta] = []

    async def emit(self, delta: Delta) -> None:
        self.taken.append(delta)

    @property
    def text(self) -> str:
        return "".join(delta.text for delta in self.taken)


async def test_a_reply_is_a_completion(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(200, CHAT, QUOTA_HEADERS)
    completion = await connect("openai", stub.url).complete(hello)
    assert completion.body == CHAT
    assert completion.text == "Hi there"
    assert completion.finish_reason == "stop"
    assert completion.usage == Usage(100, 40, cached_tokens=60, cache_write_tokens=5, reasoning_tokens=30)
    assert completion.request_id == "req_1"
    assert completion.quota == Quota(500, 499, 200000, None)
    assert completion.metered


async def test_the_request_is_the_call(stub: Stub, connect: Connect) -> None:
    stub.answer = reply(200, CHAT)
    messages = [{"role": "user", "content": "Grüße"}]
    params = {"max_tokens": 9, "temperature": 0.5, "top_k": 3, "stream": True, "stream_options": {}}
    await connect("openai", stub.url, options={"headers": {"x-team": "a"}, "organization": "org"}).complete(
        Call("m", messages, params)
    )
    assert stub.request.path == "/v1/chat/completions"
    assert stub.request.json == {"model": "m", "messages": messages, "max_tokens": 9, "temperature": 0.5, "top_k": 3}
    assert stub.request.headers["authorization"] == "Bearer sk-secret"
    assert stub.request.headers["x-team"] == "a"
    assert stub.request.headers["openai-organization"] == "org"


async def test_large_requests_arrive_whole(stub: Stub, connect: Connect) -> None:
    stub.answer = reply(200, CHAT)
    text = "x" * 3_000_000
    await connect("openai", stub.url).complete(Call("m", [{"role": "user", "content": text}]))
    assert stub.request.json["messages"][0]["content"] == text


async def test_compressed_replies_are_read(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(200, gzip.compress(orjson.dumps(CHAT)), {"content-encoding": "gzip"})
    completion = await connect("openai", stub.url).complete(hello)
    assert completion.body == CHAT
    assert "gzip" in stub.request.headers["accept-encoding"]


async def test_a_reply_without_usage_is_not_metered(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(200, {name: value for name, value in CHAT.items() if name != "usage"})
    completion = await connect("openai", stub.url).complete(hello)
    assert (completion.usage, completion.metered) == (Usage(), False)


async def test_connections_are_used_again(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(200, CHAT)
    provider = connect("openai", stub.url)
    for _ in range(3):
        await provider.complete(hello)
    assert len(stub.requests) == 3
    assert stub.connections == 1


async def test_what_json_cannot_hold_is_an_invalid_request(stub: Stub, connect: Connect) -> None:
    with pytest.raises(ProviderError, match="cannot be written as JSON") as caught:
        await connect("openai", stub.url).complete(Call("m", [{"role": "user", "content": {1, 2}}]))
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert not stub.requests


@pytest.mark.parametrize(
    ("model", "url", "name"),
    [
        ("gpt-6-luna", "https://api.openai.com/v1", "max_completion_tokens"),
        ("o3", "https://eu.api.openai.com/v1", "max_completion_tokens"),
        ("gpt-4o-mini", "https://api.openai.com/v1", "max_tokens"),
        ("ft:gpt-4o:acme", "https://api.openai.com/v1", "max_tokens"),
        ("my-deployment", "https://res.openai.azure.com/openai/v1", "max_completion_tokens"),
        ("my-deployment", "https://res.cognitiveservices.azure.com/openai/v1", "max_completion_tokens"),
        ("my-deployment", "https://res.openai.azure.us/openai/v1", "max_completion_tokens"),
        ("gpt-6-luna", "http://127.0.0.1:8000/v1", "max_completion_tokens"),
        ("openai/gpt-6-luna", "https://gateway.example/v1", "max_completion_tokens"),
        ("us.openai.gpt-6-luna", "https://bedrock.example/openai/v1", "max_completion_tokens"),
        ("o4-mini", "https://gateway.example/v1", "max_completion_tokens"),
        ("gpt-4o", "https://gateway.example/v1", "max_tokens"),
        ("gpt-35-turbo", "https://gateway.example/v1", "max_tokens"),
        ("gpt-oss-120b", "http://127.0.0.1:8000/v1", "max_tokens"),
        ("my-model", "http://127.0.0.1:8000/v1", "max_tokens"),
        ("my-model", "https://api.openai.com.evil.example/v1", "max_tokens"),
    ],
)
@pytest.mark.parametrize("given", ["max_tokens", "max_completion_tokens"])
def test_the_output_cap_goes_under_the_name_that_the_model_takes(model: str, url: str, name: str, given: str) -> None:
    body = request_body(Call(model, [], {given: 7}), OPENAI, url)
    assert body == {"model": model, "messages": [], name: 7}


def test_cohere_is_spared_what_it_refuses() -> None:
    body = request_body(Call("m", [], {"n": 1, "store": True, "seed": 1}), COHERE, "https://api.cohere.ai/v1")
    assert body == {"model": "m", "messages": [], "seed": 1}


async def test_an_accounts_own_parameters_give_way_to_the_calls(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(200, CHAT)
    provider = connect("ollama", stub.url, options={"params": {"keep_alive": "10m", "max_tokens": 9}})
    await provider.complete(hello)
    assert stub.request.json == {
        "model": "some-model",
        "messages": hello.messages,
        "keep_alive": "10m",
        "max_tokens": 50,
    }


async def test_azure_gets_its_key_header(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = reply(200, CHAT)
    await connect("azure", stub.url).complete(hello)
    assert stub.request.headers["api-key"] == "sk-secret"


async def test_a_stream_gives_its_pieces_and_the_whole(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = events(
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": "Hi "}),
        chunk({"content": "there"}, system_fingerprint="fp_1"),
        chunk({}, "stop"),
        chunk(usage=CHAT["usage"]),
        DONE,
        headers=QUOTA_HEADERS,
    )
    pieces = Pieces()
    completion = await connect("openai", stub.url).stream(hello, pieces.emit)
    assert [delta.text for delta in pieces.taken] == ["Hi ", "there"]
    assert completion.text == "Hi there"
    assert completion.finish_reason == "stop"
    assert completion.usage.input_tokens == 100
    assert completion.body["usage"] == CHAT["usage"]
    assert completion.body["object"] == "chat.completion"
    assert completion.body["system_fingerprint"] == "fp_1"
    assert completion.request_id == "req_1"
    assert completion.quota is not None
    assert stub.request.json["stream_options"] == {"include_usage": True}


async def test_streamed_tool_calls_are_put_together(stub: Stub, connect: Connect, hello: Call) -> None:
    def call(index: int, arguments: str, **fields: Any) -> dict[str, Any]:
        function = {"arguments": arguments} | ({"name": fields.pop("name")} if "name" in fields else {})
        return {"tool_calls": [{"index": index, "function": function, **fields}]}

    stub.answer = events(
        chunk(call(0, "", id="call_a", type="function", name="weather")),
        chunk(call(0, '{"city":')),
        chunk(call(0, '"Rome"}')),
        chunk(call(1, "{}", id="call_b", type="function", name="time")),
        chunk({}, "tool_calls"),
        DONE,
    )
    pieces = Pieces()
    completion = await connect("openai", stub.url).stream(hello, pieces.emit)
    message = completion.body["choices"][0]["message"]
    assert message["tool_calls"] == [
        {"id": "call_a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Rome"}'}},
        {"id": "call_b", "type": "function", "function": {"name": "time", "arguments": "{}"}},
    ]
    assert message["content"] is None
    assert len([delta for delta in pieces.taken if delta.tool_call]) == 4
    assert not completion.metered


async def test_reasoning_refusal_and_log_probabilities_are_kept(stub: Stub, connect: Connect, hello: Call) -> None:
    def piece(delta: dict[str, Any], **fields: Any) -> str:
        return chunk(choices=[{"index": 1, "delta": delta, "finish_reason": None, **fields}])

    stub.answer = events(
        piece({"reasoning_content": "hm"}),
        piece({"content": "no"}, logprobs={"content": [{"token": "no"}]}),
        piece({"refusal": "I can't"}, finish_reason="stop"),
        DONE,
    )
    pieces = Pieces()
    completion = await connect("openai", stub.url).stream(hello, pieces.emit)
    (choice,) = completion.body["choices"]
    assert choice["index"] == 1
    assert choice["message"]["reasoning_content"] == "hm"
    assert choice["message"]["refusal"] == "I can't"
    assert choice["logprobs"] == {"content": [{"token": "no"}]}
    assert pieces.taken[0] == Delta(reasoning="hm", choice=1)


async def test_a_stream_that_ends_early_is_ambiguous_and_keeps_its_text(
    stub: Stub, connect: Connect, hello: Call
) -> None:
    stub.answer = events(chunk({"content": "Hi "}), chunk({"content": "th"}))
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).stream(hello, Pieces().emit)
    assert (caught.value.kind, caught.value.charge) == (ErrorKind.AMBIGUOUS, Charge.UNRESOLVED)
    assert caught.value.partial_text == "Hi th"


async def test_a_stream_that_breaks_is_ambiguous_and_keeps_its_text(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = events(chunk({"content": "Hi "}), end=False)
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).stream(hello, Pieces().emit)
    assert (caught.value.kind, caught.value.partial_text) == (ErrorKind.AMBIGUOUS, "Hi ")


async def test_a_cut_chunk_is_ambiguous(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = events(chunk({"content": "Hi"}), 'data: {"choices": [{"del\n\n')
    with pytest.raises(ProviderError, match="not valid JSON") as caught:
        await connect("openai", stub.url).stream(hello, Pieces().emit)
    assert (caught.value.kind, caught.value.partial_text) == (ErrorKind.AMBIGUOUS, "Hi")


@pytest.mark.parametrize(
    ("error", "before", "expected"),
    [
        (openai_error("The server had an error", None, "server_error"), "Hi", ErrorKind.AMBIGUOUS),
        (openai_error("slow down", "rate_limit_exceeded"), "", ErrorKind.RATE_LIMITED),
        (openai_error("At capacity", "server_is_overloaded", "service_unavailable_error"), "", ErrorKind.OVERLOADED),
        (openai_error("At capacity", "server_is_overloaded", "service_unavailable_error"), "Hi", ErrorKind.OVERLOADED),
        (openai_error("slow down", "rate_limit_exceeded"), "Hi", ErrorKind.AMBIGUOUS),
    ],
)
async def test_an_error_inside_a_stream_never_makes_delivered_tokens_free(
    stub: Stub, connect: Connect, hello: Call, error: dict[str, Any], before: str, expected: ErrorKind
) -> None:
    stub.answer = events(chunk({"content": before}), f"data: {orjson.dumps(error).decode()}\n\n")
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).stream(hello, Pieces().emit)
    assert (caught.value.kind, caught.value.partial_text) == (expected, before)


async def test_a_listener_that_fails_ends_the_stream(stub: Stub, connect: Connect, hello: Call) -> None:
    stub.answer = events(chunk({"content": "Hi"}), chunk({"content": " there"}), DONE)

    async def refuse(_: Delta) -> None:
        raise LookupError("the store is gone")

    with pytest.raises(LookupError, match="the store is gone"):
        await connect("openai", stub.url).stream(hello, refuse)


EMBEDDINGS = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [{"index": 1, "embedding": [0.5]}, {"index": 0, "embedding": [0.25]}],
    "usage": {"prompt_tokens": 8, "total_tokens": 8},
}


async def test_embeddings_come_in_the_order_of_their_inputs(stub: Stub, connect: Connect) -> None:
    stub.answer = reply(200, EMBEDDINGS, QUOTA_HEADERS)
    embeddings = await connect("openai", stub.url).embed("m", ["a", "b"], {"dimensions": 1})
    assert embeddings.vectors == [[0.25], [0.5]]
    assert (embeddings.model, embeddings.usage.input_tokens) == ("text-embedding-3-small", 8)
    assert embeddings.request_id == "req_1"
    assert stub.request.json == {"model": "m", "input": ["a", "b"], "encoding_format": "float", "dimensions": 1}


@pytest.mark.parametrize(
    ("kind", "options", "model", "name"),
    [
        ("azure", {}, "my-deployment", "max_completion_tokens"),
        ("azure", {}, "gpt-4o", "max_completion_tokens"),
        ("azure", {"output_cap": "max_tokens"}, "my-deployment", "max_tokens"),
        ("openai", {"output_cap": "max_completion_tokens"}, "my-model", "max_completion_tokens"),
        ("openai", {"output_cap": "max_tokens"}, "gpt-6-luna", "max_tokens"),
        ("openai", {}, "my-model", "max_tokens"),
        ("ollama", {}, "gpt-6-luna", "max_tokens"),
        ("cohere", {}, "gpt-6-luna", "max_tokens"),
    ],
)
async def test_kind_and_account_say_the_output_caps_name(
    stub: Stub, connect: Connect, kind: str, options: dict[str, Any], model: str, name: str
) -> None:
    stub.answer = reply(200, CHAT)
    await connect(kind, stub.url, options=options).complete(Call(model, [], {"max_tokens": 7}))
    assert stub.request.json == {"model": model, "messages": [], name: 7}


def test_an_output_cap_of_another_name_is_refused(connect: Connect) -> None:
    with pytest.raises(ConfigError, match="output_cap = 'max_output_tokens'; expected max_tokens or max_completion"):
        connect("openai", "http://127.0.0.1:1", options={"output_cap": "max_output_tokens"})


async def test_cohere_is_told_what_its_embeddings_are_for(stub: Stub, connect: Connect) -> None:
    stub.answer = reply(200, EMBEDDINGS)
    await connect("cohere", stub.url).embed("m", ["a", "b"], {})
    assert stub.request.json["input_type"] == "search_document"


@pytest.mark.parametrize(
    "body", [{}, {"data": []}, {**EMBEDDINGS, "data": [{"embedding": "base64"}, {"embedding": "base64"}]}, b"nonsense"]
)
async def test_embeddings_that_do_not_fit_their_inputs_are_malformed(
    stub: Stub, connect: Connect, body: object
) -> None:
    stub.answer = reply(200, body)
    with pytest.raises(ProviderError, match="expected 2 vectors") as caught:
        await connect("openai", stub.url).embed("m", ["a", "b"], {})
    assert caught.value.kind is ErrorKind.MALFORMED


async def test_an_error_in_place_of_embeddings_is_classified(stub: Stub, connect: Connect) -> None:
    stub.answer = reply(200, openai_error("quota", "insufficient_quota"))
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).embed("m", ["a"], {})
    assert caught.value.kind is ErrorKind.QUOTA_EXHAUSTED


async def test_openai_counts_no_tokens(stub: Stub, connect: Connect, hello: Call) -> None:
    assert await connect("openai", stub.url).count(hello) is None


def test_a_usage_of_nulls_is_no_usage() -> None:
    nulls = {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}
    assert not is_metered(nulls)
    assert is_metered({"prompt_tokens": 3, "completion_tokens": 0})
    assembly = ChunkAssembly()
    assert list(assembly.add({"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": nulls})) == []
    assert not assembly.completion().metered


@pytest.mark.parametrize("api", ["chat", "responses"])
@pytest.mark.parametrize("way", ["whole", "streamed"])
async def test_a_schema_that_is_refused_is_asked_for_without_strict_and_remembered(
    stub: Stub, connect: Connect, api: str, way: str
) -> None:
    said = "Invalid schema for response_format 'x': In context=(), 'pattern' is not supported."
    said_here = {"type": "message", "content": [{"type": "output_text", "text": "Hi there"}]}
    good = CHAT if api == "chat" else {"object": "response", "status": "completed", "output": [said_here]}
    strict: list[bool] = []

    async def write(reader: Any, writer: Any) -> None:
        asked = stub.requests[-1].json
        form = asked["response_format"]["json_schema"] if api == "chat" else asked["text"]["format"]
        strict.append(form["strict"])
        await (reply(400, openai_error(said)) if form["strict"] else reply(200, good))(reader, writer)

    stub.answer = write
    closed = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": closed}}
    call = Call("m", [{"role": "user", "content": "Hello"}], {"response_format": wanted}, api=api)
    provider = connect("openai", stub.url)
    for _ in range(2):
        made = provider.complete(call) if way == "whole" else provider.stream(call, Pieces().emit)
        assert (await made).text == "Hi there"
    assert strict == [True, False, False]
