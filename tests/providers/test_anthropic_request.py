"""A call as Anthropic's Messages API is asked for it."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.failures import Charge, ErrorKind, ProviderError
from homa_shared.calls.reply import Call
from homa_workers.providers.anthropic.request import request_body
from tests.providers.conftest import Connect
from tests.providers.shapes import MESSAGE
from tests.providers.stub import Stub, reply

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


def test_a_model_that_cannot_stop_thinking_thinks_between_tools_only() -> None:
    asked_for = asked(user("Hi"), model="claude-sonnet-5-5", reasoning_effort="none")
    assert asked_for["thinking"] == {"type": "between_tools"}
    assert asked_for["output_config"] == {"effort": "low"}
