"""A gateway killed in the midst of many streams: nothing that was accepted is lost, repeated or paid for twice."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2

from tests.fixtures.store import eventually
from tests.gateway.conftest import MODEL, Cell
from tests.patience import PATIENCE_S

#: At once; as many again run in the background.
STREAMS, BACKGROUND = 200, 20
WORDS = 60


def chat(number: int, *, stream: bool) -> dict[str, Any]:
    messages = [{"role": "user", "content": f"story {number}"}]
    return {"model": MODEL, "messages": messages, "max_tokens": 400, "stream": stream}


class Streams:
    """Streams of one client process, each with an idempotency key."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.begun = 0
        self.all_begun = asyncio.Event()
        self._client = httpx2.AsyncClient(timeout=PATIENCE_S, limits=httpx2.Limits(max_connections=None))

    async def ask(self, number: int) -> tuple[str, str]:
        """The job, and what came of its text before the gateway died."""
        text, headers = "", {"idempotency-key": f"kill-{number}"}
        asked = self._client.stream(
            "POST", f"{self._url}/v1/chat/completions", json=chat(number, stream=True), headers=headers
        )
        async with asked as response:
            try:
                async for line in response.aiter_lines():
                    if line.startswith("data: {"):
                        had, text = text, text + (json.loads(line[6:])["choices"][0]["delta"].get("content") or "")
                        self._note(bool(text) and not had)
                raise AssertionError("the stream ended as if nobody had killed the gateway")
            except httpx2.HTTPError:
                return response.headers["x-homa-job"], text

    def _note(self, is_first: bool) -> None:
        self.begun += is_first
        if self.begun == STREAMS:
            self.all_begun.set()

    async def aclose(self) -> None:
        await self._client.aclose()


async def until_killed(cell: Cell) -> list[tuple[str, str]]:
    streams = Streams(cell.url)
    asking = [asyncio.create_task(streams.ask(number)) for number in range(STREAMS)]
    begun = asyncio.create_task(streams.all_begun.wait())
    await asyncio.wait([begun, *asking], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE_S)
    assert streams.begun == STREAMS
    assert cell.gateway is not None
    cell.gateway.kill()
    found = await asyncio.gather(*asking)
    await streams.aclose()
    return found


async def again(cell: Cell) -> list[tuple[str, str]]:
    """The same requests, plain, at the next gateway."""
    async with httpx2.AsyncClient(timeout=PATIENCE_S, limits=httpx2.Limits(max_connections=None)) as client:

        async def one(number: int) -> tuple[str, str]:
            answer = await client.post(
                f"{cell.url}/v1/chat/completions",
                json=chat(number, stream=False),
                headers={"idempotency-key": f"kill-{number}"},
            )
            return answer.headers["x-homa-job"], answer.json()["choices"][0]["message"]["content"]

        return list(await asyncio.gather(*(one(number) for number in range(STREAMS))))


def test_a_gateway_killed_in_the_midst_of_streams_loses_and_repeats_nothing(bare_cell: Cell) -> None:
    cell = bare_cell
    cell.env["HOMA_PROVIDERS__OPENAI__CONCURRENCY"] = str(STREAMS + BACKGROUND)
    cell.start_worker("openai")
    cell.start_gateway()
    # Slow enough that none has ended when the last has begun.
    cell.simulator.configure(reply="words", output_tokens=WORDS, token_ms=250.0)
    billed = cell.billed()
    made = [
        cell.openai().responses.create(model=MODEL, input=f"tale {number}", background=True, max_output_tokens=400)
        for number in range(BACKGROUND)
    ]
    first = asyncio.run(until_killed(cell))
    cell.close_clients()
    cell.stop_gateway()
    cell.start_gateway()
    second = asyncio.run(again(cell))
    assert [job for job, _ in first] == [job for job, _ in second]
    assert len({job for job, _ in first}) == STREAMS
    assert all(part and whole.startswith(part) for (_, part), (_, whole) in zip(first, second, strict=True))
    client = cell.openai()

    def ended() -> bool:
        return all(client.responses.retrieve(response.id).status == "completed" for response in made)

    eventually(ended)
    assert all(client.responses.retrieve(response.id).output_text for response in made)
    assert cell.billed() == billed + STREAMS + BACKGROUND
    assert cell.jobs() == STREAMS + BACKGROUND
    assert {cell.state(job) for job, _ in first} == {"succeeded"}
