"""What the way through queue, worker and store adds to the first token of a stream."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from statistics import median

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, rig

PAIRS, WARM_UP = 60, 5


def figures() -> Iterator[Figure]:
    limit = {"HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "60000"}
    with rig(simulator=["--latency-ms", "100", "--token-ms", "5"], settings=limit) as r, r.homa() as homa:
        r.start_worker(concurrency=50)
        bare = asyncio.run(_bare(r.url))
        through = []
        for i in range(PAIRS + WARM_UP):
            start = time.perf_counter()
            pieces = iter(homa.stream(f"Say something, {i}.", model=MODEL, max_tokens=20))
            while not next(pieces):
                pass
            through.append((time.perf_counter() - start) * 1000)
            for _ in pieces:
                pass
    added = median(through[WARM_UP:]) - median(bare[WARM_UP:])
    how = f"medians of {PAIRS} streams each, one after another: {median(through):.1f} against {median(bare):.1f} ms"
    yield at_most("first token of a stream over the bare SDK, p50, ms", added, 10, 10, how, "{:.1f}")


async def _bare(url: str) -> list[float]:
    """Milliseconds to the first token with the SDK alone."""
    from openai import AsyncOpenAI

    times = []
    async with AsyncOpenAI(base_url=f"{url}/openai/v1", api_key="none", max_retries=0) as client:
        for i in range(PAIRS + WARM_UP):
            start = time.perf_counter()
            stream = await client.chat.completions.create(
                model=MODEL.partition(":")[2],
                messages=[{"role": "user", "content": f"Say something, {i}."}],
                max_completion_tokens=20,
                stream=True,
            )
            first = None
            async for chunk in stream:
                if first is None and chunk.choices and chunk.choices[0].delta.content:
                    first = (time.perf_counter() - start) * 1000
            assert first is not None
            times.append(first)
    return times
