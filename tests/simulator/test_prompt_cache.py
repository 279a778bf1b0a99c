"""Simulated providers keep prefixes of prompts: what is marked, or any long one, for minutes after its last use."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp import ClientSession

from homa_workers.simulator import Simulator, SimulatorConfig
from homa_workers.simulator.prompt_cache import CacheUse, PointFinder, PromptCache
from homa_workers.simulator.wire import CachePoint
from tests.prompt_cache.samples import INSTRUCTIONS

TOKENS = -(-len(INSTRUCTIONS) // 4)
MARK = {"cache_control": {"type": "ephemeral"}}


class Clock:
    def __init__(self) -> None:
        self.now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cache(clock: Clock) -> PromptCache:
    return PromptCache(clock)


SHORT, LONG = CachePoint("short", 1024), CachePoint("long", 2000)


def use(cache: PromptCache, *points: CachePoint, writes: bool = True, ready_s: float = 0.0) -> tuple[int, int]:
    """Tokens that a call reads and writes."""
    found = cache.look_up("scope", points, 1024, writes=writes)
    cache.keep("scope", found, ready_s, 300.0)
    return found.read, found.written


def test_a_prefix_is_written_once_and_read_from_then_on(cache: PromptCache) -> None:
    assert [use(cache, LONG) for _ in range(3)] == [(0, 2000), (2000, 0), (2000, 0)]


def test_of_several_prefixes_the_longest_known_is_read_and_the_rest_written(cache: PromptCache) -> None:
    assert use(cache, SHORT) == (0, 1024)
    assert use(cache, SHORT, LONG) == (1024, 976)
    assert use(cache, SHORT, LONG) == (2000, 0)


def test_writes_are_counted_only_where_they_are_charged(cache: PromptCache) -> None:
    assert [use(cache, LONG, writes=False) for _ in range(2)] == [(0, 0), (2000, 0)]


def test_what_is_too_short_is_not_kept(cache: PromptCache) -> None:
    assert [use(cache, CachePoint("tiny", 1023)) for _ in range(2)] == [(0, 0), (0, 0)]


def test_each_use_gives_a_prefix_new_life(cache: PromptCache, clock: Clock) -> None:
    use(cache, LONG)
    for _ in range(3):
        clock.now_s += 299
        assert use(cache, LONG) == (2000, 0)
    clock.now_s += 300
    assert use(cache, LONG) == (0, 2000)


def test_a_prefix_can_be_read_once_its_first_reply_begins(cache: PromptCache, clock: Clock) -> None:
    assert use(cache, LONG, ready_s=2.0) == (0, 2000)
    clock.now_s += 1
    assert use(cache, LONG, ready_s=2.0) == (0, 2000), "both write"
    clock.now_s += 1
    assert use(cache, LONG, ready_s=2.0) == (2000, 0), "the first one's reply has begun"


def test_accounts_and_models_keep_their_own(cache: PromptCache) -> None:
    use(cache, LONG)
    assert cache.look_up("other", (LONG,), 1024, writes=True) == CacheUse(0, 2000, (LONG,))


def test_a_cache_that_is_full_begins_anew(cache: PromptCache, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("homa_workers.simulator.prompt_cache._MOST", 1)
    use(cache, SHORT)
    use(cache, LONG)
    assert use(cache, CachePoint("third", 1500)) == (0, 1500)
    assert use(cache, SHORT) == (0, 1024)


def test_prefixes_differ_by_what_stands_ahead_of_them() -> None:
    def point(ahead: object, *texts: str) -> CachePoint:
        finder = PointFinder(ahead)
        for text in texts:
            finder.add(text)
        finder.end()
        return finder.points[0]

    assert point(None, "a", "b") == point([], "a", "b")
    assert len({point(ahead, text).digest for ahead in (None, ["tool"]) for text in ("a", "b")}) == 4


async def asked(simulator: Simulator, path: str, body: dict[str, Any]) -> dict[str, Any]:
    async with ClientSession() as session, session.post(f"{simulator.url}{path}", json=body) as response:
        answer: dict[str, Any] = await response.json()
        assert response.status == 200, answer
        return dict(answer["usage"])


@pytest.fixture
async def simulator() -> Any:
    async with Simulator(SimulatorConfig(output_tokens=5)) as running:
        yield running


def anthropic(text: str, tools: list[Any] | None = None) -> dict[str, Any]:
    content = [{"type": "text", "text": INSTRUCTIONS, **MARK}, {"type": "text", "text": text}]
    body = {"model": "claude-sonnet-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": content}]}
    return body | ({"tools": tools} if tools else {})


async def test_anthropic_counts_what_is_written_then_what_is_read(simulator: Simulator) -> None:
    first, second = [await asked(simulator, "/v1/messages", anthropic(f"Dear {name}")) for name in ("Ann", "Bob")]
    assert (first["cache_creation_input_tokens"], first["cache_read_input_tokens"]) == (TOKENS, 0)
    assert (second["cache_creation_input_tokens"], second["cache_read_input_tokens"]) == (0, TOKENS)
    assert first["input_tokens"] == second["input_tokens"] == 3
    with_tools = await asked(simulator, "/v1/messages", anthropic("Dear Cy", [{"name": "t", "input_schema": {}}]))
    assert with_tools["cache_read_input_tokens"] == 0, "tools stand ahead of the prefix"


async def test_anthropic_keeps_a_system_prompt_that_is_marked(simulator: Simulator) -> None:
    system = [{"type": "text", "text": INSTRUCTIONS, **MARK}]
    body = {"model": "m", "max_tokens": 5, "system": system, "messages": [{"role": "user", "content": "Dear Ann"}]}
    assert (await asked(simulator, "/v1/messages", body))["cache_creation_input_tokens"] == TOKENS
    body["messages"] = [{"role": "user", "content": "Dear Bob"}]
    assert (await asked(simulator, "/v1/messages", body))["cache_read_input_tokens"] == TOKENS


async def test_bedrock_keeps_what_stands_before_a_cache_point(simulator: Simulator) -> None:
    point = {"cachePoint": {"type": "default"}}
    usages = []
    for name in ("Ann", "Bob"):
        content = [{"text": INSTRUCTIONS}, point, {"text": f"Dear {name}"}]
        body = {"messages": [{"role": "user", "content": content}], "inferenceConfig": {"maxTokens": 5}}
        usages.append(await asked(simulator, "/model/anthropic.claude-sonnet-4-5/converse", body))
    assert [(usage["cacheReadInputTokens"], usage["cacheWriteInputTokens"]) for usage in usages] == [
        (0, TOKENS),
        (TOKENS, 0),
    ]
    system = {"system": [{"text": INSTRUCTIONS}, point], "messages": [{"role": "user", "content": [{"text": "Hi"}]}]}
    assert (await asked(simulator, "/model/m/converse", system))["cacheWriteInputTokens"] == TOKENS


def chat(text: str) -> dict[str, Any]:
    return {"model": "gpt-6-luna", "messages": [{"role": "user", "content": f"{INSTRUCTIONS}{text}"}]}


async def cached(simulator: Simulator, path: str, text: str) -> int:
    usage = await asked(simulator, path, chat(text))
    return int(usage["prompt_tokens_details"]["cached_tokens"])


async def test_openai_keeps_long_prompts_unasked_in_steps_of_128_tokens(simulator: Simulator) -> None:
    for path in ("/v1/chat/completions", "/acme/openai/v1/chat/completions"):
        assert await cached(simulator, path, "Dear Ann") == 0
        found = await cached(simulator, path, "Dear Bob")
        assert TOKENS - 128 < found <= TOKENS
        assert (found - 1024) % 128 == 0


async def test_compatible_servers_and_short_prompts_keep_nothing(simulator: Simulator) -> None:
    for path in ("/ollama/v1/chat/completions", "/compatibility/v1/chat/completions"):
        assert [await cached(simulator, path, "Dear Ann") for _ in range(2)] == [0, 0]
    simulator.configure(cache_min_tokens=10 * TOKENS)
    assert [await cached(simulator, "/v1/chat/completions", "Dear Ann") for _ in range(2)] == [0, 0]
    simulator.configure(cache_min_tokens=1024, cache_life_s=0.0)
    assert [await cached(simulator, "/v1/chat/completions", "Dear Ann") for _ in range(2)] == [0, 0]
