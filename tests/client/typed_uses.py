"""Uses of the clients for a type checker: the lines marked `refused` must be, with this code, and no others.

Nothing here is run: test_typing.py hands it to mypy.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any, Unpack, assert_type

from pydantic import BaseModel

from homa import AsyncHoma, AsyncJob, AsyncTable, Embedded, Homa, Job, JobOptions, Piece, Table

MODEL = "openai:gpt-6-luna"


class Invoice(BaseModel):
    number: str


def infers_what_an_answer_is(homa: Homa) -> None:
    assert_type(homa.submit("Hi", model=MODEL), Job[None])
    assert_type(homa.submit("Hi", model=MODEL, lane="high", max_tokens=7), Job[None])
    assert_type(homa.submit("Hi", model=MODEL, schema=Invoice, temperature=0.5), Job[Invoice])
    assert_type(homa.submit("Hi", model=MODEL, schema={"type": "object"}), Job[Any])


def takes_options(homa: Homa) -> Iterator[Piece]:
    homa.submit("Hi", model=MODEL, tags={"team": "a"}, budget_usd="0.05", deadline_s=60, on_ambiguous="fail")
    homa.submit("Hi", model=MODEL, top_p=0.5, seed=7, stop=["."], reasoning_effort="low", tool_choice="auto")
    homa.submit("Hi", model=MODEL, provider_options={"min_p": 0.05}, max_tokens=None)
    homa.submit(model=MODEL, messages=[{"role": "user", "content": "Hi"}], images=[b""], prompt_cache=True)
    homa.submit_batch(["a"], model=MODEL, schema=Invoice, name="notes", budget_usd=5, system="Be brief.")
    homa.open_batch(model=MODEL, cache=True)
    assert_type(homa.embed(["a"], model=MODEL, dimensions=256, timeout=5), Embedded)
    assert_type(homa.map(["a"], prompt="{{text}}", model=MODEL, schema=Invoice, name="notes", lane="high"), Table)
    assert_type(homa.map(iter(["a"]), model=MODEL, progress=False).retry(), Table)
    yield from homa.stream("Hi", model=MODEL, fallbacks=["anthropic:claude-haiku-5-5"])


def hands_options_on(homa: Homa, **options: Unpack[JobOptions]) -> Job[Invoice]:
    return homa.submit("Hi", model=MODEL, schema=Invoice, **options)


async def takes_the_same_in_a_loop(homa: AsyncHoma) -> AsyncIterator[Piece]:
    assert_type(await homa.submit("Hi", model=MODEL, schema=Invoice, lane="bulk"), AsyncJob[Invoice])
    assert_type(await homa.embed(["a"], model=MODEL, cache=True), Embedded)
    assert_type(await (await homa.map(["a"], model=MODEL)).retry(), AsyncTable)
    async for piece in homa.stream("Hi", model=MODEL, temperature=0):
        yield piece


def misspells(homa: Homa) -> None:
    homa.submit("Hi", model=MODEL, max_token=7)  # refused: call-overload
    homa.stream("Hi", model=MODEL, temprature=0)  # refused: call-arg
    homa.submit_batch(["a"], model=MODEL, lanes="high")  # refused: call-arg
    homa.embed(["a"], model=MODEL, dimension=256)  # refused: call-arg
    homa.map(["a"], model=MODEL, promt="{{text}}")  # refused: call-arg
    homa.map(["a"])  # refused: call-arg
    homa.submit("Hi", model=MODEL, min_p=0.05)  # refused: call-overload
    homa.submit("Hi")  # refused: call-overload


def mistakes_types(homa: Homa) -> None:
    homa.submit("Hi", model=MODEL, max_tokens="7")  # refused: call-overload
    homa.submit("Hi", model=MODEL, lane="fast")  # refused: call-overload
    homa.submit("Hi", model=MODEL, tags=["a"])  # refused: call-overload
    homa.submit("Hi", model=MODEL, schema=7)  # refused: call-overload
    homa.stream("Hi", model=MODEL, api="assistants")  # refused: arg-type
    homa.stream("Hi", model=MODEL, stream=False)  # refused: call-arg
    homa.embed(["a"], model=MODEL, temperature=0)  # refused: call-arg


async def is_mistaken_in_a_loop(homa: AsyncHoma) -> None:
    await homa.submit("Hi", model=MODEL, max_token=7)  # refused: call-overload
    await homa.submit_batch(["a"], model=MODEL, deadline_s="soon")  # refused: arg-type
    homa.stream("Hi", model=MODEL, fallback=["a"])  # refused: call-arg
