"""What the HTTP face carries, and what it adds: gateway, worker, store, simulator and this client on one machine.

Every request is a job under a budget, durable before it is called (the store syncs each write), and asked with a key.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from statistics import median, quantiles
from typing import Any

import aiohttp
import orjson

from benchmarks.result import Figure, at_least, at_most
from benchmarks.rig import MODEL, Rig, cpu_s, rig, rss_mb, until
from homa_shared.store.gateway_keys import Role, new_key, put_key

CLIENTS, REQUESTS = 50, 6000
ONE_BY_ONE, PAUSE_S = 300, 0.01
STREAMS = 1000
_SETTINGS = {
    "HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "6000000",
    "HOMA_PROVIDERS__OPENAI__CONCURRENCY": "2000",
    "HOMA_BUDGETS__ALL__CAP_USD": "100000",
}


def figures() -> Iterator[Figure]:
    with rig(settings=_SETTINGS) as r:
        worker = r.start_worker(concurrency=100)
        with gateway(r) as (process, url, key):
            asyncio.run(_load(url, key, 200, 10))
            before = [cpu_s(pid) for pid in (process.pid, worker.pid, r.server_pid)]
            rate, times = asyncio.run(_load(url, key, REQUESTS, CLIENTS))
            after = [cpu_s(pid) for pid in (process.pid, worker.pid, r.server_pid)]
            cost = ", ".join(f"{(b - a) / REQUESTS * 1e6:.0f}" for a, b in zip(before, after, strict=True))
            how = f"{REQUESTS} requests, {CLIENTS} at once, p50 {median(times):.0f} ms"
            how += f"; CPU us each: gateway, worker, store {cost}"
            yield at_least("completions a second by HTTP, durable and budgeted", rate, 300, 600, how, "{:.0f}")
            yield from _added(r, url, key)
    streaming = ["--latency-ms", "100", "--token-ms", "5"]
    with rig(simulator=streaming, settings=_SETTINGS) as r:
        r.start_worker(concurrency=50)
        with gateway(r) as (_, url, key):
            yield _first_token(r, url, key)
    slow = ["--latency-ms", "2000", "--token-ms", "250", "--output-tokens", "60"]
    with rig(simulator=slow, settings=_SETTINGS) as r:
        r.start_worker(concurrency=STREAMS)
        with gateway(r) as (process, url, key):
            text = asyncio.run(_many_streams(url, key))
            how = f"each of some {text / STREAMS:.0f} bytes in about 60 pieces, four a second"
            what = f"memory of the gateway with {STREAMS} streams, MB"
            yield at_most(what, rss_mb(process.pid), 300, 150, how, "{:.0f}")


@contextmanager
def gateway(r: Rig) -> Iterator[tuple[subprocess.Popen[str], str, str]]:
    """A gateway process, its address, and a key."""
    record, key = new_key(Role.TENANT, "bench", (), "")
    r.store.run(put_key(r.store.keys, record))
    command = [sys.executable, "-m", "homa.cli", "gateway", "--port", "0"]
    process = subprocess.Popen(command, env=r.env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        url = next(line.split("gateway at ")[1].split()[0] for line in process.stderr if "gateway at " in line)
        until(lambda: asyncio.run(_answers(url)))
        yield process, url, key
    finally:
        process.terminate()
        process.wait(60)
        process.stderr.close()


async def _answers(url: str) -> bool:
    async with _session("") as session:
        try:
            async with session.get(f"{url}/readyz") as reply:
                return reply.status == 200
        except aiohttp.ClientError:
            return False


@asynccontextmanager
async def _session(key: str) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"content-type": "application/json", "authorization": f"Bearer {key}"}
    timeout = aiohttp.ClientTimeout(total=300)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), headers=headers, timeout=timeout
    ) as session:
        yield session


_numbers = count()


def _body(model: str, **more: Any) -> bytes:
    """A request of about 2 KB that nobody has sent before."""
    filler = "The quick brown fox jumps over the lazy dog. " * 44
    prompt = f"Document {next(_numbers)}. {filler}"
    return orjson.dumps({"model": model, "messages": [{"role": "user", "content": prompt}], **more})


async def _load(url: str, key: str, requests: int, clients: int) -> tuple[float, list[float]]:
    """Requests a second, and the time of each, ms."""
    left, times = iter(range(requests)), []
    async with _session(key) as session:

        async def ask() -> None:
            for _ in left:
                time_ms = await _ask(session, f"{url}/v1/chat/completions", _body(MODEL, max_tokens=20))
                times.append(time_ms)

        began_s = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(clients)))
        return requests / (time.perf_counter() - began_s), times


async def _ask(session: aiohttp.ClientSession, url: str, body: bytes) -> float:
    start_s = time.perf_counter()
    async with session.post(url, data=body) as reply:
        said = await reply.read()
        assert reply.status == 200, said
    return (time.perf_counter() - start_s) * 1000


def _added(r: Rig, url: str, key: str) -> Iterator[Figure]:
    bare, through = asyncio.run(_pairs(r.url, url, key))
    how = f"{ONE_BY_ONE} pairs one after another: p50 {median(through):.1f} against {median(bare):.1f} ms"
    yield at_most("latency that the gateway adds, p50, ms", median(through) - median(bare), 15, 7, how, "{:.1f}")
    slow = quantiles(through, n=100)[98] - quantiles(bare, n=100)[98]
    yield at_most("latency that the gateway adds, p99, ms", slow, 40, 20, how, "{:.1f}")


async def _pairs(simulator: str, url: str, key: str) -> tuple[list[float], list[float]]:
    """Times of single requests at the simulator and by way of the gateway, ms."""
    bare, through = [], []
    async with _session(key) as session:
        for _ in range(ONE_BY_ONE):
            own = _body(MODEL.partition(":")[2], max_completion_tokens=20)
            bare.append(await _ask(session, f"{simulator}/openai/v1/chat/completions", own))
            through.append(await _ask(session, f"{url}/v1/chat/completions", _body(MODEL, max_tokens=20)))
            await asyncio.sleep(PAUSE_S)
    return bare, through


def _first_token(r: Rig, url: str, key: str) -> Figure:
    bare, through = asyncio.run(_first_tokens(r.url, url, key))
    added = median(through[5:]) - median(bare[5:])
    how = f"medians of 60 streams each, one after another: {median(through):.1f} against {median(bare):.1f} ms"
    return at_most("first token by HTTP over the simulator's, p50, ms", added, 15, 6, how, "{:.1f}")


async def _first_tokens(simulator: str, url: str, key: str) -> tuple[list[float], list[float]]:
    bare, through = [], []
    async with _session(key) as session:
        for _ in range(65):
            own = _body(MODEL.partition(":")[2], max_completion_tokens=20, stream=True)
            bare.append(await _until_text(session, f"{simulator}/openai/v1/chat/completions", own))
            ours = _body(MODEL, max_tokens=20, stream=True)
            through.append(await _until_text(session, f"{url}/v1/chat/completions", ours))
    return bare, through


async def _until_text(session: aiohttp.ClientSession, url: str, body: bytes) -> float:
    start_s, first_s = time.perf_counter(), 0.0
    async with session.post(url, data=body) as reply:
        async for line in reply.content:
            if not first_s and line.startswith(b"data: {") and _has_text(line):
                first_s = time.perf_counter()
    return (first_s - start_s) * 1000


def _has_text(line: bytes) -> bool:
    choices = orjson.loads(line[6:])["choices"]
    return bool(choices and choices[0]["delta"].get("content"))


async def _many_streams(url: str, key: str) -> int:
    """Bytes of text that many streams at once bring."""
    async with _session(key) as session:

        async def read() -> int:
            body = _body(MODEL, max_tokens=100, stream=True)
            async with session.post(f"{url}/v1/chat/completions", data=body) as reply:
                assert reply.status == 200
                data = await reply.read()
                assert data.endswith(b"data: [DONE]\n\n"), data[-200:]
                return len(data)

        return sum(await asyncio.gather(*(read() for _ in range(STREAMS))))
