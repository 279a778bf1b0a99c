"""For whatever is asked: the bill of the body that is sent is within the bound, or there is none and it is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

import pytest

from homa_shared.calls.account_params import with_defaults
from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import RESPONSES_API, Call
from homa_shared.model.targets import Target
from homa_shared.pricing.price_book import PriceBook
from homa_shared.quota.need_calculator import NeedCalculator
from homa_shared.quota.plan import plan
from homa_shared.quota.prompt import Prompt
from homa_shared.settings.fleet import Fleet, FleetProvider
from homa_shared.settings.sections import Price
from homa_workers.fleet.fleet_cache import FleetBook
from homa_workers.providers.anthropic import request as anthropic
from homa_workers.providers.bedrock import request as bedrock
from homa_workers.providers.cohere.adapter import COHERE
from homa_workers.providers.gemini import request as gemini
from homa_workers.providers.mistral.adapter import MISTRAL
from homa_workers.providers.openai import responses_request
from homa_workers.providers.openai.dialects import AZURE, OPENAI, Dialect, request_body
from homa_workers.providers.openai.ollama import OLLAMA
from tests.budgets.judge import INPUT, OUTPUT, bill, embeddings_bill
from tests.budgets.requests import MODELS, OPTIONS, drawn

PRICE = Price(input=INPUT / 1000, output=OUTPUT / 1000)
FLEET = Fleet(
    providers={kind: FleetProvider(kind=kind) for kind in MODELS}, prices={f"{kind}:*": PRICE for kind in MODELS}
)
BOOK = FleetBook(None, FLEET)  # type: ignore[arg-type]  # no store is asked
#: Requests that are drawn for each kind of provider.
DRAWN = 1500


def _openai(dialect: Dialect, base_url: str) -> Callable[[Call], Mapping[str, Any]]:
    def sent(call: Call) -> Mapping[str, Any]:
        if call.api == RESPONSES_API and dialect in (OPENAI, AZURE):
            return responses_request.request_body(call, base_url)
        return request_body(call, dialect, base_url)

    return sent


def _gemini(call: Call) -> Mapping[str, Any]:
    return {"contents": gemini.contents(call.messages), **gemini.config(call)}


SENT: dict[str, Callable[[Call], Mapping[str, Any]]] = {
    "openai": _openai(OPENAI, "https://api.openai.com/v1"),
    "azure": _openai(AZURE, "https://x.openai.azure.com/openai/v1"),
    "cohere": _openai(COHERE, "https://api.cohere.ai/compatibility/v1"),
    "ollama": _openai(OLLAMA, "http://127.0.0.1:11434/v1"),
    "mistral": _openai(MISTRAL, "https://api.mistral.ai/v1"),
    "anthropic": lambda call: anthropic.request_body(call, max_tokens=4096, adapt_schema=lambda schema: schema),
    "bedrock": lambda call: bedrock.converse(call, max_tokens=4096),
    "gemini": _gemini,
}


@pytest.mark.parametrize("kind", MODELS)
def test_no_bill_is_above_the_bound_that_was_reserved(kind: str) -> None:
    random, met = Random(f"bounds:{kind}"), Counter[str]()
    for _ in range(DRAWN):
        messages, params = drawn(random)
        target = Target(kind, random.choice(MODELS[kind]))
        api = random.choice(("chat", RESPONSES_API)) if kind in ("openai", "azure") else "chat"
        own = {"max_completion_tokens": 40_000, "n": 3} if random.random() < 0.1 else {}
        params = with_defaults({"max_tokens": 4096, **params}, own)
        known = BOOK.known(str(target))
        call, _ = known.fitted(known.for_api(Call(target.model, messages, params, api=api)))
        bound = NeedCalculator(BOOK.prices, call.params, call.api).bound(target, Prompt.of_sent(call.messages))
        if bound is None:
            met["refused under a budget"] += 1
            continue
        try:
            body = SENT[kind](call)
        except (ProviderError, AttributeError, KeyError, TypeError):
            met["refused by the adapter"] += 1
            continue
        met["billed"] += 1
        assert bill(body) <= bound, f"{bill(body)} > {bound} for {target} {params} {messages}"
    assert met["billed"] > DRAWN / 8, met
    assert met["refused under a budget"] > DRAWN / 8, met


@pytest.mark.parametrize("kind", MODELS)
def test_each_option_that_hides_a_cost_is_refused_or_reserved_for(kind: str) -> None:
    """One at a time, so that no other option's refusal hides it."""
    billed = 0
    for name, values in OPTIONS.items():
        for value in values:
            target = Target(kind, MODELS[kind][0])
            params = {"max_tokens": 50, name: value}
            asked = Call(target.model, [{"role": "user", "content": "Hi"}], params)
            call, _ = BOOK.known(str(target)).fitted(asked)
            bound = NeedCalculator(BOOK.prices, call.params, call.api).bound(target, Prompt.of_sent(call.messages))
            if bound is None:
                continue
            try:
                body = SENT[kind](call)
            except (ProviderError, AttributeError, KeyError, TypeError):
                continue
            billed += 1
            assert bill(body) <= bound, f"{name}={value!r} at {target}: {bill(body)} > {bound}"
    assert billed > 20


@pytest.mark.parametrize(
    ("target", "params", "times"),
    [
        ("openai:gpt-5-mini", {"service_tier": "priority"}, 1.8),
        ("openai:gpt-5-mini", {"service_tier": "scale"}, None),
        ("openai:gpt-5-mini", {"speed": "fast"}, None),
        ("openai:gpt-5-mini", {"inference_geo": "us"}, None),
        ("anthropic:claude-opus-5-5", {"speed": "fast", "inference_geo": "us"}, 2.2),
        ("anthropic:claude-opus-5-5", {"speed": {}}, None),
        ("anthropic:claude-opus-5-5", {"serviceTier": "priority"}, None),
        ("cohere:command-a-03-2025", {"serviceTier": "default"}, None),
        ("bedrock:amazon.nova-2-lite-v1:0", {"serviceTier": {"type": "flex"}}, None),
    ],
)
def test_what_chooses_a_price_has_a_bound_where_its_kind_tells_the_price(
    target: str, params: dict[str, Any], times: float | None
) -> None:
    """By the price lists alone; a parameter's own text counts, too."""
    prices = PriceBook(FLEET.model_copy(update={"prices": {}}))
    usual, bound = (
        NeedCalculator(prices, {"max_tokens": 4096, **given}).bound(Target.parse(target), Prompt([], 2))
        for given in ({}, params)
    )
    assert bound == (None if times is None or usual is None else pytest.approx(usual * times, rel=1e-2))


@pytest.mark.parametrize(
    "params", [{}, {"dimensions": 64}, {"instruction": "Represent this for search: "}, {"input_type": "query"}]
)
def test_texts_that_are_embedded_cost_no_more_than_their_bound(params: dict[str, Any]) -> None:
    target = Target("openai", "text-embedding-3-small")
    texts = ["a", "é" * 50, "words " * 30] * 600
    need = NeedCalculator(BOOK.prices, params).embedding(plan(FLEET, target), texts)
    assert need.bound is not None
    assert embeddings_bill(texts, params) <= need.bound


@pytest.mark.parametrize("params", [{"input": ["another"]}, {"model": "dear"}, {"images": ["data:…"]}, {"images_n": 3}])
def test_embeddings_of_something_else_than_their_texts_have_no_bound(params: dict[str, Any]) -> None:
    target = Target("openai", "text-embedding-3-small")
    calculator = NeedCalculator(BOOK.prices, params)
    assert calculator.embedding(plan(FLEET, target), ["a"]).bound is None
    assert calculator.unbounded.startswith(next(iter(params)))


@pytest.mark.parametrize(
    "model", ["gpt-5-search-api", "gpt-4o-search-preview", "o3-deep-research", "sonar-pro", "perplexity/sonar"]
)
def test_a_model_that_searches_has_no_bound(model: str) -> None:
    assert "searches" in NeedCalculator(BOOK.prices, {}).why_unbounded(Target("openai", model), Prompt([], 2))


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ({"role": "assistant", "audio": {"id": "audio_1"}}, "audio names an answer"),
        ({"role": "assistant", "content": "", "response_items": [{"type": "item_reference", "id": "i"}]}, "item_refer"),
        ({"role": "assistant", "content": "", "response_items": [{"type": "reasoning", "id": "r"}]}, "by its id"),
        ({"role": "user", "content": {"parts": []}}, "not text nor a list"),
        ({"role": "user", "content": [{"type": "input_audio", "input_audio": {"id": "a"}}]}, "input_audio"),
        ({"role": "user", "content": [{"cachePoint": {}, "s3Location": {}}]}, "'cachePoint'"),
    ],
)
def test_a_message_that_names_what_it_does_not_hold_has_no_bound(message: dict[str, Any], named: str) -> None:
    assert named in Prompt.of_sent([message]).unbounded
    assert NeedCalculator(BOOK.prices, {}).bound(Target("openai", "gpt-6-luna"), Prompt.of_sent([message])) is None
