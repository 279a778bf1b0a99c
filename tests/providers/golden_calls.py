"""Calls as applications make them: what each adapter sends for each of them is kept in `golden/`.

`python -m tests.providers.test_golden_requests` records anew; a change of its files is a change of what is sent.
"""

from __future__ import annotations

from typing import Any

from homa_shared.calls.reply import ITEMS, RESPONSES_API, Call
from homa_shared.calls.shared_prefix import SharedPrefix

Message = dict[str, Any]

PIXEL = "data:image/png;base64,iVBORw0KGgo="
PHOTO = "data:image/jpg;base64,/9j/4AAQ"
PAGE = "data:application/pdf;base64,JVBERi0xLjQ="
EPHEMERAL = {"type": "ephemeral"}
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
#: A model of each kind, and those on which a rule of a kind depends.
MODELS = {
    "openai": "gpt-5-mini",
    "responses": "gpt-5-mini",
    "anthropic": "claude-opus-4-6",
    "bedrock": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "gemini": "gemini-3-flash",
}


def system(content: object) -> Message:
    return {"role": "system", "content": content}


def user(content: object) -> Message:
    return {"role": "user", "content": content}


def assistant(content: object, *calls: Message, **fields: Any) -> Message:
    message = {"role": "assistant", "content": content, **fields}
    return {**message, "tool_calls": list(calls)} if calls else message


def tool(call_id: str, content: object) -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


def called(call_id: str, name: str = "weather", arguments: str = '{"city": "Rome"}', **fields: Any) -> Message:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}, **fields}


def function(name: str = "weather", **fields: Any) -> Message:
    return {"type": "function", "function": {"name": name, **fields}}


def text(content: str, **fields: Any) -> Message:
    return {"type": "text", "text": content, **fields}


def image(url: str, **fields: Any) -> Message:
    return {"type": "image_url", "image_url": {"url": url}, **fields}


def file(**fields: Any) -> Message:
    return {"type": "file", "file": fields}


WEATHER = function(description="The weather of a city.", parameters=CITY, strict=True)
LONG_TALK = [
    system("Be brief."),
    user("Weather in Rome and Oslo?"),
    assistant("Let me look.", called("a"), called("b", arguments='{"city": "Oslo"}')),
    tool("a", '{"degrees": 30}'),
    tool("b", "cold"),
    assistant("30 degrees, and cold."),
    user("And tomorrow?"),
]

#: Name -> messages, parameters, and what the prompt shares with others.
CASES: dict[str, tuple[list[Message], dict[str, Any], SharedPrefix | None]] = {
    "a_question": ([user("Hello")], {}, None),
    "no_messages": ([], {}, None),
    "accents_and_emoji": ([user("Grüße, 世界 🌍\n\t\"quoted\"")], {}, None),
    "system_and_developer": (
        [system("Be brief."), {"role": "developer", "content": [text("Be kind.")]}, user("Hello")], {}, None
    ),
    "system_in_the_middle": ([user("Hello"), system("Be brief."), user("Again")], {}, None),
    "neighbours_of_one_role": ([user("One"), user([text("Two"), "three"]), assistant("a"), assistant("b")], {}, None),
    "empty_contents": ([system(""), user(""), assistant(None), user([]), assistant(""), user("Hello")], {}, None),
    "empty_part_and_blank_text": ([user([text(""), text(" "), text("x")])], {}, None),
    "an_empty_answer_between": ([user("One"), assistant(""), user("Two")], {}, None),
    "an_earlier_refusal": (
        [user("x"), assistant([{"type": "refusal", "refusal": "No."}]), user("Please")], {}, None
    ),
    "a_text_with_citations": ([user([text("Quote me.", citations={"enabled": True})])], {}, None),
    "images_inline": ([user([text("What is it?"), image(PIXEL), image(PHOTO)])], {}, None),
    "an_image_by_its_address": ([user([image("https://example.com/cat.webp?size=1")])], {}, None),
    "an_image_of_a_type_with_parameters": ([user([image("data:image/png;name=a;base64,iVBORw0KGgo=")])], {}, None),
    "an_image_that_is_not_base64": ([user([image("data:image/png,hello")])], {}, None),
    "an_image_with_damaged_base64": ([user([image("data:image/png;base64,a=b")])], {}, None),
    "an_image_without_data": ([user([image("data:image/png;base64,")])], {}, None),
    "a_marked_image": ([user([image(PIXEL, cache_control=EPHEMERAL), text("What is it?")])], {}, None),
    "a_document": ([user([file(filename="Bill No. 7 (final).pdf", file_data=PAGE), text("Sum?")])], {}, None),
    "a_document_without_a_name": ([user(["Sum?", file(file_data=PAGE)])], {}, None),
    "a_document_as_bare_base64": ([user([file(file_data="JVBERi0xLjQ=")])], {}, None),
    "a_document_by_its_address": ([user([file(file_data="https://example.com/a.pdf")])], {}, None),
    "a_document_by_its_id": ([user([file(file_id="file-1")])], {}, None),
    "a_document_of_nothing": ([user([file(filename="a.pdf")])], {}, None),
    "two_documents_and_an_image": (
        [user([file(filename="a.pdf", file_data=PAGE), file(filename="a.pdf", file_data=PAGE), image(PIXEL)])], {}, None
    ),
    "audio": ([user([{"type": "input_audio", "input_audio": {"format": "wav", "data": "UklGRg=="}}])], {}, None),
    "a_part_of_an_unknown_type": ([user([{"type": "video_url", "video_url": {"url": "https://x/y"}}])], {}, None),
    "a_part_without_a_type": ([user([{"text": "as the provider writes it"}])], {}, None),
    "a_content_that_is_a_number": ([user(7)], {}, None),
    "a_part_that_is_a_number": ([user([7])], {}, None),
    "an_unknown_role": ([{"role": "critic", "content": "x"}], {}, None),
    "a_function_message": ([user("x"), {"role": "function", "name": "f", "content": "1"}], {}, None),
    "tools": ([user("Weather?")], {"tools": [WEATHER]}, None),
    "a_tool_without_parameters": ([user("Time?")], {"tools": [function("now")], "tool_choice": "auto"}, None),
    "a_tool_that_must_be_called": ([user("Weather?")], {"tools": [WEATHER], "tool_choice": "required"}, None),
    "a_tool_that_must_not_be_called": ([user("Weather?")], {"tools": [WEATHER], "tool_choice": "none"}, None),
    "one_tool_that_must_be_called": (
        [user("Weather?")], {"tools": [WEATHER, function("now")], "tool_choice": function()}, None
    ),
    "a_tool_choice_without_tools": ([user("x")], {"tool_choice": "required"}, None),
    "an_unknown_tool_choice": ([user("x")], {"tools": [WEATHER], "tool_choice": "perhaps"}, None),
    "tools_one_at_a_time": ([user("x")], {"tools": [WEATHER], "parallel_tool_calls": False}, None),
    "a_tool_of_the_provider": ([user("x")], {"tools": [{"type": "web_search", "name": "web_search"}]}, None),
    "tool_calls_and_results": (LONG_TALK, {"tools": [WEATHER]}, None),
    "tools_called_twice_under_one_id": (
        [
            user("x"),
            assistant(None, called("call_0", "first")),
            tool("call_0", "1"),
            assistant(None, called("call_0", "second", "")),
            tool("call_0", "2"),
        ],
        {"tools": [function("first"), function("second")]},
        None,
    ),
    "a_tool_result_of_parts": (
        [user("x"), assistant("", called("a")), tool("a", [text("1"), text(""), text("2")]), user("Go on")], {}, None
    ),
    "a_tool_result_with_an_image": (
        [user("x"), assistant("", called("a")), tool("a", [text("See"), image(PIXEL)])], {}, None
    ),
    "an_empty_tool_result": ([user("x"), assistant("", called("a")), tool("a", "")], {}, None),
    "a_tool_result_that_is_json": ([user("x"), assistant("", called("a")), tool("a", "[1, 2]")], {}, None),
    "a_tool_result_of_no_call": ([user("x"), tool("lost", "1")], {}, None),
    "arguments_that_are_not_json": ([user("x"), assistant("", called("a", arguments="{broken"))], {}, None),
    "a_tool_call_without_a_function": ([user("x"), assistant("", {"id": "a"})], {}, None),
    "a_signed_tool_call": (
        [
            user("x"),
            assistant("", called("a", extra_content={"google": {"thought_signature": "c2ln"}})),
            tool("a", "1"),
        ],
        {},
        None,
    ),
    "thinking_given_back": (
        [
            user("x"),
            assistant(
                "Hm.",
                called("a"),
                thinking_blocks=[
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "thinking", "thinking": "unsigned"},
                    {"type": "redacted_thinking", "data": "aGk="},
                ],
                reasoning_content="hm",
            ),
            tool("a", "1"),
        ],
        {},
        None,
    ),
    "items_given_back": (
        [
            user("x"),
            assistant("Hi", **{ITEMS: [{"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "e"}]}),
        ],
        {},
        None,
    ),
    "a_schema": (
        [user("x")],
        {"response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY, "strict": True}}},
        None,
    ),
    "a_schema_without_a_name": (
        [system("Be brief."), user("x")],
        {"response_format": {"type": "json_schema", "json_schema": {"schema": CITY}}},
        None,
    ),
    "a_schema_and_an_effort": (
        [user("x")],
        {
            "response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}},
            "reasoning_effort": "high",
        },
        None,
    ),
    "json": ([system("Be brief."), user("x")], {"response_format": {"type": "json_object"}}, None),
    "a_format_of_text": ([user("x")], {"response_format": {"type": "text"}}, None),
    "effort_minimal": ([user("x")], {"reasoning_effort": "minimal", "max_tokens": 8000}, None),
    "effort_none": ([user("x")], {"reasoning_effort": "none"}, None),
    "effort_max": ([user("x")], {"reasoning_effort": "max"}, None),
    "caps": ([user("x")], {"max_tokens": 100, "max_completion_tokens": 200}, None),
    "a_cap": ([user("x")], {"max_tokens": 100}, None),
    "one_stop": ([user("x")], {"stop": "END"}, None),
    "stops": ([user("x")], {"stop": ["END", "STOP"], "n": 1}, None),
    "two_choices": ([user("x")], {"n": 2}, None),
    "sampling": ([user("x")], {"temperature": 0, "top_p": 0.5, "top_k": 40, "seed": 7, "presence_penalty": 1}, None),
    "what_only_openai_has": (
        [user("x")],
        {
            "logit_bias": {"1": 2}, "prediction": {"type": "content", "content": "x"}, "prompt_cache_key": "k",
            "store": False, "stream": True, "stream_options": {}, "verbosity": "low", "temperature": None,
        },
        None,
    ),
    "an_end_user": ([user("x")], {"user": "u1", "safety_identifier": "s1", "service_tier": "default"}, None),
    "metadata": ([user("x")], {"metadata": {"user_id": "u2", "team": 7}}, None),
    "a_parameter_of_the_provider": ([user("x")], {"x_unknown": {"deep": [1, 2]}}, None),
    "a_prompt_shared_to_the_middle": (
        [system("Be brief."), user("Dear Bob")], {"tools": [WEATHER]}, SharedPrefix(1, 5)
    ),
    "a_shared_system_prompt": ([system("Be brief."), user("Dear Bob")], {}, SharedPrefix(1)),
    "a_mark_of_the_callers_own": (
        [system([text("Be brief.", cache_control={**EPHEMERAL, "ttl": "1h"}), "Go"]), user("x")], {}, SharedPrefix(1)
    ),
    "a_mark_on_an_empty_text": ([user([text("", cache_control=EPHEMERAL), text("x")])], {}, None),
    "everything_at_once": (
        [
            system([text("Rules.", cache_control=EPHEMERAL)]),
            *LONG_TALK[1:],
            user([image(PIXEL), file(file_data=PAGE)]),
        ],
        {
            "tools": [WEATHER, function("now")], "tool_choice": "auto", "temperature": 0.2,
            "max_completion_tokens": 999, "stop": "END", "reasoning_effort": "low",
            "metadata": {"user_id": "u3"}, "service_tier": "default",
        },
        None,
    ),
}  # fmt: skip

#: Cases that are asked for as a stream, too.
STREAMED = ("a_question", "everything_at_once")
#: Cases that hang on the model: kind, model, case.
OF_OTHER_MODELS = (
    ("anthropic", "claude-haiku-4-5", "effort_minimal"),
    ("anthropic", "claude-haiku-4-5", "effort_max"),
    ("bedrock", "meta.llama3-70b-instruct-v1:0", "a_mark_of_the_callers_own"),
    ("bedrock", "us.amazon.nova-lite-v1:0", "everything_at_once"),
    ("gemini", "gemini-2.5-flash", "effort_minimal"),
    ("gemini", "gemini-2.5-flash", "effort_max"),
    ("responses", "gpt-4.1", "a_question"),
)


def call_of(kind: str, case: str, model: str = "") -> Call:
    """The call of a case, as an adapter of a kind gets it."""
    messages, params, shared = CASES[case]
    api = RESPONSES_API if kind == "responses" else "chat"
    return Call(model or MODELS[kind], messages, params, shared, api)
