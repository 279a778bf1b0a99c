"""CPU of one call through each adapter and its SDK, without queue and store, beside plain aiohttp."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterator
from statistics import median
from typing import Any

from benchmarks.result import Figure
from benchmarks.rig import cpu_s, prompts, simulated
from homa_shared.model.example_models import ANTHROPIC, BEDROCK, COHERE, GEMINI, OLLAMA, OPENAI

CALLS, IN_FLIGHT, ROUNDS = 2000, 200, 3
MODELS = {
    **{example.provider: example.model for example in (OPENAI, ANTHROPIC, GEMINI, OLLAMA, COHERE, BEDROCK)},
    "azure": OPENAI.model,
}
#: What stands behind the simulator's address.
PATHS = {
    "openai": "/openai/v1",
    "azure": "/azure/openai/v1",
    "anthropic": "/anthropic",
    "gemini": "/gemini",
    "ollama": "/ollama/v1",
    "cohere": "/cohere/compatibility/v1",
    "bedrock": "/bedrock",
}
AWS = {"region": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}


def figures() -> Iterator[Figure]:
    how = f"median of {ROUNDS} rounds of {CALLS} calls of 2 KB, {IN_FLIGHT} in flight; adapter and SDK only"
    with simulated(["--latency-ms", "50", "--output-tokens", "300"]) as url:
        bare = median(_measure("bare", url) for _ in range(ROUNDS))
        yield Figure("CPU of a call, plain aiohttp and JSON, us", f"{bare:.0f}", "–", "–", True, how)
        for kind in MODELS:
            cost = median(_measure(kind, url) for _ in range(ROUNDS))
            yield Figure(f"CPU of a call, {kind} adapter, us", f"{cost:.0f}", "–", "–", True, how)


def _measure(kind: str, url: str) -> float:
    command = [sys.executable, "-m", "benchmarks.adapters", kind, url]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


async def _own_cpu_us(call: Callable[[str], Awaitable[Any]]) -> float:
    """Microseconds of this process's CPU for a call, once connections are open."""
    slots = asyncio.Semaphore(IN_FLIGHT)

    async def one(prompt: str) -> None:
        async with slots:
            await call(prompt)

    await asyncio.gather(*(one(request["prompt"]) for request in prompts(IN_FLIGHT)))
    before = cpu_s(os.getpid())
    await asyncio.gather(*(one(request["prompt"]) for request in prompts(CALLS)))
    return (cpu_s(os.getpid()) - before) / CALLS * 1e6


async def _adapter(kind: str, url: str) -> float:
    from pydantic import SecretStr

    from homa_shared.calls.reply import Call
    from homa_workers.process.garbage import collect_rarely
    from homa_workers.providers.base import ProviderConfig
    from homa_workers.providers.registry import create

    options = AWS if kind == "bedrock" else {}
    provider = create(ProviderConfig(kind, kind, SecretStr("any"), url + PATHS[kind], options=options))

    async def call(prompt: str) -> object:
        messages = [{"role": "user", "content": prompt}]
        return await provider.complete(Call(MODELS[kind], messages, {"max_tokens": 400}))

    collect_rarely()  # as a worker does; one collection of everything would count as hundreds of calls
    try:
        return await _own_cpu_us(call)
    finally:
        await provider.aclose()


async def _bare(url: str) -> float:
    import aiohttp
    import orjson

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def call(prompt: str) -> object:
            body = {
                "model": OPENAI.model,
                "messages": [{"role": "user", "content": prompt}],
                "max_completion_tokens": 400,
            }
            headers = {"authorization": "Bearer any", "content-type": "application/json"}
            async with session.post(
                f"{url}/openai/v1/chat/completions", data=orjson.dumps(body), headers=headers
            ) as reply:
                return orjson.loads(await reply.read())

        return await _own_cpu_us(call)


if __name__ == "__main__":
    asked, address = sys.argv[1:]
    print(asyncio.run(_bare(address) if asked == "bare" else _adapter(asked, address)))
