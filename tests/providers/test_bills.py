"""What a reply is billed for: whatever it tells is priced or stays open, and is never taken for free or standard."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from homa_shared.calls.failures import ErrorKind, ProviderError
from homa_shared.calls.reply import RESPONSES_API, Call, Completion, Usage
from homa_shared.kinds.registry import builtin_kinds
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import Price
from homa_workers.providers.base import Provider
from tests.providers.conftest import Connect
from tests.providers.golden_calls import user
from tests.providers.shapes import CHAT, MESSAGE
from tests.providers.stub import Stub, events, reply
from tests.providers.test_openai import Pieces

DAY = datetime(2026, 11, 30, tzinfo=UTC).timestamp()
FLEET = Fleet(
    providers={kind: FleetProvider(kind=kind) for kind in builtin_kinds()},
    prices={"openai:someone-elses": Price.model_validate({"input": 1, "output": 10, "cached": "0.1"})},
)
BOOK = PriceBook(FLEET, clock_s=lambda: DAY)
HAIKU = "claude-haiku-4-5"


def usd(provider: Provider, completion: Completion, model: str) -> float | None:
    """What the ledger books; None for unpriced."""
    if not (completion.metered and completion.usage.is_sane):
        return None
    nano = BOOK.cost(Target(provider.kind, model), completion.usage)
    return None if nano is None else nano / 1e9


def call(model: str, **params: Any) -> Call:
    return Call(model, [user("Hello")], {"max_tokens": 50, **params})


def told(*happened: dict[str, Any]) -> list[str]:
    return [f"event: {each['type']}\ndata: {orjson.dumps(each).decode()}\n\n" for each in happened]


def chunks(*bodies: dict[str, Any]) -> list[str]:
    return [*(f"data: {orjson.dumps(body).decode()}\n\n" for body in bodies), "data: [DONE]\n\n"]


async def both_ways(provider: Provider, stub: Stub, asked: Call, whole: Any, streamed: list[str]) -> list[Completion]:
    stub.answer = reply(200, whole)
    first = await provider.complete(asked)
    stub.answer = events(*streamed)
    second = await provider.stream(asked, Pieces().emit)
    assert first.usage == second.usage
    return [first, second]


# Anthropic


def message(**usage: Any) -> dict[str, Any]:
    return {**MESSAGE, "usage": {"input_tokens": 10, "output_tokens": 10, **usage}}


def streamed_message(**usage: Any) -> list[str]:
    begun = {**MESSAGE, "content": [], "stop_reason": None, "usage": {"input_tokens": 10, "output_tokens": 1, **usage}}
    return told(
        {"type": "message_start", "message": begun},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": "Hi"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 10}},
        {"type": "message_stop"},
    )


HOUR = {"cache_creation_input_tokens": 100_000, "cache_creation": {"ephemeral_1h_input_tokens": 100_000}}


@pytest.mark.parametrize(
    ("model", "usage", "expected"),
    [
        (HAIKU, {"cache_creation_input_tokens": 100_000}, 0.12506),
        (HAIKU, HOUR, 0.20006),
        (HAIKU, {"cache_creation": HOUR["cache_creation"]}, 0.20006),
        (HAIKU, {"server_tool_use": {"web_search_requests": 5, "web_fetch_requests": 3}}, 0.05006),
        (HAIKU, {"server_tool_use": {"code_execution_requests": 1}}, None),
        (HAIKU, {"service_tier": "standard", "speed": "standard", "inference_geo": "global"}, 0.00006),
        (HAIKU, {"service_tier": "priority"}, None),
        (HAIKU, {"service_tier": "batch"}, 0.00003),
        (HAIKU, {"inference_geo": "us"}, 0.000066),
        ("claude-opus-5-5", {"speed": "fast"}, 0.00048),
        ("claude-opus-5-5", {"speed": "fast", "inference_geo": "us"}, 0.000528),
        ("claude-sonnet-5-5", {"speed": "fast"}, None),
        (HAIKU, {"iterations": [{"type": "compaction", "input_tokens": 1000, "output_tokens": 100}]}, 0.00156),
        (HAIKU, {"iterations": [{"type": "advisor_message", "input_tokens": 1000, "output_tokens": 100}]}, None),
        (HAIKU, {"input_tokens": "10"}, None),
        (HAIKU, {"input_tokens": 10.5}, None),
        (HAIKU, {"cache_read_input_tokens": -5}, None),
        (HAIKU, {"output_tokens": 10, "server_tool_use": {"web_search_requests": -1}}, None),
    ],
)
async def test_a_message(
    stub: Stub, connect: Connect, model: str, usage: dict[str, Any], expected: float | None
) -> None:
    provider = connect("anthropic", stub.url)
    for completion in await both_ways(provider, stub, call(model), message(**usage), streamed_message(**usage)):
        assert usd(provider, completion, model) == (None if expected is None else pytest.approx(expected))
        assert completion.text in ("Hi there", "Hi")


async def test_a_speed_that_was_asked_for_and_is_not_told_is_open(stub: Stub, connect: Connect) -> None:
    provider = connect("anthropic", stub.url)
    stub.answer = reply(200, message())
    completion = await provider.complete(call("claude-opus-5-5", speed="fast"))
    assert completion.usage.terms == ("fast?",)
    assert usd(provider, completion, "claude-opus-5-5") is None


# OpenAI's protocol


def chat(usage: Any, **fields: Any) -> dict[str, Any]:
    return {**CHAT, "usage": usage, **fields}


def streamed_chat(usage: Any, *, in_choice: bool = False, **fields: Any) -> list[str]:
    head = {"id": "c", "object": "chat.completion.chunk", "model": CHAT["model"], **fields}
    last: dict[str, Any] = {"index": 0, "delta": {}, "finish_reason": "stop"}
    ending = (
        {**head, "choices": [{**last, "usage": usage}]} if in_choice else {**head, "choices": [last], "usage": usage}
    )
    return chunks({**head, "choices": [{"index": 0, "delta": {"content": "Hi"}}]}, ending)


PLAIN = {"prompt_tokens": 1000, "completion_tokens": 10, "total_tokens": 1010}


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (PLAIN, 0.0011),
        ({**PLAIN, "total_tokens": 2010, "reasoning_tokens": 1000}, 0.0111),
        ({**PLAIN, "total_tokens": 2010, "completion_tokens_details": {"reasoning_tokens": 1000}}, 0.0111),
        ({"prompt_tokens": 1000, "completion_tokens": 10, "reasoning_tokens": 1000}, 0.0111),
        ({**PLAIN, "total_tokens": 2010}, 0.0111),
        ({**PLAIN, "completion_tokens_details": {"reasoning_tokens": 5}}, 0.0011),
        ({**PLAIN, "cached_tokens": 500}, 0.00065),
        ({**PLAIN, "prompt_cache_hit_tokens": 500}, 0.00065),
        ({**PLAIN, "num_sources_used": 3}, None),
        ({**PLAIN, "prompt_audio_seconds": 12}, None),
        ({**PLAIN, "prompt_audio_seconds": {}}, 0.0011),
        ({**PLAIN, "completion_tokens": "10"}, None),
        ({**PLAIN, "completion_tokens": 10.0}, None),
        ({**PLAIN, "completion_tokens": -10}, None),
        ({**PLAIN, "completion_tokens": 2**60}, None),
        ({**PLAIN, "prompt_tokens_details": {"cached_tokens": "500"}}, None),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, None),
        ({"prompt_tokens": None, "completion_tokens": None, "total_tokens": None}, None),
    ],
)
async def test_a_usage_of_a_compatible_server(
    stub: Stub, connect: Connect, usage: dict[str, Any], expected: float | None
) -> None:
    provider, model = connect("openai", stub.url), "someone-elses"
    inside = {**CHAT, "choices": [{**CHAT["choices"][0], "usage": usage}], "usage": None}
    for whole, streamed in (
        (chat(usage), streamed_chat(usage)),
        (inside, streamed_chat(usage, in_choice=True)),
    ):
        for completion in await both_ways(provider, stub, call(model), whole, streamed):
            assert usd(provider, completion, model) == (None if expected is None else pytest.approx(expected))
            assert completion.text.startswith("Hi")


async def test_a_usage_in_each_chunk_counts_up(stub: Stub, connect: Connect) -> None:
    provider = connect("openai", stub.url)
    counting = [{**PLAIN, "completion_tokens": n, "total_tokens": 1000 + n} for n in (1, 5, 10)]
    pieces = [{"choices": [{"index": 0, "delta": {"content": "Hi"}}], "usage": usage} for usage in counting]
    pieces[-1]["choices"][0]["finish_reason"] = "stop"  # type: ignore[index]
    stub.answer = events(*chunks(*pieces, {"choices": [], "usage": dict.fromkeys(PLAIN, None)}))
    completion = await provider.stream(call("someone-elses"), Pieces().emit)
    assert completion.usage == Usage(1000, 10)


@pytest.mark.parametrize("beside_text", [True, False])
async def test_a_usage_in_the_middle_of_a_broken_stream_is_not_what_it_cost(
    stub: Stub, connect: Connect, beside_text: bool
) -> None:
    """Who generates goes on for a while; only a usage behind the end of the last choice counts all of it."""
    piece = {"choices": [{"index": 0, "delta": {"content": "Hi"}}]}
    told = {**piece, "usage": PLAIN} if beside_text else {"choices": [], "usage": PLAIN}
    stub.answer = events(*chunks(piece, told)[:-1])
    with pytest.raises(ProviderError) as caught:
        await connect("openai", stub.url).stream(call("someone-elses"), Pieces().emit)
    assert caught.value.kind is ErrorKind.AMBIGUOUS
    assert caught.value.usage is None


@pytest.mark.parametrize(
    ("kind", "model", "asked", "served", "expected"),
    [
        ("openai", "gpt-5-mini", None, None, 0.00027),
        ("openai", "gpt-5-mini", "default", "default", 0.00027),
        ("openai", "gpt-5-mini", "flex", "flex", 0.000135),
        ("openai", "gpt-5-mini", "priority", "priority", 0.000486),
        ("openai", "gpt-5-mini", "priority", "fast", 0.000486),
        ("openai", "gpt-5-mini", "priority", "default", 0.00027),
        ("openai", "gpt-5-mini", None, "priority", 0.000486),
        ("openai", "gpt-5-mini", "flex", None, None),
        ("openai", "gpt-5-mini", None, "scale", None),
        ("openai", "gpt-6.2-sol", "fast", "fast", 0.0042),
        ("openai", "gpt-6.2-sol", None, "ultrafast", 0.0063),
        ("openai", "gpt-6.2-astra", None, "ultrafast", 0.0504),
        ("openai", "gpt-6.2-sol", None, "flex", None),
        ("azure", "gpt-5-mini", "priority", "priority", None),
        ("azure", "gpt-5-mini", "priority", "default", 0.00027),
        ("mistral", "mistral-large-latest", None, "priority", None),
    ],
)
async def test_a_tier_has_its_own_price(
    stub: Stub, connect: Connect, kind: str, model: str, asked: str | None, served: str | None, expected: float | None
) -> None:
    provider, tier = connect(kind, stub.url), ({} if asked is None else {"service_tier": asked})
    fields = {"model": model} if served is None else {"model": model, "service_tier": served}
    for completion in await both_ways(
        provider, stub, call(model, **tier), chat(PLAIN, **fields), streamed_chat(PLAIN, **fields)
    ):
        assert usd(provider, completion, model) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"web_search_options": {}}, {}),
        ({}, {"model": "gpt-5-search-api"}),
        (
            {},
            {
                "choices": [
                    {**CHAT["choices"][0], "message": {"role": "assistant", "content": "Hi", "annotations": [1]}}
                ]
            },
        ),
    ],
)
async def test_searches_that_nobody_counts_have_no_price(
    stub: Stub, connect: Connect, params: dict[str, Any], fields: dict[str, Any]
) -> None:
    provider = connect("openai", stub.url)
    stub.answer = reply(200, chat(PLAIN, **fields))
    completion = await provider.complete(call("gpt-5-mini", **params))
    assert (completion.usage.fees, usd(provider, completion, "gpt-5-mini")) == ((("uncounted_searches", 1),), None)


async def test_sound_has_its_own_price(stub: Stub, connect: Connect) -> None:
    provider = connect("openai", stub.url)
    stub.answer = reply(200, chat({**PLAIN, "prompt_tokens_details": {"audio_tokens": 900}}))
    completion = await provider.complete(call("gpt-audio"))
    price = BOOK.list_price(Target("openai", "gpt-audio"))
    assert price is not None
    cost = usd(provider, completion, "gpt-audio")
    assert cost is not None
    assert cost > 5 * (1000 * price.input + 10 * (price.output or 0)) / 1e15


async def test_a_deployment_is_priced_as_the_model_that_its_replies_name(stub: Stub, connect: Connect) -> None:
    provider = connect("azure", stub.url)
    stub.answer = reply(200, chat(PLAIN, model="gpt-5-mini-2025-08-07"))
    assert usd(provider, await provider.complete(call("d-17")), "d-17") == pytest.approx(0.00027)


# OpenAI's Responses API


def response(usage: dict[str, Any], *items: dict[str, Any], **fields: Any) -> dict[str, Any]:
    text = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "Hi", "annotations": []}],
    }
    given = {"id": "r", "model": "gpt-5.6-sol", "status": "completed", "output": [*items, text], "usage": usage}
    return given | fields


SEARCH = {"type": "web_search_call", "action": {"type": "search"}}
OPENED = {"type": "web_search_call", "action": {"type": "open_page"}}
TOKENS = {"input_tokens": 1000, "output_tokens": 100}
WRITES = {"cache_write_tokens": 1000, "cache_write_tokens_details": {"ttl_30m_tokens": 400, "ttl_12h_tokens": 600}}


@pytest.mark.parametrize(
    ("usage", "items", "fields", "expected"),
    [
        (TOKENS, [], {}, 0.006),
        (TOKENS, [], {"service_tier": "flex"}, 0.003),
        (TOKENS, [], {"service_tier": "priority"}, 0.012),
        (TOKENS, [SEARCH, OPENED, SEARCH], {}, 0.026),
        (TOKENS, [SEARCH, SEARCH], {"tool_usage": {"web_search": {"num_requests": 1}}}, 0.016),
        (TOKENS, [{"type": "file_search_call"}], {}, 0.0085),
        (TOKENS, [{"type": "code_interpreter_call"}], {}, None),
        (TOKENS, [{"type": "image_generation_call"}], {}, None),
        ({**TOKENS, "input_tokens_details": {"cache_write_tokens": 1000}}, [], {}, 0.007),
        ({**TOKENS, "input_tokens_details": WRITES}, [], {}, 0.01),
        ({**TOKENS, "output_tokens": "100"}, [], {}, None),
    ],
)
async def test_a_response(
    stub: Stub,
    connect: Connect,
    usage: dict[str, Any],
    items: list[dict[str, Any]],
    fields: dict[str, Any],
    expected: float | None,
) -> None:
    provider, asked = connect("openai", stub.url), replace(call("gpt-5.6-sol"), api=RESPONSES_API)
    whole = response(usage, *items, **fields)
    ending = {"type": "response.completed", "response": whole}
    for completion in await both_ways(provider, stub, asked, whole, told(ending)):
        assert usd(provider, completion, "gpt-5.6-sol") == (None if expected is None else pytest.approx(expected))
