"""A batch file of 50 000 lines through the gateway: how soon it is accepted, and what memory that and its work take."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from benchmarks.gateway import gateway
from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, rig, rss_mb

LINES, PROMPT_BYTES = 50_000, 1000
_SETTINGS = {
    "HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "6000000",
    "HOMA_PROVIDERS__OPENAI__CONCURRENCY": "2000",
    "HOMA_BATCH_WINDOW": "5000",
}
_ENDPOINT = "/v1/chat/completions"


def figures() -> Iterator[Figure]:
    with rig(settings=_SETTINGS) as r, tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "lines.jsonl"
        _write(path)
        r.start_worker(concurrency=200)
        with gateway(r) as (process, url, key):
            asyncio.run(_run(url, key, _small(path)))
            before_mb = rss_mb(process.pid)
            with _Watch(process.pid) as watch:
                uploaded_s, checked_s, ended_s, batch = asyncio.run(_run(url, key, path))
            assert batch["request_counts"] == {"total": LINES, "completed": LINES, "failed": 0}, batch
            size_mb = path.stat().st_size / 1e6
            how = f"{size_mb:.0f} MB; uploaded and asked for in {uploaded_s:.1f} s, checked {checked_s:.1f} s later"
            yield at_most(f"a batch file of {LINES} lines accepted, s", uploaded_s + checked_s, 10, 3, how, "{:.1f}")
            how = (
                f"from {before_mb:.0f} MB to at most {watch.most_mb:.0f}, uploaded, run and written in {ended_s:.0f} s"
            )
            yield at_most("memory that it adds to the gateway, MB", watch.most_mb - before_mb, 100, 50, how, "{:.0f}")


class _Watch(threading.Thread):
    """The most memory of a process while it is watched."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._over, self.most_mb = pid, threading.Event(), 0.0

    def run(self) -> None:
        while not self._over.wait(0.1):
            self.most_mb = max(self.most_mb, rss_mb(self._pid))

    def __enter__(self) -> _Watch:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()


def _write(path: Path, lines: int = LINES) -> None:
    filler = "The quick brown fox jumps over the lazy dog. " * (PROMPT_BYTES // 45)
    with path.open("wb") as stream:
        for number in range(lines):
            body = {"model": MODEL, "messages": [{"role": "user", "content": f"{number} {filler}"}], "max_tokens": 20}
            stream.write(
                orjson.dumps({"custom_id": f"line-{number}", "method": "POST", "url": _ENDPOINT, "body": body}) + b"\n"
            )


def _small(path: Path) -> Path:
    """A file that loads what the first batch of a gateway has to load."""
    small = path.with_name("small.jsonl")
    _write(small, 200)
    return small


async def _run(url: str, key: str, path: Path) -> tuple[float, float, float, dict[str, Any]]:
    """Seconds until a batch of a file was asked for, from there until its lines were checked, and until its end."""
    headers = {"authorization": f"Bearer {key}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=1800)) as session:
        began_s = time.perf_counter()
        with path.open("rb") as stream:
            form = aiohttp.FormData({"purpose": "batch"})
            form.add_field("file", stream, filename=path.name)
            file = await _answer(session.post(f"{url}/v1/files", data=form))
        asked = {"input_file_id": file["id"], "endpoint": _ENDPOINT, "completion_window": "24h"}
        batch = await _answer(session.post(f"{url}/v1/batches", json=asked))
        asked_s = time.perf_counter()
        batch = await _until(session, f"{url}/v1/batches/{batch['id']}", {"in_progress", "finalizing", "completed"})
        checked_s = time.perf_counter()
        batch = await _until(session, f"{url}/v1/batches/{batch['id']}", {"completed", "failed", "expired"})
        return asked_s - began_s, checked_s - asked_s, time.perf_counter() - began_s, batch


async def _until(session: aiohttp.ClientSession, url: str, states: set[str]) -> dict[str, Any]:
    while True:
        batch = await _answer(session.get(url))
        if batch["status"] in states:
            return batch
        assert batch["status"] != "failed", batch
        await asyncio.sleep(0.05)


async def _answer(asking: Any) -> dict[str, Any]:
    async with asking as reply:
        said: dict[str, Any] = orjson.loads(await reply.read())
        assert reply.status == 200, said
        return said
