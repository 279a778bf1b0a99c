"""Worker CPU per finished job, against the loop that people write today: `AsyncOpenAI` and a semaphore."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from statistics import median

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, cpu_s, prompts, rig

JOBS, IN_FLIGHT, PAIRS = 4000, 200, 3


def figures() -> Iterator[Figure]:
    ratios, loops, workers = [], [], []
    with rig(simulator=["--latency-ms", "100", "--output-tokens", "300"]) as r:
        process = r.start_worker(concurrency=IN_FLIGHT)
        with r.homa() as homa:
            for _ in range(PAIRS):
                loops.append(_bare_loop(r.url) / JOBS * 1e6)
                before = cpu_s(process.pid)
                homa.submit_batch(prompts(JOBS), model=MODEL, max_tokens=400)
                r.until_drained()
                workers.append((cpu_s(process.pid) - before) / JOBS * 1e6)
                ratios.append(workers[-1] / loops[-1])
    how = f"{PAIRS} pairs of {JOBS} jobs, {IN_FLIGHT} in flight: {median(workers):.0f} against {median(loops):.0f} us"
    yield at_most("worker CPU per job ÷ bare AsyncOpenAI loop", median(ratios), 1.0, 0.6, how)


def _bare_loop(url: str) -> float:
    """CPU seconds of a process that makes the same calls with the SDK alone."""
    command = [sys.executable, "-m", "benchmarks.cpu", url]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


async def _loop(url: str) -> None:
    from openai import AsyncOpenAI

    slots = asyncio.Semaphore(IN_FLIGHT)
    async with AsyncOpenAI(base_url=f"{url}/openai/v1", api_key="none", max_retries=0) as client:

        async def call(prompt: str) -> str | None:
            async with slots:
                reply = await client.chat.completions.create(
                    model=MODEL.partition(":")[2],
                    messages=[{"role": "user", "content": prompt}],
                    max_completion_tokens=400,
                )
                return reply.choices[0].message.content

        await call("warm up")
        start = cpu_s(os.getpid())
        await asyncio.gather(*(call(request["prompt"]) for request in prompts(JOBS)))
        print(cpu_s(os.getpid()) - start)


if __name__ == "__main__":
    asyncio.run(_loop(sys.argv[1]))
