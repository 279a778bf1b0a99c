"""Conversations that another provider's model, or an application, has written in part: each gets what it can read."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.reply import RESPONSES_API, Call
from homa_shared.kinds.parameter_rules import fitted
from homa_shared.kinds.registry import profile_of
from homa_workers.providers.anthropic.request import request_body as messages_request
from homa_workers.providers.bedrock.request import converse
from homa_workers.providers.gemini.request import contents
from homa_workers.providers.mistral.request import chat_request
from homa_workers.providers.openai.dialects import AZURE, OPENAI, request_body
from homa_workers.providers.openai.responses_request import request_body as responses_request

USER = {"role": "user", "content": "x"}
PIXEL = {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,/9j/4AAQ"}}
PAGE = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERi0xLjQ="}}
SHOWN = {"role": "assistant", "content": [{"type": "text", "text": "See"}, PAGE]}
CALLED = {
    "role": "assistant",
    "content": [PAGE],
    "tool_calls": [{"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
}
TOLD = {"role": "tool", "tool_call_id": "a", "content": "1"}
SERVER = "https://llm.example/v1"


def at_anthropic(*messages: dict[str, Any], **params: Any) -> dict[str, Any]:
    return messages_request(Call("claude-opus-5-5", list(messages), params), max_tokens=9, adapt_schema=dict)


def at_bedrock(*messages: dict[str, Any], model: str = "anthropic.claude-opus-5-5", **params: Any) -> dict[str, Any]:
    return converse(Call(model, list(messages), params), max_tokens=9)


def at_openai(*messages: dict[str, Any], model: str = "gpt-6-luna", **params: Any) -> dict[str, Any]:
    return request_body(Call(model, list(messages), params), OPENAI, SERVER)


def roles(turns: list[dict[str, Any]]) -> list[str]:
    return [turn["role"] for turn in turns]


def test_claude_is_shown_an_assistants_document_by_the_user() -> None:
    turns = at_anthropic(USER, SHOWN, USER)["messages"]
    assert roles(turns) == ["user", "assistant", "user"]
    assert [block["type"] for block in turns[0]["content"]] == ["text", "document"]
    assert turns[1]["content"] == [{"type": "text", "text": "See"}]


def test_a_document_does_not_part_a_call_from_its_result() -> None:
    turns = at_anthropic(USER, CALLED, TOLD)["messages"]
    assert roles(turns) == ["user", "assistant", "user"]
    assert [block["type"] for block in turns[1]["content"]] == ["tool_use"]
    assert [block["type"] for block in turns[2]["content"]] == ["tool_result"]


def test_an_answer_that_shows_nothing_but_a_document_is_the_users() -> None:
    turns = at_anthropic(USER, {"role": "assistant", "content": [PAGE]}, USER)["messages"]
    assert roles(turns) == ["user"]


def test_converse_is_shown_an_assistants_document_by_the_user() -> None:
    turns = at_bedrock(USER, SHOWN, USER)["messages"]
    assert roles(turns) == ["user", "assistant", "user"]
    assert ["document" in block for block in turns[0]["content"]] == [False, True]


def test_gemini_reads_what_its_own_answers_show() -> None:
    turns = contents([USER, {"role": "assistant", "content": [PIXEL]}, USER])
    assert roles(turns) == ["user", "model", "user"]
    assert turns[1]["parts"][0]["inline_data"]["mime_type"] == "image/jpeg"


def test_openai_is_shown_an_assistants_document_by_the_user_in_both_apis() -> None:
    assert roles(at_openai(USER, SHOWN)["messages"]) == ["user", "user", "assistant"]
    items = responses_request(Call("gpt-6-luna", [USER, SHOWN], {}, api=RESPONSES_API), SERVER)["input"]
    assert roles(items) == ["user", "user", "assistant"]
    assert items[1]["content"][0]["type"] == "input_file"


def test_mistral_is_shown_an_assistants_image_by_the_user() -> None:
    sent = chat_request({"messages": [USER, {"role": "assistant", "content": [PIXEL]}]})["messages"]
    assert roles(sent) == ["user", "user"]


def test_an_image_goes_by_its_registered_type() -> None:
    source = at_anthropic({"role": "user", "content": [PIXEL]})["messages"][0]["content"][0]["source"]
    assert source["media_type"] == "image/jpeg"
    image = at_bedrock({"role": "user", "content": [PIXEL]})["messages"][0]["content"][0]["image"]
    assert image["format"] == "jpeg"


def test_a_users_text_bears_no_citations_at_claude() -> None:
    quoted = {"type": "text", "text": "Quoted.", "citations": [{"type": "char_location"}]}
    assert at_anthropic({"role": "user", "content": [quoted]})["messages"][0]["content"] == [
        {"type": "text", "text": "Quoted."}
    ]


def test_thoughts_without_claudes_signature_are_not_given_back_to_it() -> None:
    signed = {"type": "thinking", "thinking": "hm", "signature": "s"}
    foreign = {"type": "thinking", "thinking": "hm"}
    turns = at_anthropic(USER, {"role": "assistant", "content": "Hm.", "thinking_blocks": [foreign, signed]})[
        "messages"
    ]
    assert turns[1]["content"] == [signed, {"type": "text", "text": "Hm."}]


FOREIGN = {
    **CALLED,
    "content": "Hm.",
    "reasoning_content": "hm",
    "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}],
    "tool_calls": [{**CALLED["tool_calls"][0], "extra_content": {"google": {"thought_signature": "c2ln"}}}],
}
MARKED = {"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}, "y"]}
OWN = {"role": "assistant", "content": "Hm.", "tool_calls": CALLED["tool_calls"]}
PLAIN = {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]}


@pytest.mark.parametrize("model", ["gpt-6-luna", "us.openai.gpt-6-luna", "openai/gpt-4.1"])
def test_openais_models_get_no_field_of_a_message_that_is_another_makers(model: str) -> None:
    assert at_openai(MARKED, FOREIGN, TOLD, model=model)["messages"] == [PLAIN, OWN, TOLD]


def test_azure_gets_none_whatever_its_deployment_is_called() -> None:
    sent = request_body(Call("our-own", [MARKED, FOREIGN, TOLD], {}), AZURE, SERVER)
    assert sent["messages"] == [PLAIN, OWN, TOLD]


def test_a_compatible_server_gets_what_was_given() -> None:
    assert at_openai(MARKED, FOREIGN, TOLD, model="deepseek-v4")["messages"] == [MARKED, FOREIGN, TOLD]


def test_openai_is_told_of_json_where_nobody_has_told_it() -> None:
    form = {"response_format": {"type": "json_object"}}
    assert "JSON" in at_openai(USER, **form)["messages"][0]["content"]
    told = {"role": "user", "content": "As json, please."}
    assert at_openai(told, **form)["messages"] == [told]
    items = responses_request(Call("gpt-6-luna", [USER], form, api=RESPONSES_API), SERVER)["input"]
    assert roles(items) == ["system", "user"]


def test_a_schema_has_a_name_at_openai() -> None:
    form = {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}}
    assert at_openai(USER, **form)["response_format"]["json_schema"]["name"] == "reply"
    asked = responses_request(Call("gpt-6-luna", [USER], form, api=RESPONSES_API), SERVER)
    assert asked["text"]["format"]["name"] == "reply"


def test_converse_is_asked_for_json_in_words() -> None:
    assert "JSON" in at_bedrock(USER, response_format={"type": "json_object"})["system"][0]["text"]


LOOK = {"type": "function", "function": {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}}


def test_converse_is_told_of_the_tools_that_a_conversation_has_called() -> None:
    (spec,) = at_bedrock(USER, {**CALLED, "content": None}, TOLD)["toolConfig"]["tools"]
    assert spec["toolSpec"]["name"] == "look"
    asked = at_bedrock(USER, {**CALLED, "content": None}, TOLD, tools=[LOOK], tool_choice="none")["toolConfig"]
    assert asked["tools"][0]["toolSpec"]["description"] == "Looks."
    assert "toolChoice" not in asked
    assert "toolConfig" not in at_bedrock(USER, tools=[LOOK], tool_choice="none")


def test_nova_takes_top_k_by_its_own_name() -> None:
    fields = at_bedrock(USER, model="us.amazon.nova-2-lite-v1:0", top_k=5)["additionalModelRequestFields"]
    assert fields == {"inferenceConfig": {"topK": 5}}


@pytest.mark.parametrize("host", ["bedrock-runtime.us-east-1.amazonaws.com", "bedrock-mantle.us-east-1.api.aws"])
def test_openais_models_on_bedrock_are_openais(host: str) -> None:
    call = Call("us.openai.gpt-6-luna", [MARKED, FOREIGN, TOLD], {"max_tokens": 90})
    sent = request_body(call, OPENAI, f"https://{host}/openai/v1")
    assert (sent["max_completion_tokens"], sent["messages"]) == (90, [PLAIN, OWN, TOLD])
    asked = responses_request(
        Call(call.model, [USER], {"tools": [LOOK]}, api=RESPONSES_API), f"https://{host}/openai/v1"
    )
    assert asked["include"] == ["reasoning.encrypted_content"]
    params, _ = fitted(profile_of("openai").family(call.model), call.model, {"temperature": 0, "stop": "x"})
    assert params == {}
