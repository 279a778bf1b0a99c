"""Requests that say each option of a job, alone and together, as `homa ask`, `homa run` and `submit` make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from homa_shared.calls.media import data_url
from tests.matrix.features import SCHEMA, TOOL
from tests.media.samples import PDF, png

Message = dict[str, Any]

#: Cases that say `reasoning_effort`, by its value.
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
OTHER_TOOL = {"type": "function", "function": {"name": "now", "description": "The time."}}
NAMED = {"type": "function", "function": {"name": "get_weather"}}
FORM = {"type": "json_schema", "json_schema": {"name": "city", "strict": True, "schema": SCHEMA}}
PIXELS = data_url(png(2, 2))


def user(content: object = "Say hello as JSON.") -> Message:
    return {"role": "user", "content": content}


def called(*ids: str, **fields: Any) -> Message:
    calls = [
        {"id": name, "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Oslo"}'}}
        for name in ids
    ]
    return {"role": "assistant", "content": None, "tool_calls": calls, **fields}


def told(call_id: str, content: object = "cold") -> Message:
    return {"role": "tool", "tool_call_id": call_id, "content": content}


class Case(NamedTuple):
    """What one request says."""

    options: Mapping[str, Any] = {}
    messages: tuple[Message, ...] = (user(),)
    stream: bool = False


#: Name -> request. Names of options are those of `submit`.
CASES: Mapping[str, Case] = {
    "nothing": Case(),
    "a stream": Case(stream=True),
    "max_tokens": Case({"max_tokens": 300}),
    "a tiny cap": Case({"max_tokens": 5}),
    "a tiny cap and tools": Case({"max_tokens": 5, "tools": [TOOL], "reasoning_effort": "low"}),
    "max_completion_tokens": Case({"max_completion_tokens": 300}),
    "temperature": Case({"temperature": 0}),
    "temperature of one": Case({"temperature": 1.0}),
    "a high temperature": Case({"temperature": 1.8}),
    "top_p": Case({"top_p": 0.5}),
    "temperature and top_p": Case({"temperature": 0.2, "top_p": 0.5}),
    "top_k": Case({"top_k": 40}),
    "penalties": Case({"frequency_penalty": 0.5, "presence_penalty": 0.5}),
    "negative penalties": Case({"frequency_penalty": -0.5, "presence_penalty": -0.5}),
    "logprobs": Case({"logprobs": True, "top_logprobs": 2}),
    "logit_bias": Case({"logit_bias": {"50256": -100}}),
    "seed": Case({"seed": 7}),
    "stop": Case({"stop": "END"}),
    "stops": Case({"stop": ["END", "STOP"]}),
    "one answer": Case({"n": 1}),
    "two answers": Case({"n": 2}),
    "user": Case({"user": "u1"}),
    "safety_identifier": Case({"safety_identifier": "s1"}),
    "metadata": Case({"metadata": {"user_id": "u2", "team": "seven"}}),
    "store": Case({"store": True}),
    "prompt_cache_key": Case({"prompt_cache_key": "k"}),
    "prompt_cache_retention": Case({"prompt_cache_retention": "in_memory"}),
    "prompt_cache_retention of a day": Case({"prompt_cache_retention": "24h"}),
    "prompt_cache_options": Case({"prompt_cache_options": {"mode": "implicit"}}),
    "prediction": Case({"prediction": {"type": "content", "content": "x"}}),
    "modalities": Case({"modalities": ["text"]}),
    "audio": Case({"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}),
    "verbosity": Case({"verbosity": "low"}),
    "web_search_options": Case({"web_search_options": {}}),
    "stream_options": Case({"stream_options": {"include_usage": True}}),
    "thinking adaptively": Case({"thinking": {"type": "adaptive"}}),
    "thinking disabled": Case({"thinking": {"type": "disabled"}, "reasoning_effort": "xhigh"}),
    "thinking and sampling": Case(
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "temperature": 0, "top_k": 5}
    ),
    "thinking and a forced tool": Case(
        {"thinking": {"type": "enabled", "budget_tokens": 1024}, "tools": [TOOL], "tool_choice": "required"}
    ),
    "speed": Case({"speed": "fast"}),
    "thinking": Case({"thinking": {"type": "enabled", "budget_tokens": 1024}}),
    "functions": Case({"functions": [TOOL["function"]], "function_call": "auto"}),
    **{f"tier {name}": Case({"service_tier": name}) for name in ("auto", "default", "flex", "priority")},
    **{f"tier option {name}": Case({"tier": name}) for name in ("standard", "flex", "priority", "auto")},
    **{f"effort {name}": Case({"reasoning_effort": name}) for name in EFFORTS},
    **{f"effort {name} and a temperature": Case({"reasoning_effort": name, "temperature": 0}) for name in EFFORTS},
    **{f"effort {name} and tools": Case({"reasoning_effort": name, "tools": [TOOL]}) for name in EFFORTS},
    "effort and a forced tool": Case({"reasoning_effort": "high", "tools": [TOOL], "tool_choice": "required"}),
    "effort high and a small cap": Case({"reasoning_effort": "high", "max_tokens": 1500}),
    "tools": Case({"tools": [TOOL, OTHER_TOOL]}),
    "tools and auto": Case({"tools": [TOOL], "tool_choice": "auto"}),
    "tools and none": Case({"tools": [TOOL], "tool_choice": "none"}),
    "a forced tool": Case({"tools": [TOOL], "tool_choice": "required"}),
    "a named tool": Case({"tools": [TOOL], "tool_choice": NAMED}),
    "tools one at a time": Case({"tools": [TOOL], "parallel_tool_calls": False}),
    "tools side by side": Case({"tools": [TOOL], "parallel_tool_calls": True}),
    "one at a time without tools": Case({"parallel_tool_calls": False}),
    "a tool choice without tools": Case({"tool_choice": "auto"}),
    "a strict tool": Case({"tools": [{**TOOL, "function": {**TOOL["function"], "strict": True}}]}),
    "tools in a stream": Case({"tools": [TOOL]}, stream=True),
    "results of tools": Case({"tools": [TOOL]}, (user(), called("a", "b"), told("b"), told("a", '{"c": 3}'))),
    "results of tools without tools": Case({}, (user(), called("a"), told("a"), user("And now?"))),
    "results of tools and none": Case(
        {"tools": [TOOL], "tool_choice": "none"}, (user(), called("a"), told("a"), user("And now?"))
    ),
    "a schema": Case({"response_format": FORM}),
    "a schema of a client": Case({"schema": SCHEMA}),
    "a schema and an effort": Case({"response_format": FORM, "reasoning_effort": "low"}),
    "a schema and tools": Case({"response_format": FORM, "tools": [TOOL]}),
    "an object": Case({"response_format": {"type": "json_object"}}),
    "an object and tools": Case({"response_format": {"type": "json_object"}, "tools": [TOOL]}),
    "a text": Case({"response_format": {"type": "text"}}),
    "a system message": Case({}, ({"role": "system", "content": "Be brief."}, user())),
    "a developer message": Case({}, ({"role": "developer", "content": "Be brief."}, user())),
    "a prefill": Case({}, (user(), {"role": "assistant", "content": "{"})),
    "an image": Case({}, (user([{"type": "image_url", "image_url": {"url": PIXELS}}, {"type": "text", "text": "?"}]),)),
    "an image of jpg": Case(
        {}, (user([{"type": "image_url", "image_url": {"url": "data:image/jpg;base64,/9j/4AAQ"}}]),)
    ),
    "an image by its address": Case(
        {}, (user([{"type": "image_url", "image_url": {"url": "https://example.com/cat.png"}}]),)
    ),
    "a document": Case({}, (user([{"type": "file", "file": {"filename": "a.pdf", "file_data": data_url(PDF)}}]),)),
    "a marked text": Case(
        {}, (user([{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]),)
    ),
    "a document of an assistant": Case(
        {},
        (
            user(),
            {"role": "assistant", "content": [
                {"type": "text", "text": "See"}, {"type": "file", "file": {"file_data": data_url(PDF)}},
            ]},
            user("And now?"),
        ),
    ),
    "a text with citations": Case(
        {}, (user([{"type": "text", "text": "Quoted.", "citations": [{"type": "char_location"}]}]),)
    ),
    "an answer of Claude's given back": Case(
        {"tools": [TOOL]},
        (
            user(),
            called(
                "a",
                reasoning_content="hm",
                thinking_blocks=[{"type": "thinking", "thinking": "hm", "signature": "sig"}],
            ),
            told("a"),
        ),
    ),
    "an answer of Gemini's given back": Case(
        {"tools": [TOOL]},
        (
            user(),
            {"role": "assistant", "content": None, "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "get_weather", "arguments": "{}"},
                 "extra_content": {"google": {"thought_signature": "c2ln"}}},
            ]},
            told("a"),
        ),
    ),
    "results of parallel tools in two steps": Case(
        {"tools": [TOOL]}, (user(), called("a", "b"), told("a"), told("b"), called("c"), told("c"))
    ),
    "a prior refusal": Case({}, (user(), {"role": "assistant", "content": None, "refusal": "No."}, user("Please."))),
    "much at once": Case(
        {
            "temperature": 0.2, "top_p": 0.9, "stop": "END", "seed": 3, "user": "u", "max_tokens": 4000,
            "reasoning_effort": "low", "tools": [TOOL], "tool_choice": "auto", "parallel_tool_calls": False,
            "service_tier": "default", "verbosity": "medium", "metadata": {"a": "b"}, "frequency_penalty": 0.1,
        },
        stream=True,
    ),
    # Of the Responses API alone.
    "responses": Case({"api": "responses"}),
    "responses in a stream": Case({"api": "responses"}, stream=True),
    "responses with tools": Case({"api": "responses", "tools": [TOOL], "reasoning_effort": "low"}),
    "responses with sampling": Case({"api": "responses", "temperature": 0, "top_p": 0.5, "logprobs": True}),
    "responses with a schema": Case({"api": "responses", "response_format": FORM}),
    "responses with media": Case(
        {"api": "responses"}, (user([{"type": "image_url", "image_url": {"url": PIXELS}}]),)
    ),
    "responses with all that tunes it": Case(
        {
            "api": "responses", "include": ["reasoning.encrypted_content"], "truncation": "auto", "max_tool_calls": 3,
            "reasoning": {"summary": "auto"}, "max_output_tokens": 400, "store": False,
        }
    ),
    "responses with much at once": Case(
        {
            "api": "responses", "seed": 3, "n": 1, "user": "u", "metadata": {"a": "b"}, "logit_bias": {"1": 1},
            "frequency_penalty": 0.1, "stop": None, "prediction": {"type": "content", "content": "x"},
            "prompt_cache_key": "k", "service_tier": "default", "verbosity": "low",
        }
    ),
    "instructions": Case({"api": "responses", "instructions": "Be brief."}),
    "text": Case({"api": "responses", "text": {"verbosity": "low"}}),
    "context_management": Case({"api": "responses", "context_management": [{"type": "compaction"}]}),
    "moderation": Case({"api": "responses", "moderation": {"model": "omni-moderation-latest"}}),
}  # fmt: skip

#: Options of embeddings.
EMBEDDINGS: Mapping[str, Mapping[str, Any]] = {
    "nothing": {},
    "dimensions": {"dimensions": 256},
    "user": {"user": "u1"},
    "encoding_format": {"encoding_format": "float"},
}
