"""The simulator refuses what a family of models refuses, so that a mistake is seen without a provider."""

from __future__ import annotations

from typing import Any

import pytest

from homa_workers.simulator.dialects.bedrock_models import refuse_at_converse
from homa_workers.simulator.dialects.claude_models import refuse_what_models_lack
from homa_workers.simulator.dialects.gemini_models import refuse_what_models_lack as refuse_at_gemini
from homa_workers.simulator.dialects.openai_fields import refuse_unknown_of_chat
from homa_workers.simulator.dialects.openai_models import refuse_what_is_out_of_range
from homa_workers.simulator.dialects.openai_models import refuse_what_models_lack as refuse_at_openai
from homa_workers.simulator.wire import Failure

HELLO = [{"role": "user", "content": "Hi"}]
BEGUN = [*HELLO, {"role": "assistant", "content": "{"}]


def judged(model: str, **fields: Any) -> str:
    """What Anthropic would say of a request; empty where it takes it."""
    try:
        refuse_what_models_lack({"model": model, "messages": HELLO, "max_tokens": 9, **fields})
    except Failure as failure:
        return failure.message
    return ""


def at_bedrock(model: str, **fields: Any) -> str:
    try:
        refuse_at_converse(model, {"messages": HELLO, **fields})
    except Failure as failure:
        return failure.message
    return ""


def at_gemini(model: str, **body: Any) -> str:
    try:
        refuse_at_gemini(model, body)
    except Failure as failure:
        return failure.message
    return ""


@pytest.mark.parametrize(
    ("model", "fields", "said"),
    [
        ("claude-haiku-4-5", {"temperature": 0}, ""),
        ("claude-haiku-4-5", {"temperature": 0, "top_p": 1}, "cannot both be specified for this model"),
        ("claude-opus-4-7", {"temperature": 0}, "`temperature` is deprecated for this model"),
        ("claude-opus-5-5", {"prompt_cache_key": "k"}, "prompt_cache_key: Extra inputs are not permitted"),
        ("claude-opus-5-5", {"service_tier": "flex"}, "service_tier: Input should be"),
        ("claude-opus-5-5", {"thinking": {"type": "disabled"}}, '"thinking.type.disabled" is not supported'),
        ("claude-sonnet-5-5", {"thinking": {"type": "disabled"}}, "To turn thinking off on this model"),
        ("claude-opus-4-7", {"thinking": {"type": "enabled"}}, '"thinking.type.enabled" is not supported'),
        ("claude-haiku-4-5", {"output_config": {"effort": "low"}}, "does not support the effort parameter"),
        ("claude-opus-4-6", {"output_config": {"effort": "xhigh"}}, "is not supported for this model"),
        ("claude-fable-5-1", {"tool_choice": {"type": "any"}}, 'tool_choice: type "tool" and "any"'),
        ("claude-opus-4-6", {"messages": BEGUN}, "does not support assistant message prefill"),
        ("claude-haiku-4-5-20251001", {"messages": BEGUN}, ""),
        ("claude-haiku-5-5", {"tool_choice": {"type": "any"}, "thinking": {"type": "disabled"}}, ""),
        ("claude-opus-5-5", {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, ""),
        ("claude-haiku-4-5", {"temperature": 1.5}, "temperature: range"),
        ("claude-opus-4-6", {"temperature": 0, "thinking": {"type": "adaptive"}}, "may only be set to 1"),
        ("claude-haiku-4-5", {"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 9}}, "greater than"),
        ("claude-haiku-4-5", {"thinking": {"type": "enabled", "budget_tokens": 2048}}, "must be greater than"),
        ("claude-haiku-4-5", {"speed": "fast"}, "speed: 'fast' is not supported"),
        ("claude-opus-5", {"thinking": {"type": "disabled"}, "output_config": {"effort": "max"}}, "while thinking is"),
        ("claude-3-5-haiku-20241022", {"thinking": {"type": "disabled"}}, "thinking: Extra inputs"),
        ("claude-opus-4-1", {"output_config": {"format": {}}}, "output_config.format: Extra inputs"),
        ("some-model", {"temperature": 0, "whatever": 1}, ""),
    ],
)
def test_anthropic_says_what_a_claude_does_not_take(model: str, fields: dict[str, Any], said: str) -> None:
    found = judged(model, **fields)
    assert said in found if said else found == ""


@pytest.mark.parametrize(
    ("model", "fields", "said"),
    [
        ("anthropic.claude-opus-4-7", {"inferenceConfig": {"temperature": 0}}, "`temperature` is deprecated"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", {"inferenceConfig": {"temperature": 0, "topP": 1}}, "only one"),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", {"inferenceConfig": {"temperature": 0}}, ""),
        ("us.anthropic.claude-haiku-4-5-20251001-v1:0", {"outputConfig": {"effort": "low"}}, "effort parameter"),
        ("anthropic.claude-opus-5-5", {"toolConfig": {"toolChoice": {"any": {}}}}, "tool_choice"),
        ("anthropic.claude-opus-5-5", {"additionalModelRequestFields": {"seed": 1}}, "seed: Extra inputs"),
        ("amazon.nova-lite-v1:0", {"outputConfig": {"effort": "low"}}, "doesn't support the effort field"),
        ("amazon.nova-lite-v1:0", {"inferenceConfig": {"temperature": 0, "topP": 1}}, ""),
        ("amazon.nova-lite-v1:0", {"seed": 1}, "extraneous key [seed]"),
        ("amazon.nova-lite-v1:0", {"outputConfig": {"textFormat": {}}}, "doesn't support the outputConfig.textFormat"),
        ("us.meta.llama4-scout-17b-instruct-v1:0", {"toolConfig": {"toolChoice": {"any": {}}}}, "toolChoice.any"),
        ("anthropic.claude-opus-5-5", {"serviceTier": {"type": "flex"}}, "service tier 'flex' is not supported"),
        ("us.openai.gpt-6-luna", {}, "doesn't support the Converse API"),
        (
            "us.amazon.nova-2-lite-v1:0",
            {
                "inferenceConfig": {"maxTokens": 9},
                "additionalModelRequestFields": {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
            },
            "maxTokens cannot be set",
        ),
        (
            "amazon.nova-lite-v1:0",
            {"messages": [{"role": "user", "content": [{"toolResult": {"toolUseId": "a", "content": []}}]}]},
            "The toolConfig field must be defined",
        ),
    ],
)
def test_bedrock_says_what_a_model_does_not_take(model: str, fields: dict[str, Any], said: str) -> None:
    found = at_bedrock(model, **fields)
    assert said in found if said else found == ""


@pytest.mark.parametrize(
    ("model", "fields", "param", "code"),
    [
        ("gpt-6-luna", {"temperature": 0.2}, "temperature", "unsupported_value"),
        ("gpt-6-luna", {"stop": "END", "reasoning_effort": "none"}, "stop", "unsupported_parameter"),
        ("gpt-5-mini", {"reasoning_effort": "none"}, "reasoning_effort", "unsupported_value"),
        ("gpt-6-luna", {"tools": [{}]}, "reasoning_effort", None),
        ("gpt-5.4", {"tools": [{}], "reasoning_effort": "low"}, "reasoning_effort", None),
        ("o3", {"tools": [{}], "parallel_tool_calls": True}, "parallel_tool_calls", "unsupported_parameter"),
        ("gpt-5.2-pro", {}, "model", None),
        ("gpt-4.1", {"reasoning_effort": "low"}, None, None),
        ("gpt-6-luna", {"max_tokens": 9}, "max_tokens", "unsupported_parameter"),
        ("gpt-4.1", {"max_tokens": 9, "max_completion_tokens": 9}, "max_tokens", "invalid_parameter_combination"),
        ("gpt-4.1", {"tool_choice": "auto"}, "tool_choice", None),
        ("gpt-4.1", {"verbosity": "low"}, "verbosity", "unsupported_value"),
        ("gpt-4.1", {"top_logprobs": 21, "logprobs": True}, "top_logprobs", "integer_above_max_value"),
        ("gpt-4.1", {"response_format": {"type": "json_object"}, "messages": HELLO}, "messages", None),
        ("gpt-4", {"response_format": {"type": "json_schema", "json_schema": {"name": "x"}}}, "response_format", None),
        ("gpt-6-luna", {"prompt_cache_retention": "in_memory"}, "prompt_cache_retention", None),
        ("gpt-5-mini", {"prompt_cache_options": {}}, "prompt_cache_options", "unsupported_parameter"),
        ("gpt-6.2-sol", {"service_tier": "flex"}, "service_tier", None),
        ("gpt-6-luna", {"web_search_options": {}}, "web_search_options", "unsupported_parameter"),
    ],
)
def test_openai_names_the_parameter_that_a_model_does_not_take(
    model: str, fields: dict[str, Any], param: str | None, code: str | None
) -> None:
    with pytest.raises(Failure) as caught:
        refuse_at_openai({"model": model, **fields}, by_responses=False)
    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop", "array_above_max_length"),
        ({"temperature": 2.1}, "temperature", "decimal_above_max_value"),
        ({"presence_penalty": -3}, "presence_penalty", "decimal_below_min_value"),
    ],
)
def test_openai_names_what_its_api_takes_from_no_model(fields: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(Failure) as caught:
        refuse_what_is_out_of_range({"model": "some-model", **fields})
    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        ("gpt-4.1", {"temperature": 0, "stop": "END"}),
        ("gpt-5.4", {"temperature": 0, "tools": [{}]}),
        ("gpt-6-luna", {"temperature": 0, "reasoning_effort": "none", "tools": [{}]}),
        ("some-model", {"temperature": 0, "reasoning_effort": "any", "stop": "END"}),
    ],
)
def test_openai_takes_what_a_model_takes(model: str, fields: dict[str, Any]) -> None:
    refuse_at_openai({"model": model, **fields}, by_responses=False)
    refuse_at_openai({"model": "gpt-6.2-sol", "reasoning": {"effort": "max"}, "tools": [{}]}, by_responses=True)


@pytest.mark.parametrize(
    ("model", "config", "said"),
    [
        ("gemini-3.8-flash", {"thinkingConfig": {"thinkingLevel": "MINIMAL"}}, "Thinking level MINIMAL"),
        ("gemini-4-argon", {"thinkingConfig": {"thinkingLevel": "XHIGH"}}, "Thinking level XHIGH"),
        ("gemini-4-neon", {"thinkingConfig": {"thinkingLevel": "XHIGH"}}, ""),
        ("gemini-2.5-pro", {"thinkingConfig": {"thinkingBudget": 0}}, "only works in thinking mode"),
        ("gemini-2.5-flash", {"presencePenalty": 1}, "Penalty is not enabled"),
        ("gemini-3.8-flash", {"candidateCount": 2}, "Multiple candidates"),
        ("gemini-2.5-flash", {"candidateCount": 2, "temperature": 0}, ""),
        ("some-model", {"candidateCount": 2}, ""),
        ("some-model", {"n": 2}, 'Unknown name "n"'),
        ("gemini-2.5-flash-lite", {"thinkingConfig": {"thinkingBudget": 100}}, "The thinking budget 100 is invalid"),
        ("gemini-2.5-flash", {"thinkingConfig": {"thinkingLevel": "LOW"}}, "Thinking level is not supported"),
        ("gemini-3-flash", {"thinkingConfig": {"thinkingLevel": "LOW", "thinkingBudget": 1}}, "only one of"),
        ("gemini-3-flash", {"stopSequences": list("abcdef")}, "stop sequences"),
    ],
)
def test_gemini_says_what_a_model_does_not_take(model: str, config: dict[str, Any], said: str) -> None:
    found = at_gemini(model, contents=[{"role": "user"}], generationConfig=config)
    assert said in found if said else found == ""


def test_gemini_wants_a_signature_in_the_first_call_of_each_step() -> None:
    call = {"functionCall": {"name": "look", "args": {}}}
    said = [{"role": "user", "parts": [{"text": "x"}]}, {"role": "model", "parts": [call, call]}]
    assert "missing a `thought_signature`" in at_gemini("gemini-3-flash", contents=said)
    assert at_gemini("gemini-2.5-flash", contents=said) == ""
    said[1] = {"role": "model", "parts": [{**call, "thoughtSignature": "c2ln"}, call]}
    assert at_gemini("gemini-3-flash", contents=said) == ""


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"top_k": 1}, "top_k"),
        ({"messages": [{"role": "user", "content": "x", "thinking_blocks": []}]}, "messages[0].thinking_blocks"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages[0].content[0]"),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {}}]}]},
            "messages[0].content[0].cache_control",
        ),
        (
            {"messages": [{"role": "assistant", "content": [{"type": "file", "file": {}}]}]},
            "messages[0].content[0].type",
        ),
        (
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "a", "extra_content": {}}]}]},
            "messages[0].tool_calls[0].extra_content",
        ),
    ],
)
def test_openai_names_the_field_that_it_does_not_know(body: dict[str, Any], place: str) -> None:
    with pytest.raises(Failure) as caught:
        refuse_unknown_of_chat({"model": "gpt-6-luna", "messages": HELLO, **body})
    assert (caught.value.param, caught.value.code) == (place, "unknown_parameter")
