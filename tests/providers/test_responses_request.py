"""A call as OpenAI's Responses API is asked it; each body is held against the SDK's own types."""

from __future__ import annotations

from typing import Any

import pytest
from openai.types.responses.response_create_params import ResponseCreateParamsNonStreaming
from pydantic import TypeAdapter

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import ITEMS, RESPONSES_API, Call
from homa_shared.calls.shared_prefix import SharedPrefix
from homa_workers.providers.openai.responses_request import ENCRYPTED_REASONING, request_body
from tests.providers.responses_shapes import REASONING, WEATHER, message

URL = "https://api.openai.com/v1"
PARAMS: TypeAdapter[Any] = TypeAdapter(ResponseCreateParamsNonStreaming)
HELLO = [{"role": "user", "content": "Hello"}]
WEATHER_TOOL = {"name": "weather", "description": "Of a city", "parameters": {"type": "object", "properties": {}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
GRAMMAR = {"type": "grammar", "grammar": {"definition": "start: /x/", "syntax": "lark"}}


def body(
    messages: list[dict[str, Any]] | None = None, *, model: str = "gpt-6-luna", typed: bool = True, **params: Any
) -> dict[str, Any]:
    """The body of a request; `typed`: the SDK's types know all of it."""
    made = request_body(Call(model, messages or HELLO, params, api=RESPONSES_API), URL)
    if typed:
        checked = PARAMS.validate_python(made)
        # Iterables are looked at only as they are gone through.
        assert len(list(checked["input"])) == len(made["input"])
        assert len(list(checked.get("tools", ()))) == len(made.get("tools", ()))
    return made


def shown(*messages: dict[str, Any], typed: bool = True, **params: Any) -> list[dict[str, Any]]:
    """The input items that messages come to."""
    items: list[dict[str, Any]] = body(list(messages), typed=typed, **params)["input"]
    return items


def test_a_prompt_is_an_input_and_nothing_is_kept_at_the_provider() -> None:
    assert body(model="gpt-4o-mini") == {"model": "gpt-4o-mini", "input": HELLO, "store": False}


def test_parameters_get_the_names_of_this_api() -> None:
    made = body(
        max_tokens=50,
        temperature=0.5,
        reasoning_effort="low",
        verbosity="low",
        parallel_tool_calls=False,
        metadata={"a": "b"},
        top_p=None,
        store=True,
    )
    assert made == {
        "model": "gpt-6-luna",
        "input": HELLO,
        "max_output_tokens": 50,
        "temperature": 0.5,
        "reasoning": {"effort": "low"},
        "text": {"verbosity": "low"},
        "parallel_tool_calls": False,
        "metadata": {"a": "b"},
        "store": True,
    }
    assert body(max_completion_tokens=60, max_tokens=50)["max_output_tokens"] == 60


def test_parameters_of_this_api_alone_are_passed_on() -> None:
    made = body(
        previous_response_id="resp_1",
        truncation="auto",
        instructions="Be brief.",
        tools=[{"type": "web_search"}],
        tool_choice={"type": "file_search"},
        reasoning={"summary": "auto"},
        reasoning_effort="low",
        text={"verbosity": "high"},
        verbosity="low",
        include=["web_search_call.action.sources"],
    )
    assert made["previous_response_id"] == "resp_1"
    assert (made["truncation"], made["instructions"]) == ("auto", "Be brief.")
    assert (made["tools"], made["tool_choice"]) == ([{"type": "web_search"}], {"type": "file_search"})
    assert made["reasoning"] == {"effort": "low", "summary": "auto"}
    assert made["text"] == {"verbosity": "high"}
    assert made["include"] == ["web_search_call.action.sources", ENCRYPTED_REASONING]


def test_what_only_tunes_the_sampling_of_chat_completions_is_left_out() -> None:
    left_out = {"seed": 1, "frequency_penalty": 1, "logit_bias": {"1": 2}, "stream": True, "stream_options": {}}
    harmless: dict[str, Any] = {"n": 1, "modalities": ["text"], "stop": [], "background": False}
    assert body(model="gpt-4o", **left_out, **harmless) == body(model="gpt-4o")


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"n": 2}, "n: the Responses API gives one answer a call"),
        ({"stop": ["."]}, "stop: "),
        ({"functions": [WEATHER_TOOL]}, "functions: the Responses API takes tools"),
        ({"function_call": "auto"}, "function_call: "),
        ({"audio": {"voice": "alloy"}}, "audio: "),
        ({"modalities": ["text", "audio"]}, "modalities: "),
        ({"background": True}, "background: Homa keeps the queue"),
        ({"input": "Hello"}, "input: the input is made of messages"),
        ({"web_search_options": {"user_location": None}}, "web_search_options: "),
    ],
)
def test_what_this_api_cannot_do_is_refused_before_it_is_sent(params: dict[str, Any], named: str) -> None:
    with pytest.raises(ProviderError, match=named) as caught:
        body(**params)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_an_accounts_own_parameters_give_way_to_the_calls() -> None:
    call = Call("gpt-4o", HELLO, {"temperature": 1}, api=RESPONSES_API)
    made = request_body(call, URL, {"temperature": 0, "service_tier": "flex"})
    assert (made["temperature"], made["service_tier"]) == (1, "flex")


@pytest.mark.parametrize(
    ("model", "params", "included"),
    [
        ("gpt-6-luna", {}, True),
        ("o4-mini", {}, True),
        ("ft:o4-mini:acme", {}, True),
        ("openai/gpt-6", {}, True),
        ("gpt-4.1", {}, False),
        ("gpt-5-chat-latest", {}, False),
        ("my-deployment", {}, False),
        ("my-deployment", {"reasoning_effort": "low"}, True),
        ("gpt-6-luna", {"store": True}, False),
    ],
)
def test_reasoning_comes_encrypted_where_nothing_is_kept_and_the_model_reasons(
    model: str, params: dict[str, Any], *, included: bool
) -> None:
    assert body(model=model, **params).get("include") == ([ENCRYPTED_REASONING] if included else None)


def test_log_probabilities_are_asked_for_by_inclusion() -> None:
    made = body(model="gpt-4o", logprobs=True, top_logprobs=2)
    assert (made["include"], made["top_logprobs"]) == (["message.output_text.logprobs"], 2)


# -- tools and schema -------------------------------------------------------------------------------------------------


def test_definitions_lose_the_object_around_them_and_stay_as_strict_as_they_were() -> None:
    made = body(
        tools=[
            {"type": "function", "function": WEATHER_TOOL},
            {"type": "function", "function": {"name": "now", "strict": True}},
            {"type": "custom", "custom": {"name": "sql", "format": GRAMMAR}},
            {"type": "custom", "custom": {"name": "free", "format": {"type": "text"}}},
        ]
    )
    assert made["tools"] == [
        {**WEATHER_TOOL, "type": "function", "strict": False},
        {"type": "function", "name": "now", "strict": True, "parameters": None},
        {
            "type": "custom",
            "name": "sql",
            "format": {"type": "grammar", "definition": "start: /x/", "syntax": "lark"},
        },
        {"type": "custom", "name": "free", "format": {"type": "text"}},
    ]


@pytest.mark.parametrize(
    ("choice", "wanted"),
    [
        ("required", "required"),
        ({"type": "function", "function": {"name": "weather"}}, {"type": "function", "name": "weather"}),
        ({"type": "custom", "custom": {"name": "sql"}}, {"type": "custom", "name": "sql"}),
        ({"type": "function", "name": "weather"}, {"type": "function", "name": "weather"}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "weather"}}]},
            },
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "weather"}]},
        ),
    ],
)
def test_a_choice_of_tool_is_told_in_the_shape_of_this_api(choice: object, wanted: object) -> None:
    assert body(tool_choice=choice)["tool_choice"] == wanted


def test_a_schema_is_a_format_of_the_text() -> None:
    schema = {
        "name": "city",
        "strict": True,
        "schema": {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
    }
    made = body(response_format={"type": "json_schema", "json_schema": schema}, verbosity="low")
    assert made["text"] == {"format": {"type": "json_schema", **schema}, "verbosity": "low"}
    assert body(response_format={"type": "json_object"})["text"] == {"format": {"type": "json_object"}}


# -- messages ---------------------------------------------------------------------------------------------------------


def test_a_conversation_becomes_items_in_order() -> None:
    items = shown(
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "text", "text": "And kind."}]},
        {"role": "user", "content": "The weather?", "name": "ann"},
        {"role": "assistant", "content": "I look.", "tool_calls": [CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": "3 degrees"},
        {"role": "assistant", "content": [{"type": "text", "text": "3 "}, {"type": "text", "text": "degrees"}]},
        {"role": "assistant", "content": None, "refusal": "No more."},
        {"role": "assistant", "content": "Or: ", "refusal": "no."},
    )
    assert items == [
        {"role": "system", "content": "Be brief."},
        {"role": "developer", "content": [{"type": "input_text", "text": "And kind."}]},
        {"role": "user", "content": "The weather?"},
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "3 degrees"},
        {"role": "assistant", "content": "3 degrees"},
        {"role": "assistant", "content": "No more."},
        {"role": "assistant", "content": "Or: no."},
    ]


def test_media_are_parts_of_this_api() -> None:
    kept = {"prompt_cache_breakpoint": {"mode": "explicit"}}
    (item,) = shown(
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Look", **kept},
                {"type": "image_url", "image_url": {"url": "https://a.example/1.png", "detail": "low"}, **kept},
                {"type": "image_url", "image_url": "data:image/png;base64,AA=="},
                {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="}},
                {"type": "file", "file": {"file_data": "https://a.example/1.pdf"}},
                {"type": "file", "file": {"file_id": "file_0"}},
                {"type": "input_file", "file_id": "file_1"},
            ],
        }
    )
    assert item["content"] == [
        {"type": "input_text", "text": "Look", **kept},
        {"type": "input_image", "image_url": "https://a.example/1.png", "detail": "low", **kept},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA=="},
        {"type": "input_file", "file_url": "https://a.example/1.pdf"},
        {"type": "input_file", "file_id": "file_0"},
        {"type": "input_file", "file_id": "file_1"},
    ]


def test_what_this_api_wrote_is_given_back_as_it_came_but_for_ids_that_nobody_keeps() -> None:
    bare = {"id": "rs_0", "type": "reasoning", "summary": []}
    output = [bare, REASONING, WEATHER]
    said = {"role": "assistant", "content": None, "tool_calls": [CALL], ITEMS: output}
    told = {"role": "tool", "tool_call_id": "call_1", "content": "3"}
    stateless = shown(said, told, typed=False)
    assert stateless[:-1] == [
        {name: value for name, value in item.items() if name != "id"} for item in (REASONING, WEATHER)
    ], "reasoning that is not encrypted is known by its id only"
    assert stateless[-1] == {"type": "function_call_output", "call_id": "call_1", "output": "3"}
    assert shown(said, told, store=True)[:-1] == output
    assert shown({"role": "assistant", "content": "Hi", ITEMS: [message()]}, store=True) == [message()]


def test_results_of_custom_tools_are_told_as_such() -> None:
    call = {"id": "call_2", "type": "custom", "custom": {"name": "sql", "input": "select 1"}}
    items = shown(
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "1"}]},
    )
    assert items == [
        {"type": "custom_tool_call", "call_id": "call_2", "name": "sql", "input": "select 1"},
        {
            "type": "custom_tool_call_output",
            "call_id": "call_2",
            "output": [{"type": "input_text", "text": "1"}],
        },
    ]


@pytest.mark.parametrize(
    "params",
    [{"tools": 7}, {"reasoning": "low", "reasoning_effort": "low"}, {"tool_choice": {"type": "custom", "custom": {}}}],
)
def test_parameters_of_no_known_shape_are_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ProviderError, match="not in the shape of a chat completion request") as caught:
        body(**params)
    assert caught.value.kind is ErrorKind.INVALID_REQUEST


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({"role": "function", "name": "f", "content": "x"}, "role 'function'"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}, "takes no audio"),
        ({"role": "user", "content": 7}, "content 7"),
        ({"role": "assistant", "content": [{"type": "video_url"}]}, "an assistant's part of type 'video_url'"),
    ],
)
def test_messages_that_this_api_cannot_read_are_refused(said: dict[str, Any], named: str) -> None:
    with pytest.raises(ProviderError, match=named) as caught:
        body([said])
    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_what_prompts_share_is_marked_here_too() -> None:
    spoken = [{"role": "system", "content": "Long rules"}, *HELLO]
    made = request_body(Call("gpt-5.6", spoken, {}, SharedPrefix(1), RESPONSES_API), URL)
    assert made["input"][0]["content"] == [
        {"type": "input_text", "text": "Long rules", "prompt_cache_breakpoint": {"mode": "explicit"}}
    ]
    assert made["prompt_cache_options"] == {"mode": "explicit"}
    assert made["prompt_cache_key"]
