"""Calls to Mistral: OpenAI's protocol in its own words, and its replies in OpenAI's."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import Call, Delta, Quota, Usage
from homa_shared.calls.shared_prefix import SharedPrefix
from homa_shared.capabilities import Capabilities
from homa_shared.kinds.registry import profile_of
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_workers.providers.mistral.adapter import MISTRAL
from homa_workers.providers.mistral.reply import chat_completion
from homa_workers.providers.mistral.request import tool_call_id
from homa_workers.providers.openai.dialects import request_body
from homa_workers.providers.openai.imitations import whole
from tests.providers.conftest import Connect
from tests.providers.shapes import DONE, chunk
from tests.providers.stub import Stub, events, reply

URL = "https://api.mistral.ai/v1"
THOUGHT = {"type": "thinking", "thinking": [{"type": "text", "text": "17 × 23 is 391."}], "closed": True}
REASONED = {
    "id": "0d93",
    "object": "chat.completion",
    "created": 1,
    "model": "mistral-small-latest",
    "choices": [
        {
            "index": 0,
            "finish_reason": "stop",
            "message": {"role": "assistant", "tool_calls": None, "content": [THOUGHT, {"type": "text", "text": "391"}]},
        }
    ],
    "usage": {"prompt_tokens": 77, "completion_tokens": 40, "total_tokens": 117, "num_cached_tokens": 64},
}
USER = {"role": "user", "content": "Hi"}


def body(messages: list[dict[str, Any]] | None = None, **params: Any) -> dict[str, Any]:
    return request_body(Call("mistral-small-latest", messages or [USER], params), MISTRAL, URL)


def test_what_it_names_otherwise_is_translated() -> None:
    assert body(seed=7, max_completion_tokens=9, tool_choice="required", random_thing=1) == {
        "model": "mistral-small-latest",
        "messages": [USER],
        "random_seed": 7,
        "max_tokens": 9,
        "tool_choice": "any",
        "random_thing": 1,
    }


def test_what_it_refuses_is_left_out_and_its_own_passes() -> None:
    refused = {
        "logit_bias": {},
        "logprobs": True,
        "user": "u",
        "store": True,
        "service_tier": "flex",
        "verbosity": "low",
    }
    own = {"safe_prompt": True, "prompt_mode": "reasoning", "metadata": {"a": "b"}, "parallel_tool_calls": False}
    assert body(**refused, **own) == {"model": "mistral-small-latest", "messages": [USER], **own}


@pytest.mark.parametrize(
    ("effort", "own"), [("none", "none"), ("minimal", "none"), ("low", "high"), ("high", "high"), ("xhigh", "high")]
)
def test_reasoning_is_on_or_off(effort: str, own: str) -> None:
    assert body(reasoning_effort=effort)["reasoning_effort"] == own


def test_a_function_without_parameters_gets_empty_ones() -> None:
    tools = body(tools=[{"type": "function", "function": {"name": "f"}}, {"type": "web_search"}])["tools"]
    assert tools[0]["function"]["parameters"] == {"type": "object", "properties": {}}
    assert tools[1] == {"type": "web_search"}


def test_messages_have_no_field_that_it_does_not_know() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "extra_content": {}}
    answered = {"role": "assistant", "content": None, "refusal": None, "annotations": [], "tool_calls": [call]}
    messages = body(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "name": "ann", "content": ["Hi", {"type": "text", "text": "there", "cache_control": {}}]},
            answered,
            {"role": "tool", "tool_call_id": "call_1", "content": "3"},
            {"role": "assistant", "content": "The", "prefix": True, "audio": None},
        ]
    )["messages"]
    own = tool_call_id("call_1")
    assert messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}, {"type": "text", "text": "there"}]},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{"id": own, "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "content": "3", "tool_call_id": own},
        {"role": "assistant", "content": "The", "prefix": True},
    ]


def test_media_go_in_its_parts() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
    audio = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
    own = {"type": "document_url", "document_url": "https://e.com/a.pdf"}
    (message,) = body([{"role": "user", "content": [image, audio, own]}])["messages"]
    assert message["content"] == [image, {"type": "input_audio", "input_audio": "AAAA"}, own]


def test_ids_of_tool_calls_have_nine_letters_and_digits() -> None:
    assert tool_call_id("aB3456789") == "aB3456789"
    other = tool_call_id("toolu_01AAAAAAAAAAAAAAAAAAAAAA")
    assert len(other) == 9
    assert other.isascii()
    assert other.isalnum()
    assert other == tool_call_id("toolu_01AAAAAAAAAAAAAAAAAAAAAA") != tool_call_id("toolu_01B")


def test_what_a_model_thought_goes_back_to_it() -> None:
    message = whole(chat_completion(REASONED))["choices"][0]["message"]
    (back,) = body([message])["messages"]
    assert back["content"] == [
        {"type": "thinking", "thinking": [{"type": "text", "text": "17 × 23 is 391."}]},
        {"type": "text", "text": "391"},
    ]


def test_a_request_of_another_shape_is_invalid() -> None:
    with pytest.raises(ProviderError, match="not in the shape of a chat completion request") as caught:
        body([{"role": "tool", "content": "3"}])
    assert caught.value.kind is ErrorKind.INVALID_REQUEST


def test_requests_that_begin_alike_say_so() -> None:
    call = Call("mistral-small-latest", [USER, {"role": "user", "content": "Bob"}], {}, SharedPrefix(1))
    assert request_body(call, MISTRAL, URL)["prompt_cache_key"]


async def test_a_reply_with_thoughts_is_a_completion(stub: Stub, connect: Connect, hello: Call) -> None:
    headers = {
        "mistral-correlation-id": "c-1",
        "x-ratelimit-limit-req-minute": "720",
        "x-ratelimit-remaining-req-minute": "717",
        "x-ratelimit-limit-tokens-minute": "5000000",
        "x-ratelimit-remaining-tokens-minute": "4999911",
    }
    stub.answer = reply(200, REASONED, headers)
    completion = await connect("mistral", stub.url).complete(hello)
    assert completion.text == "391"
    assert completion.body["choices"][0]["message"] == {
        "role": "assistant",
        "content": "391",
        "reasoning_content": "17 × 23 is 391.",
    }
    assert completion.usage == Usage(77, 40, cached_tokens=64)
    assert completion.quota == Quota(720, 717, 5_000_000, 4_999_911)
    assert completion.request_id == "c-1"


def test_arguments_of_a_tool_call_are_json() -> None:
    call = {"id": "aB3456789", "function": {"name": "f", "arguments": {"city": "Oslo"}}}
    found = whole({"choices": [{"message": {"content": "", "tool_calls": [call]}, "finish_reason": "tool_calls"}]})
    assert found["choices"][0]["message"]["tool_calls"] == [
        {"id": "aB3456789", "type": "function", "function": {"name": "f", "arguments": '{"city":"Oslo"}'}}
    ]


def test_a_reply_that_filled_the_window_was_cut() -> None:
    found = chat_completion({"choices": [{"message": {"content": "a"}, "finish_reason": "model_length"}]})
    assert found["choices"][0]["finish_reason"] == "length"


async def test_a_choice_that_ended_by_an_error_cannot_be_used(stub: Stub, connect: Connect, hello: Call) -> None:
    choice = {**REASONED["choices"][0], "finish_reason": "error"}  # type: ignore[index]
    stub.answer = reply(200, {**REASONED, "choices": [choice]})
    with pytest.raises(ProviderError, match="expected a chat completion with finished choices") as caught:
        await connect("mistral", stub.url).complete(hello)
    assert (caught.value.kind, caught.value.usage) == (ErrorKind.MALFORMED, Usage(77, 40, cached_tokens=64))


async def test_a_stream_thinks_then_speaks_and_tells_usage_unasked(stub: Stub, connect: Connect, hello: Call) -> None:
    usage = {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}
    stub.answer = events(
        chunk({"role": "assistant", "content": [THOUGHT]}),
        chunk({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "It is "}]}),
        chunk({"content": "391"}),
        chunk({"content": ""}, "stop", usage=usage),
        DONE,
    )
    taken: list[Delta] = []

    async def emit(delta: Delta) -> None:
        taken.append(delta)

    completion = await connect("mistral", stub.url).stream(hello, emit)
    assert "stream_options" not in stub.request.json
    assert [(delta.text, delta.reasoning) for delta in taken] == [("", "17 × 23 is 391."), ("It is ", ""), ("391", "")]
    assert completion.text == "It is 391"
    assert completion.usage == Usage(5, 3)


async def test_embeddings_have_their_own_name_for_dimensions(stub: Stub, connect: Connect) -> None:
    data = [{"index": 0, "embedding": [0.1, 0.2]}]
    stub.answer = reply(200, {"model": "codestral-embed", "data": data, "usage": {"prompt_tokens": 3}})
    found = await connect("mistral", stub.url).embed("codestral-embed", ["a"], {"dimensions": 2})
    assert stub.request.json == {
        "model": "codestral-embed",
        "input": ["a"],
        "encoding_format": "float",
        "output_dimension": 2,
    }
    assert (found.vectors, found.usage) == ([[0.1, 0.2]], Usage(3))


def error(message: object, kind: str, code: str | None = None) -> dict[str, Any]:
    return {"object": "error", "message": message, "type": kind, "param": None, "code": code}


@pytest.mark.parametrize(
    ("status", "told", "kind", "said"),
    [
        (400, error("Invalid model: x", "invalid_model", "1500"), ErrorKind.MODEL_NOT_FOUND, "Invalid model: x"),
        (
            400,
            error("Prompt contains 40000 tokens, too large for model with 32768 maximum context length", "x", "3051"),
            ErrorKind.CONTEXT_TOO_LONG,
            "Prompt contains",
        ),
        (400, error("Too many tokens in batch. Max is 16384 got 17555", "x"), ErrorKind.CONTEXT_TOO_LONG, "Too many"),
        (401, {"detail": "Unauthorized"}, ErrorKind.UNAUTHORIZED, "Unauthorized"),
        (403, error("Blocked by guardrail", "x"), ErrorKind.CONTENT_POLICY, "Blocked"),
        (
            422,
            error({"detail": [{"loc": ["body", "store"], "msg": "Extra inputs are not permitted"}]}, "x"),
            ErrorKind.UNSUPPORTED_BY_MODEL,
            "body.store: Extra inputs are not permitted",
        ),
        (429, error("Rate limit exceeded", "rate_limited", "1300"), ErrorKind.RATE_LIMITED, "Rate limit exceeded"),
        (429, error("Service tier capacity exceeded for this model.", "x", "3505"), ErrorKind.OVERLOADED, "Service"),
        (503, error("Overloaded", "server_error"), ErrorKind.OVERLOADED, "Overloaded"),
    ],
)
async def test_its_errors_are_classified(
    stub: Stub, connect: Connect, hello: Call, status: int, told: object, kind: ErrorKind, said: str
) -> None:
    stub.answer = reply(status, told, {"mistral-correlation-id": "c-2"})
    with pytest.raises(ProviderError) as caught:
        await connect("mistral", stub.url).complete(hello)
    assert caught.value.kind is kind
    assert caught.value.message.startswith(said)
    assert caught.value.request_id == "c-2"


@pytest.mark.parametrize(
    ("model", "embeds", "why"),
    [
        ("mistral-embed", False, "mistral-embed only embeds"),
        ("codestral-embed-2505", True, None),
        ("mistral-large-latest", True, "mistral-large-latest has no embeddings"),
        ("ft:something", True, None),
    ],
)
def test_its_models_are_known_by_their_names(model: str, embeds: bool, why: str | None) -> None:
    fleet = Fleet(providers={"mistral": FleetProvider(kind="mistral")})
    assert Capabilities(fleet, PriceBook(fleet)).misfit(Target("mistral", model), embeds=embeds) == why


def test_some_of_its_models_read_text_only() -> None:
    names = profile_of("mistral").model_names
    assert names.reads_text_only("codestral-2508")
    assert not names.reads_text_only("mistral-small-latest")
