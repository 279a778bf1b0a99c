"""Each adapter tells its provider what is shared, in the provider's own way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call
from homa_shared.calls.shared_prefix import SharedPrefix
from homa_workers.providers.anthropic.request import request_body as anthropic_body
from homa_workers.providers.base import ProviderConfig
from homa_workers.providers.bedrock.adapter import BedrockProvider
from homa_workers.providers.bedrock.request import converse
from homa_workers.providers.openai.dialects import OPENAI
from homa_workers.providers.openai.dialects import request_body as openai_body
from tests.prompt_cache.samples import Message, assistant, system, user
from tests.providers.stub import Answer, reply, serving

PROMPT = [system("Be brief."), user("Dear Bob")]
SHARED = SharedPrefix(1, 5)
EPHEMERAL = {"type": "ephemeral"}
POINT = {"cachePoint": {"type": "default"}}
SONNET = "anthropic.claude-sonnet-4-5-20250929-v1:0"
LLAMA = "meta.llama3-70b-instruct-v1:0"


def call(
    model: str = "claude-sonnet-5-5",
    shared: SharedPrefix | None = SHARED,
    messages: list[Message] = PROMPT,
    **params: Any,
) -> Call:
    return Call(model, messages, params, shared)


def anthropic(asked: Call) -> dict[str, Any]:
    return anthropic_body(asked, max_tokens=100, adapt_schema=lambda schema: schema)


def test_anthropic_gets_a_breakpoint_behind_what_is_shared() -> None:
    body = anthropic(call())
    head = {"type": "text", "text": "Dear ", "cache_control": EPHEMERAL}
    assert body["messages"] == [{"role": "user", "content": [head, {"type": "text", "text": "Bob"}]}]
    assert body["system"] == [{"type": "text", "text": "Be brief."}]


def test_anthropic_gets_one_behind_the_system_prompt_where_that_is_all() -> None:
    body = anthropic(call(shared=SharedPrefix(1)))
    assert body["system"] == [{"type": "text", "text": "Be brief.", "cache_control": EPHEMERAL}]
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Dear Bob"}]}]


@pytest.mark.parametrize(
    "own", [{"cache_control": EPHEMERAL}, {"tools": [{"name": "t", "input_schema": {}, "cache_control": EPHEMERAL}]}]
)
def test_breakpoints_of_the_callers_own_stand_alone_at_anthropic(own: dict[str, Any]) -> None:
    body = anthropic(call(**own))
    assert body["messages"] == [{"role": "user", "content": [{"type": "text", "text": "Dear Bob"}]}]
    assert anthropic(call(shared=None))["system"] == [{"type": "text", "text": "Be brief."}]


def test_bedrock_gets_a_cache_point_behind_what_is_shared() -> None:
    body = converse(call(SONNET), max_tokens=100)
    assert body["messages"] == [{"role": "user", "content": [{"text": "Dear "}, POINT, {"text": "Bob"}]}]
    assert body["system"] == [{"text": "Be brief."}]
    assert converse(call(SONNET, SharedPrefix(1)), max_tokens=100)["system"] == [{"text": "Be brief."}, POINT]


def test_bedrock_takes_a_callers_own_cache_control() -> None:
    part = {"type": "text", "text": "Be brief.", "cache_control": {**EPHEMERAL, "ttl": "1h"}}
    body = converse(call(SONNET, None, [system([part, "And kind."]), user("Hello")]), max_tokens=100)
    lasting = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert body["system"] == [{"text": "Be brief."}, lasting, {"text": "And kind."}]


def test_models_that_refuse_cache_points_get_none() -> None:
    messages = [system([{"type": "text", "text": "Be brief.", "cache_control": EPHEMERAL}, "Go"]), user("Hello")]
    assert converse(call(LLAMA, None, messages), max_tokens=100)["system"] == [{"text": "Be brief."}, {"text": "Go"}]
    known = converse(call(SONNET, SHARED, [*messages, assistant(None)]), max_tokens=100, cache_points=False)
    assert known["system"] == [{"text": "Be brief."}, {"text": "Go"}]
    assert converse(call(SONNET), max_tokens=100, cache_points=False)["messages"][0]["content"] == [
        {"text": "Dear Bob"}
    ]


REFUSAL = reply(
    403,
    {"message": "You invoked an unsupported model or your request did not allow prompt caching."},
    {"x-amzn-errortype": "AccessDeniedException"},
)
SAID = reply(
    200,
    {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4},
        "metrics": {"latencyMs": 5},
    },
)


class Once:
    """One answer first, then another one."""

    def __init__(self, first: Answer, then: Answer) -> None:
        self.first, self.then, self.count = first, then, 0

    async def __call__(self, reader: Any, writer: Any) -> None:
        self.count += 1
        await (self.first if self.count == 1 else self.then)(reader, writer)


async def test_a_model_of_bedrock_that_refuses_cache_points_is_asked_without_from_then_on() -> None:
    account = {"region": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}
    async with serving(Once(REFUSAL, SAID)) as stub:
        provider = BedrockProvider(ProviderConfig("bedrock", "bedrock", None, stub.url, options=account))
        try:
            # An alias says that it can; it can't.
            assert (await provider.complete(call(LLAMA))).text == "Hi"
            assert (await provider.complete(call(LLAMA))).text == "Hi"
        finally:
            await provider.aclose()
    assert [b"cachePoint" in request.content for request in stub.requests] == [True, False, False]


async def test_calls_in_flight_together_are_all_asked_again_without_cache_points() -> None:
    account = {"region": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}

    async def refuse_points(reader: Any, writer: Any) -> None:
        await (REFUSAL if b"cachePoint" in stub.requests[-1].content else SAID)(reader, writer)

    async with serving(refuse_points) as stub:
        provider = BedrockProvider(ProviderConfig("bedrock", "bedrock", None, stub.url, options=account))
        try:
            replies = await asyncio.gather(*(provider.complete(call(LLAMA)) for _ in range(5)))
        finally:
            await provider.aclose()
    assert [each.text for each in replies] == ["Hi"] * 5


async def test_another_refusal_of_bedrock_is_asked_once_only() -> None:
    account = {"region": "us-east-1", "aws_access_key_id": "id", "aws_secret_access_key": "secret"}
    denied = reply(403, {"message": "You may not."}, {"x-amzn-errortype": "AccessDeniedException"})
    async with serving(denied) as stub:
        provider = BedrockProvider(ProviderConfig("bedrock", "bedrock", None, stub.url, options=account))
        try:
            with pytest.raises(ProviderError, match="You may not"):
                await provider.complete(call(SONNET))
        finally:
            await provider.aclose()
    assert len(stub.requests) == 1


OWN, OPENAIS = "https://api.openai.com/v1", "https://res.openai.azure.com/openai/v1"


def test_openai_is_told_which_requests_begin_alike() -> None:
    one = openai_body(call("gpt-5.4-mini"), OPENAI, OWN)
    other = openai_body(call("gpt-5.4-mini", messages=[PROMPT[0], user("Dear Ann")]), OPENAI, OWN)
    assert one["prompt_cache_key"] == other["prompt_cache_key"]
    assert len(one["prompt_cache_key"]) == 32
    assert one["messages"] is PROMPT
    assert openai_body(call("my-deployment"), OPENAI, OPENAIS)["prompt_cache_key"] == one["prompt_cache_key"]
    assert openai_body(call("gpt-6-luna", prompt_cache_key="mine"), OPENAI, OWN)["prompt_cache_key"] == "mine"


def test_other_servers_of_openais_protocol_are_told_nothing() -> None:
    for server in ("http://127.0.0.1:8000/v1", "https://openrouter.ai/api/v1"):
        body = openai_body(call("gpt-5.6"), OPENAI, server)
        assert body == {"model": "gpt-5.6", "messages": PROMPT}
    assert "prompt_cache_key" not in openai_body(call("gpt-6-luna", None), OPENAI, OWN)


@pytest.mark.parametrize("server", [OWN, "https://eu.api.openai.com/v1", "https://us.api.openai.com/v1"])
def test_openais_later_models_keep_what_is_shared_and_nothing_else(server: str) -> None:
    body = openai_body(call("gpt-5.6-mini"), OPENAI, server)
    head = {"type": "text", "text": "Dear ", "prompt_cache_breakpoint": {"mode": "explicit"}}
    assert body["messages"] == [PROMPT[0], user([head, {"type": "text", "text": "Bob"}])]
    assert body["prompt_cache_options"] == {"mode": "explicit"}


def test_openais_options_of_the_callers_own_stand() -> None:
    body = openai_body(call("gpt-5.6", prompt_cache_options={"mode": "implicit"}), OPENAI, OWN)
    assert (body["messages"], body["prompt_cache_options"]) == (PROMPT, {"mode": "implicit"})
    # Where no part can bear a breakpoint the model is left to its own devices.
    body = openai_body(call("gpt-5.6", SharedPrefix(1), [assistant("Hi"), user("Bob")]), OPENAI, OWN)
    assert "prompt_cache_options" not in body
    assert "prompt_cache_options" not in openai_body(call("gpt-5.6"), OPENAI, OPENAIS)
