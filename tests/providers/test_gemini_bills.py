"""What a reply of Gemini's is billed for, by tier, modality, tools and day."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import orjson
import pytest

from homa_shared.calls.reply import Usage
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.gemini.adapter import _request
from homa_workers.providers.registry import create
from tests.providers.stub import Stub, events, reply
from tests.providers.test_bills import DAY, FLEET, call, usd
from tests.providers.test_openai import Pieces

GEMINI_USAGE = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}


def answer(usage: Any = None, grounding: Any = None, **fields: Any) -> dict[str, Any]:
    candidate = {"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}
    found = candidate | ({"groundingMetadata": grounding} if grounding else {})
    return {"candidates": [found], "usageMetadata": usage or GEMINI_USAGE, **fields}


@pytest.fixture
async def gemini(stub: Stub) -> AsyncIterator[Provider]:
    provider = create(ProviderConfig("gemini", "gemini", None, stub.url))
    yield provider
    await provider.aclose()


ARGON, FLASH = "gemini-4-argon", "gemini-2.5-flash"
QUERIES = {"webSearchQueries": ["a", "b"]}


@pytest.mark.parametrize(
    ("model", "body", "tier", "expected"),
    [
        (ARGON, answer(), None, 0.003),
        (ARGON, answer(), "standard", 0.003),
        (ARGON, answer(), "flex", 0.0015),
        (ARGON, answer(), "priority", 0.0054),
        (FLASH, answer(), "flex", None),
        (ARGON, answer({**GEMINI_USAGE, "trafficType": "ON_DEMAND_FLEX"}), None, 0.0015),
        (ARGON, answer({**GEMINI_USAGE, "trafficType": "PROVISIONED_THROUGHPUT"}), None, None),
        (ARGON, answer({**GEMINI_USAGE, "thoughtsTokenCount": 100, "toolUsePromptTokenCount": 500}), None, 0.005),
        (ARGON, answer({**GEMINI_USAGE, "totalTokenCount": 1200}), None, 0.004),
        (ARGON, answer(grounding=QUERIES), None, 0.031),
        (FLASH, answer(grounding=QUERIES), None, 0.03555),
        (ARGON, answer(grounding={"groundingChunks": [{"maps": {"uri": "x"}}]}), None, None),
        (
            FLASH,
            answer({**GEMINI_USAGE, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 900}]}),
            None,
            0.00118,
        ),
        (FLASH, answer(modelVersion="gemini-3.5-flash-lite"), None, 0.00055),
        (ARGON, answer({"promptTokenCount": 1000, "candidatesTokenCount": -4}), None, None),
    ],
)
async def test_a_reply_of_geminis(
    stub: Stub, gemini: Provider, model: str, body: dict[str, Any], tier: str | None, expected: float | None
) -> None:
    headers = {"x-gemini-service-tier": tier} if tier else {}
    stub.answer = reply(200, body, headers)
    whole = await gemini.complete(call(model))
    stub.answer = events(f"data: {orjson.dumps(body).decode()}\r\n\r\n", headers=headers)
    streamed = await gemini.stream(call(model), Pieces().emit)
    for completion in (whole, streamed):
        assert usd(gemini, completion, model) == (None if expected is None else pytest.approx(expected))
    assert whole.usage == streamed.usage


@pytest.mark.parametrize(
    ("asked", "sent"), [("default", None), ("auto", None), ("flex", "flex"), ("priority", "priority")]
)
async def test_gemini_is_asked_for_tiers_in_its_own_words(
    stub: Stub, gemini: Provider, asked: str, sent: str | None
) -> None:
    stub.answer = reply(200, answer())
    completion = await gemini.complete(call(ARGON, service_tier=asked))
    assert stub.request.json.get("serviceTier") == sent
    # The reply does not say what served it: what it costs is open.
    assert completion.usage.terms == (() if sent is None else (f"{sent}?",))


def test_argon_doubles_on_the_first_of_december() -> None:
    now_s = [DAY]
    book = PriceBook(FLEET, clock_s=lambda: now_s[0])
    target, usage = Target("gemini", ARGON), Usage(1000, 100)
    flex = replace(usage, terms=("flex",))
    assert (book.cost(target, usage), book.cost(target, flex)) == (3_000_000, 1_500_000)
    now_s[0] += 86_400
    assert (book.cost(target, usage), book.cost(target, flex)) == (6_000_000, 3_000_000)


def test_vertex_is_asked_for_tiers_by_a_header() -> None:
    asked = call(ARGON, service_tier="priority")
    vertex, other = (_request(asked, vertex=vertex)["config"] for vertex in (True, False))
    assert vertex.http_options.headers == {"X-Vertex-AI-LLM-Shared-Request-Type": "priority"}
    assert (vertex.service_tier, other.service_tier, other.http_options) == (None, "priority", None)
