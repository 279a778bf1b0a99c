"""What imitators of OpenAI's protocol send, as the simulator plays it, read by Homa's adapter of OpenAI's kind."""

from __future__ import annotations

from collections.abc import AsyncIterator

import orjson
import pytest
from pydantic import SecretStr

from homa_shared.calls.failures import ProviderError
from homa_shared.calls.reply import Call, Completion
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from homa_workers.simulator import Simulator
from homa_workers.simulator.accents import NAMES, SOURCES, THOUGHT
from tests.providers.test_openai import Pieces

WAYS = ["whole", "streamed"]


@pytest.fixture
async def provider(simulator: Simulator) -> AsyncIterator[Provider]:
    made = create(ProviderConfig("openai", "openai", SecretStr("sk"), f"{simulator.url}/openai/v1"))
    yield made
    await made.aclose()


async def asked(provider: Provider, way: str, text: str, **params: object) -> Completion:
    call = Call("gpt-4.1-mini", [{"role": "user", "content": text}], {"max_tokens": 200, **params})
    return await (provider.complete(call) if way == "whole" else provider.stream(call, Pieces().emit))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("accent", [name for name in NAMES if name not in ("fenced", "thinking")])
async def test_an_accent_changes_nothing_of_what_is_said_or_billed(
    simulator: Simulator, provider: Provider, way: str, accent: str
) -> None:
    completion = await asked(provider, way, f"[[say:The answer is 4.]] [[accent:{accent}]]")
    assert (completion.text, completion.finish_reason, completion.metered) == ("The answer is 4.", "stop", True)
    message = completion.body["choices"][0]["message"]
    match accent:
        case "parts":
            assert message["reasoning_content"] == THOUGHT
        case "sourced":
            assert (message["reasoning"], completion.body["citations"]) == (THOUGHT, SOURCES)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("accent", ["one_index", "no_index", "objects", "loose", "unstreamed"])
async def test_parallel_calls_are_told_apart(provider: Provider, way: str, accent: str) -> None:
    orders = f'[[tool:f {{"a": 1}}]] [[tool:g {{"b": 2}}]] [[accent:{accent}]]'
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in "fg"]
    completion = await asked(provider, way, orders, tools=tools)
    calls = completion.body["choices"][0]["message"]["tool_calls"]
    assert [(c["function"]["name"], orjson.loads(c["function"]["arguments"])) for c in calls] == [
        ("f", {"a": 1}),
        ("g", {"b": 2}),
    ]
    assert len({call["id"] for call in calls}) == 2


async def test_an_unknown_accent_is_refused_by_name(provider: Provider) -> None:
    with pytest.raises(ProviderError, match=r"\[\[accent:nasal\]\]: expected one of parts"):
        await asked(provider, "whole", "[[accent:nasal]]")
