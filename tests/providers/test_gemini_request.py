"""A call as Gemini's generateContent is asked for it."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call
from homa_workers.providers.base import Provider
from homa_workers.providers.gemini.request import config, contents
from tests.providers.stub import Stub

pytest.importorskip("google.genai", reason="the gemini extra is not installed")

K = ErrorKind


def turns(*messages: dict[str, Any]) -> Any:
    return contents(list(messages))


def test_messages_become_turns() -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": ""}}
    assert turns(
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": ["one", {"type": "text", "text": ""}]},
        {"role": "user", "content": "two"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "a", "content": "sunny"},
    ) == [
        {"role": "user", "parts": [{"text": "one"}, {"text": "two"}]},
        {"role": "model", "parts": [{"function_call": {"id": "a", "name": "f", "args": {}}}]},
        {"role": "user", "parts": [{"function_response": {"id": "a", "name": "f", "response": {"result": "sunny"}}}]},
    ]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
            {"inline_data": {"mime_type": "image/png", "data": b"hi"}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x/y.webp?z"}},
            {"file_data": {"file_uri": "https://x/y.webp", "mime_type": "image/webp"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "aGk=", "format": "wav"}},
            {"inline_data": {"mime_type": "audio/wav", "data": b"hi"}},
        ),
        (
            {"type": "file", "file": {"file_id": "https://g/files/1"}},
            {"file_data": {"file_uri": "https://g/files/1", "mime_type": "application/pdf"}},
        ),
        ({"video_metadata": {"fps": 1}}, {"video_metadata": {"fps": 1}}),
    ],
)
def test_parts_are_translated(part: dict[str, Any], expected: dict[str, Any]) -> None:
    (turn,) = turns({"role": "user", "content": [part]})
    if "file_data" in expected:
        expected["file_data"]["file_uri"] = turn["parts"][0]["file_data"]["file_uri"]
    assert turn["parts"] == [expected]


def test_a_result_belongs_to_the_latest_call_of_its_id() -> None:
    """Where Gemini's replies carry no ids, each reply's first call gets the same one."""

    def calling(name: str) -> dict[str, Any]:
        call = {"id": "call_0_0", "type": "function", "function": {"name": name, "arguments": ""}}
        return {"role": "assistant", "tool_calls": [call]}

    result = {"role": "tool", "tool_call_id": "call_0_0", "content": "{}"}
    answered = [turn["parts"][0] for turn in turns(calling("first"), result, calling("second"), result)[1::2]]
    assert [part["function_response"]["name"] for part in answered] == ["first", "second"]


@pytest.mark.parametrize(
    ("messages", "complaint"),
    [
        ([{"role": "narrator"}], "role 'narrator'"),
        ([{"role": "user", "content": 7}], "content 7"),
        ([{"role": "user", "content": [{"type": "hologram"}]}], "type 'hologram'"),
        ([{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:x;base64,?"}}]}], "not base64"),
        ([{"role": "tool", "tool_call_id": "z", "content": "x"}], "no earlier message calls it"),
        (
            [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]}],
            "tool call 'a'",
        ),
    ],
)
def test_what_cannot_be_asked_is_named(messages: list[dict[str, Any]], complaint: str) -> None:
    with pytest.raises(ProviderError, match=complaint) as caught:
        turns(*messages)
    assert caught.value.kind is K.INVALID_REQUEST


FUNCTION = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}


SCHEMA = {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}


@pytest.mark.parametrize(
    ("params", "expected"),
    [
        ({"max_completion_tokens": 5, "n": 2, "stop": "x"}, {"max_output_tokens": 5, "candidate_count": 2}),
        ({"stop": ["a"]}, {"stop_sequences": ["a"]}),
        ({"logprobs": True, "top_logprobs": 3}, {"response_logprobs": True, "logprobs": 3}),
        ({"response_format": {"type": "json_object"}}, {"response_mime_type": "application/json"}),
        ({"response_format": SCHEMA}, {"response_json_schema": {"type": "object"}}),
        ({"reasoning_effort": "none"}, {"thinking_config": {"thinking_level": "minimal"}}),
        (
            {"tools": [FUNCTION, {"google_search": {}}]},
            {
                "tools": [
                    {
                        "function_declarations": [
                            {"name": "f", "description": None, "parameters_json_schema": {"type": "object"}}
                        ]
                    },
                    {"google_search": {}},
                ]
            },
        ),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "f"}}},
            {"tool_config": {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["f"]}}},
        ),
        (
            {"tools": [FUNCTION], "tool_choice": "required"},
            {"tool_config": {"function_calling_config": {"mode": "ANY"}}},
        ),
        ({"top_k": 3, "user": "u"}, {"top_k": 3}),
        ({"service_tier": "default"}, {"service_tier": None}),
    ],
)
def test_parameters_are_translated(params: dict[str, Any], expected: dict[str, Any]) -> None:
    body = config(Call("gemini-3-pro", [], params))
    assert {name: body.get(name) for name in expected} == expected
    assert "user" not in body


def test_earlier_models_think_within_a_budget() -> None:
    assert config(Call("gemini-2.5-flash-lite", [], {"reasoning_effort": "none"})) == {
        "thinking_config": {"thinking_budget": 0}
    }


def test_system_messages_are_the_system_instruction() -> None:
    body = config(Call("m", [{"role": "system", "content": "A"}, {"role": "developer", "content": "B"}]))
    assert body == {"system_instruction": {"parts": [{"text": "A"}, {"text": "B"}]}}


def test_an_odd_choice_of_tools_is_named() -> None:
    with pytest.raises(ProviderError, match="'sometimes'"):
        config(Call("m", [], {"tools": [FUNCTION], "tool_choice": "sometimes"}))


@pytest.mark.parametrize(
    ("call", "complaint", "kind"),
    [
        (Call("m", [], {"temprature": 1}), "temprature", K.UNSUPPORTED_BY_MODEL),
        (Call("m", [], {"temperature": "hot"}), "temperature", K.INVALID_REQUEST),
        (Call("m", [{"role": "user", "content": [{"type": "image_url"}]}]), "not in the shape", K.INVALID_REQUEST),
    ],
)
async def test_what_gemini_does_not_know_is_refused_unsent(
    stub: Stub, gemini: Provider, call: Call, complaint: str, kind: K
) -> None:
    with pytest.raises(ProviderError, match=complaint) as caught:
        await gemini.complete(call)
    assert (caught.value.kind, stub.requests) == (kind, [])
