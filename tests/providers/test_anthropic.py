"""Calls to Anthropic, asked and answered in the shape of chat completions."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Delta, Quota, Usage
from homa_workers.providers.anthropic.request import request_body
from homa_workers.providers.base import ProviderConfig
from homa_workers.providers.registry import create
from tests.providers.conftest import Connect
from tests.providers.shapes import MESSAGE, anthropic_error, event
from tests.providers.stub import Stub, events, raw, reply
from tests.providers.test_openai import Pieces

Message = dict[str, Any]

PIXEL = "data:image/png;base64,aGk="


def user(content: object) -> Message:
    return {"role": "user", "content": content}


def asked(*messages: Message, model: str = "claude-opus-4-6", **params: Any) -> dict[str, Any]:
    """The request that a call becomes, without its constant parts."""
    call = Call(model, list(messages), params)
    body = request_body(call, max_tokens=4096, adapt_schema=lambda schema: {**schema, "adapted": True})
    return {name: value for name, value in body.items() if name != "model"}


def turns(*messages: Message) -> Any:
    return asked(*messages)["messages"]


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


def test_system_messages_stand_beside_the_conversation() -> None:
    cached = {"type": "text", "text": "Long.", "cache_control": {"type": "ephemeral"}}
    body = asked({"role": "system", "content": "Be brief."}, {"role": "developer", "content": [cached]}, user("Hello"))
    assert body["system"] == [{"type": "text", "text": "Be brief."}, cached]
    assert [turn["role"] for turn in body["messages"]] == ["user"]


def test_neighbours_of_one_role_are_one_turn() -> None:
    def call(name: str) -> Message:
        return {"id": name, "type": "function", "function": {"name": "f", "arguments": ""}}

    conversation = turns(
        user("Do both"),
        {"role": "assistant", "content": "", "tool_calls": [call("a"), call("b")]},
        {"role": "tool", "tool_call_id": "a", "content": "1"},
        {"role": "tool", "tool_call_id": "b", "content": ""},
        user("And?"),
    )
    assert [turn["role"] for turn in conversation] == ["user", "assistant", "user"]
    assert conversation[1]["content"] == [
        {"type": "tool_use", "id": "a", "name": "f", "input": {}},
        {"type": "tool_use", "id": "b", "name": "f", "input": {}},
    ]
    assert conversation[2]["content"] == [
        {"type": "tool_result", "tool_use_id": "a", "content": [{"type": "text", "text": "1"}]},
        {"type": "tool_result", "tool_use_id": "b"},
        {"type": "text", "text": "And?"},
    ]


@pytest.mark.parametrize(
    ("part", "block"),
    [
        (
            {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x/y.png"}, "cache_control": {"type": "ephemeral"}},
            {
                "type": "image",
                "source": {"type": "url", "url": "https://x/y.png"},
                "cache_control": {"type": "ephemeral"},
            },
        ),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,aGk="}},
            {
                "type": "document",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
                "title": "a.pdf",
            },
        ),
        (
            {"type": "file", "file": {"file_data": "aGk="}},
            {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}},
        ),
        (
            {"type": "file", "file": {"file_id": "file_1"}},
            {"type": "document", "source": {"type": "file", "file_id": "file_1"}},
        ),
        ({"type": "refusal", "refusal": "No."}, {"type": "text", "text": "No."}),
        ("plain", {"type": "text", "text": "plain"}),
        ({"type": "search_result", "title": "own"}, {"type": "search_result", "title": "own"}),
    ],
)
def test_parts_become_blocks(part: object, block: Message) -> None:
    assert turns(user([part, {"type": "text", "text": ""}])) == [{"role": "user", "content": [block]}]


@pytest.mark.parametrize(
    ("messages", "params", "complaint"),
    [
        ([user([{"type": "input_audio"}])], {}, "input_audio"),
        ([user([{"type": "image_url", "image_url": {"url": "data:image/png,hi"}}])], {}, "data URL"),
        ([user([{"type": "file", "file": {}}])], {}, "file_data or file_id"),
        ([user(7)], {}, "content 7"),
        ([{"role": "narrator", "content": "x"}], {}, "role 'narrator'"),
        (
            [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]}],
            {},
            "tool call 'a'",
        ),
        ([user("x")], {"n": 2}, "one choice"),
        ([user("x")], {"tools": [{"type": "x"}], "tool_choice": "sometimes"}, "tool_choice 'sometimes'"),
    ],
)
def test_what_cannot_be_asked_is_named(messages: list[Message], params: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ProviderError, match=complaint) as caught:
        asked(*messages, **params)
    assert (caught.value.kind, caught.value.charge) == (ErrorKind.INVALID_REQUEST, Charge.NONE)


async def test_a_request_of_another_shape_is_invalid(stub: Stub, connect: Connect) -> None:
    with pytest.raises(ProviderError, match="not in the shape") as caught:
        await connect("anthropic", stub.url).complete(Call("m", [user([{"type": "image_url"}])]))
    assert caught.value.kind is ErrorKind.INVALID_REQUEST
    assert not stub.requests


FUNCTION = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}


def test_tools_are_translated_and_own_ones_passed_on() -> None:
    own = {"type": "web_search_20260209", "name": "web_search"}
    bare = {"type": "function", "function": {"name": "g", "strict": True}}
    assert asked(tools=[FUNCTION, bare, own])["tools"] == [
        {"name": "f", "description": "d", "input_schema": {"type": "object"}},
        {"name": "g", "input_schema": {"type": "object", "properties": {}}, "strict": True},
        own,
    ]


@pytest.mark.parametrize(
    ("params", "choice"),
    [
        ({"tool_choice": "auto"}, {"type": "auto"}),
        ({"tool_choice": "none"}, {"type": "none"}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": {"type": "function", "function": {"name": "f"}}}, {"type": "tool", "name": "f"}),
        ({"tool_choice": {"type": "any"}}, {"type": "any"}),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"tool_choice": "required", "parallel_tool_calls": False}, {"type": "any", "disable_parallel_tool_use": True}),
        ({}, None),
    ],
)
def test_the_choice_of_tools_is_translated(params: dict[str, Any], choice: Message | None) -> None:
    assert asked(tools=[FUNCTION], **params).get("tool_choice") == choice
    assert "tool_choice" not in asked(**params), "a choice without tools is refused"


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({}, {"max_tokens": 4096}),
        ({"max_completion_tokens": 7}, {"max_tokens": 7}),
        ({"stop": "END"}, {"stop_sequences": ["END"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"user": "u1"}, {"metadata": {"user_id": "u1"}}),
        ({"metadata": {"user_id": "u2", "job": "x"}}, {"metadata": {"user_id": "u2"}}),
        ({"service_tier": "default"}, {"service_tier": "standard_only"}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"temperature": 0.2, "top_k": 5}, {"temperature": 0.2, "top_k": 5}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "object"}}}},
            {"output_config": {"format": {"type": "json_schema", "schema": {"type": "object", "adapted": True}}}},
        ),
        (
            {"response_format": {"type": "json_object"}},
            {"system": [{"type": "text", "text": "Answer with one valid JSON object and nothing else."}]},
        ),
        ({"response_format": {"type": "text"}}, {}),
        ({"reasoning_effort": "high"}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}}),
        ({"reasoning_effort": "minimal"}, {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        (
            {"reasoning_effort": "low", "thinking": {"type": "enabled", "budget_tokens": 5000}},
            {"thinking": {"type": "enabled", "budget_tokens": 5000}},
        ),
    ],
)
def test_parameters_are_translated(params: dict[str, Any], expected: Message) -> None:
    body = asked(user("x"), **params)
    assert {name: body.get(name) for name in expected} == expected
    assert not {"stop", "user", "reasoning_effort", "response_format", "max_completion_tokens"} & body.keys()


def test_a_schema_and_an_effort_go_together() -> None:
    body = asked(
        response_format={"type": "json_schema", "json_schema": {"schema": {}}},
        reasoning_effort="max",
        output_config={"effort": "low"},
    )
    assert body["output_config"]["effort"] == "low"
    assert body["output_config"]["format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    ("model", "cap", "thinking"),
    [
        ("claude-haiku-4-5-20251001", 40_000, {"type": "enabled", "budget_tokens": 16_384}),
        ("claude-sonnet-4-20250514", 4_000, {"type": "enabled", "budget_tokens": 2_000}),
        ("claude-3-7-sonnet-latest", 1_500, None),
    ],
)
def test_earlier_models_think_within_a_budget_below_the_cap(model: str, cap: int, thinking: Message | None) -> None:
    body = asked(user("x"), model=model, reasoning_effort="high", max_tokens=cap)
    assert body.get("thinking") == thinking
    assert "output_config" not in body


@pytest.mark.parametrize("name", ["seed", "frequency_penalty", "logprobs", "stream", "store"])
def test_what_only_tunes_openai_is_left_out(name: str) -> None:
    assert name not in asked(user("x"), **{name: 1})


async def test_schemas_are_adapted_to_what_claude_accepts(stub: Stub, connect: Connect) -> None:
    stub.answer = reply(200, MESSAGE)
    schema = {"type": "object", "properties": {"age": {"type": "integer", "minimum": 1}}}
    call = Call("m", [user("x")], {"response_format": {"type": "json_schema", "json_schema": {"schema": schema}}})
    await connect("anthropic", stub.url).complete(call)
    sent = stub.request.json["output_config"]["format"]["schema"]
    assert sent["additionalProperties"] is False
    assert "minimum" not in sent["properties"]["age"]


async def test_a_schema_that_is_none_is_invalid(stub: Stub, connect: Connect) -> None:
    call = Call("m", [user("x")], {"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}})
    with pytest.raises(ProviderError, match="json_schema") as caught:
        await connect("anthropic", stub.url).complete(call)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST


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


def test_a_model_that_cannot_stop_thinking_thinks_between_tools_only() -> None:
    asked_for = asked(user("Hi"), model="claude-sonnet-5-5", reasoning_effort="none")
    assert asked_for["thinking"] == {"type": "between_tools"}
    assert asked_for["output_config"] == {"effort": "low"}
