"""Uses of the clients for a type checker: the lines marked `refused` must be, with this code, and no others.

Nothing here is run: test_typing.py hands it to mypy.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypedDict, Unpack, assert_type

from pydantic import BaseModel

from homa import (
    AnsweredLine,
    AsyncFileResults,
    AsyncHoma,
    AsyncJob,
    AsyncTable,
    Batch,
    Costs,
    Embedded,
    Estimate,
    FailedLine,
    Failure,
    FileResults,
    FilesSummary,
    Flow,
    FlowEstimate,
    Homa,
    Job,
    JobEnded,
    JobInfo,
    JobOptions,
    Line,
    Piece,
    Progress,
    Reply,
    Retries,
    Table,
    Window,
    tool,
)

MODEL = "openai:gpt-6-luna"


class Invoice(BaseModel):
    number: str


@dataclass
class Note:
    text: str


class Label(TypedDict):
    name: str


def infers_what_an_answer_is(homa: Homa) -> None:
    assert_type(homa.submit("Hi", model=MODEL), Job[None])
    assert_type(homa.submit("Hi", model=MODEL, lane="high", max_tokens=7), Job[None])
    assert_type(homa.submit("Hi", model=MODEL, schema=Invoice, temperature=0.5), Job[Invoice])
    assert_type(homa.submit("Hi", model=MODEL, schema={"type": "object"}), Job[Any])
    assert_type(homa.submit("Hi", model=MODEL, schema=Note).result(), Reply[Note])
    assert_type(homa.submit("Hi", model=MODEL, schema=Label).result().parsed, Label)
    assert_type(homa.submit("Hi", model=MODEL, schema=list[Invoice]).result().parsed, list[Invoice])
    assert_type(homa.job("j1"), Job[None])
    assert_type(homa.job("j1", schema=Invoice), Job[Invoice])
    assert_type(homa.job("j1", schema=Invoice).retry(), Job[Invoice])
    assert_type(homa.retry(homa.job("j1", schema=Invoice)), Job[Invoice])
    assert_type(homa.retry(state="failed"), Retries)


def infers_what_files_come_to(homa: Homa, folder: Path) -> None:
    assert_type(homa.run_files("docs", model=MODEL, output="out.jsonl", resume=True), FilesSummary)
    assert_type(homa.run_files([folder, "s3://lake/docs"], model=MODEL, schema=Invoice, limit=3), FileResults[Invoice])
    assert_type(homa.run_files(folder, model=MODEL), FileResults[None])
    assert_type(homa.run_files(folder, model=MODEL, output=folder, dry_run=True), Estimate)
    for result in homa.run_files(folder, model=MODEL, schema=Note, budget_usd=5, progress=lambda seen: seen.ended):
        assert_type(result.parsed, Note)
    homa.run_files(folder, model=MODEL, promt="{{text}}")  # refused: call-overload
    homa.run_files(folder, model=MODEL, pages="all")  # refused: call-overload


async def infers_what_files_come_to_in_a_loop(homa: AsyncHoma) -> None:
    assert_type(await homa.run_files("docs", model=MODEL, output="out.jsonl"), FilesSummary)
    results = await homa.run_files("docs", model=MODEL, schema=Invoice)
    assert_type(results, AsyncFileResults[Invoice])
    async for result in results:
        assert_type(result.parsed, Invoice)


def tells_good_lines_from_bad_ones(homa: Homa) -> None:
    batch = homa.submit_batch(["a"], model=MODEL, schema=Invoice)
    assert_type(batch, Batch[Invoice])
    assert_type(homa.batch(batch.id, schema=list[Note]), Batch[list[Note]])
    assert_type(homa.open_batch(model=MODEL).seal(), Batch[None])
    for line in batch.results():
        assert_type(line, Line[Invoice])
        if line.ok is True:
            assert_type(line.reply.parsed, Invoice)
        else:
            assert_type(line.failure, Failure)
        if line.reply is None:
            assert_type(line, FailedLine)
            assert_type(line.error, JobEnded)
        else:
            assert_type(line, AnsweredLine[Invoice])


async def converses(homa: Homa, aio: AsyncHoma) -> Iterator[Piece] | None:
    talk, other = homa.conversation("c", window=Window(turns=20)), aio.conversation(owner="ann")
    assert_type(talk.ask("Hi", expect_turn=0), Reply[None])
    assert_type(talk.ask("Hi", schema=Invoice).parsed, Invoice)
    assert_type(talk.submit("Hi", schema=Invoice, model=MODEL), Job[Invoice])
    assert_type(await other.ask("Hi", schema=Invoice), Reply[Invoice])
    assert_type(await other.submit("Hi"), AsyncJob[None])
    talk.ask("Hi", expect_turns=1)  # refused: call-overload
    await other.ask("Hi", max_token=5)  # refused: call-overload
    talk.branch(at="1")  # refused: arg-type
    return talk.stream("Hi") if talk.turns()[0].answered else None


def looks_after_a_fleet(homa: Homa) -> Decimal:
    for job in homa.jobs(state="failed", limit=5):
        assert_type(job, JobInfo)
        assert_type(job.ended_at, datetime | None)
    assert_type(homa.estimate(Flow("f"), [{"text": "x"}], budget_usd=1), FlowEstimate)
    assert_type(homa.estimate("Hi", model=MODEL, max_tokens=5).most_usd, Decimal | None)
    return homa.costs(by="model", since="2026-01-01").total_usd


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
    assert_type(await homa.job("j1", schema=Invoice).result(), Reply[Invoice])
    assert_type(await (await homa.submit_batch(["a"], model=MODEL, schema=Note)).progress(), Progress)
    assert_type(await homa.costs(), Costs)
    async for line in homa.batch("b1", schema=Note).results():
        if line.ok is True:
            assert_type(line.reply.parsed, Note)
    async for piece in homa.stream("Hi", model=MODEL, temperature=0):
        yield piece


@tool
def stock(article: str, warehouse: int = 1) -> int:
    return 7


@tool(idempotent=True)
async def price(article: str) -> float:
    return 0.5


async def calls_tools_as_the_functions_that_they_are(homa: Homa) -> None:
    assert_type(stock("a", warehouse=2), int)
    assert_type(await price("a"), float)
    homa.submit("Hi", model=MODEL, run_tools=[stock, price], tools=[stock])
    stock(7)  # refused: arg-type
    stock("a", shelf=2)  # refused: call-arg


def misspells(homa: Homa) -> None:
    homa.submit("Hi", model=MODEL, max_token=7)  # refused: call-overload
    homa.stream("Hi", model=MODEL, temprature=0)  # refused: call-arg
    homa.submit_batch(["a"], model=MODEL, lanes="high")  # refused: call-overload
    homa.embed(["a"], model=MODEL, dimension=256)  # refused: call-arg
    homa.map(["a"], model=MODEL, promt="{{text}}")  # refused: call-arg
    homa.map(["a"])  # refused: call-arg
    homa.submit("Hi", model=MODEL, min_p=0.05)  # refused: call-overload
    homa.submit("Hi")  # refused: call-overload
    homa.jobs(stat="failed")  # refused: call-arg
    homa.jobs(state="faild")  # refused: arg-type
    homa.costs(by="colour")  # refused: arg-type


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
    await homa.submit_batch(["a"], model=MODEL, deadline_s="soon")  # refused: call-overload
    homa.stream("Hi", model=MODEL, fallback=["a"])  # refused: call-arg
