"""A call as Bedrock's Converse is asked for it."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call
from homa_workers.providers.base import Provider
from homa_workers.providers.bedrock.request import converse
from tests.providers.stub import Stub

pytest.importorskip("aiobotocore", reason="the bedrock extra is not installed")

K = ErrorKind


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
