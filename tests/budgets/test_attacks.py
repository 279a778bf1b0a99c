"""Sixty jobs under a cap of two cents, each dearer than it seems: the provider's bill stays within the cap."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from homa import AsyncHoma, InvalidRequest
from homa_shared.calls import tools
from homa_shared.calls.tools import tool
from homa_shared.model.ids import batch_job_id
from homa_shared.model.money import parse_usd
from homa_shared.model.records import State
from homa_shared.settings.sections import Price
from homa_shared.store.transitions.fleet import read_fleet, write_fleet
from homa_workers.pipeline.reckoning import OTHER_PRICES
from homa_workers.pipeline.steps import journal
from homa_workers.process import heartbeat
from tests.steps.cell import MINI, Cell, until

CAP_USD, CAP = "0.02", 20_000_000
JOBS = 60
#: Ten thousand bytes, a tenth of a cent to read and half a cent to write.
LONG = "words and more words. " * 450
SAYING = "Hello"


async def submitted(cell: Cell, settings: Any = None, **options: Any) -> list[str]:
    """The jobs of a batch under the cap."""
    async with AsyncHoma(settings=settings or cell.settings()) as homa:
        lines = [{"prompt": SAYING, "max_tokens": 100, **options} for _ in range(JOBS)]
        batch = await homa.submit_batch(lines, model=options.pop("model", MINI), budget_usd=CAP_USD)
        return [batch_job_id(batch.id, line) for line in range(JOBS)]


async def states(cell: Cell, jobs: list[str]) -> Counter[State]:
    return Counter([(await cell.ended(job)).job.state for job in jobs])


async def check(cell: Cell, jobs: list[str]) -> Counter[State]:
    """All ended, and the bill is within the cap; how they ended."""
    ended = await states(cell, jobs)
    assert 0 < cell.bill_nano() <= CAP, cell.bill_nano()
    assert ended[State.SUCCEEDED]
    return ended


@pytest.mark.parametrize(
    ("part", "named"),
    [
        ({"type": "file", "file": {"file_id": "file-123"}}, "file_id"),
        ({"type": "document", "source": {"type": "url", "url": "https://example.com/book.pdf"}}, "'document'"),
    ],
)
async def test_what_is_not_in_the_request_is_refused_under_every_kind_of_budget(
    cell: Cell, part: dict[str, Any], named: str
) -> None:
    asked = {"messages": [{"role": "user", "content": [part]}], "model": MINI, "max_tokens": 50}
    async with AsyncHoma(settings=cell.settings()) as homa:
        assert await homa.submit(**asked), "without a budget it is taken as ever"
        with pytest.raises(InvalidRequest, match=f"budget_usd applies.*{named}.*give"):
            await homa.submit(**asked, budget_usd=CAP_USD)
        with pytest.raises(InvalidRequest, match=f"budget_usd applies.*{named}"):
            await homa.submit_batch([asked], model=MINI, budget_usd=CAP_USD)
    for scope in ({}, {"SCOPE": "tenant"}, {"SCOPE": "tag", "TAG": "team"}):
        budget = {f"HOMA_BUDGETS__MONTHLY__{name}": value for name, value in {"CAP_USD": CAP_USD, **scope}.items()}
        other = replace_namespace(cell, f"{cell.namespace}-{scope.get('SCOPE', 'all')}")
        async with AsyncHoma(settings=other.settings(**budget)) as homa:
            with pytest.raises(InvalidRequest, match=f"the budget 'monthly' applies.*{named}"):
                await homa.submit(**asked, tenant="acme", tags={"team": "a"})
        await other.close()


def replace_namespace(cell: Cell, namespace: str) -> Cell:
    return Cell(cell.url, namespace, cell.simulator, cell.home)


async def test_a_tag_of_another_name_stands_under_no_budget_of_tags(cell: Cell) -> None:
    budget = {"HOMA_BUDGETS__TEAMS__CAP_USD": CAP_USD, "HOMA_BUDGETS__TEAMS__SCOPE": "tag"}
    settings = cell.settings(**budget, HOMA_BUDGETS__TEAMS__TAG="team=a")
    part = {"type": "file", "file": {"file_id": "file-123"}}
    async with AsyncHoma(settings=settings) as homa:
        messages = [{"role": "user", "content": [part]}]
        assert await homa.submit(messages=messages, model=MINI, tags={"team": "b"})
        with pytest.raises(InvalidRequest, match="file_id"):
            await homa.submit(messages=messages, model=MINI, tags={"team": "a"})


@pytest.mark.parametrize(
    "options",
    [
        {"prediction": {"type": "content", "content": LONG[:900]}, "model": "openai:gpt-4.1-mini"},
        {"n": 6},
    ],
    ids=lambda options: next(iter(options)),
)
async def test_what_is_sent_beside_the_messages_is_reserved_for(cell: Cell, options: dict[str, Any]) -> None:
    jobs = await submitted(cell, **options)
    await cell.worker("openai", concurrency=8)
    ended = await check(cell, jobs)
    assert ended[State.FAILED], "not all of them fit into the cap"


@pytest.mark.parametrize(
    ("options", "least_usd"),
    [
        ({"provider_options": {"documents": [{"text": LONG}]}}, "0.0009"),
        ({"provider_options": {"some_new_text": LONG}}, "0.0009"),
        ({"max_output_tokens": 3000}, "0.0015"),
    ],
    ids=["documents", "some_new_text", "max_output_tokens"],
)
async def test_what_no_table_knows_is_reserved_by_its_bytes_and_may_be_refused(
    cell: Cell, options: dict[str, Any], least_usd: str
) -> None:
    jobs = await submitted(cell, **options)
    bound = int((await cell.record(jobs[0]))["bn"])
    assert bound >= parse_usd(least_usd), "nine thousand bytes to read, or three thousand tokens to write"
    await cell.worker("openai", concurrency=8)
    await states(cell, jobs)
    assert cell.bill_nano() <= CAP


async def test_what_an_account_adds_to_its_calls_is_reserved_for_before_they_are_sent(cell: Cell) -> None:
    """The client does not know the worker's file."""
    jobs = await submitted(cell, max_tokens=800)
    (cell.home / "homa.toml").write_text("[providers.openai.options.params]\nn = 5\nmax_completion_tokens = 9000\n")
    await cell.worker("openai", concurrency=1)
    ended = await check(cell, jobs)
    assert ended[State.FAILED]
    replies = [view.reply or b"" for view in [await cell.view(job) for job in jobs] if view.job.state is State.FAILED]
    assert any(b"its account's parameters add to its call" in reply for reply in replies)
    assert all(b"leaves no room for a call of up to" in reply for reply in replies)


async def test_a_client_reserves_for_what_the_fleet_knows_of_an_account(cell: Cell) -> None:
    (cell.home / "homa.toml").write_text("[providers.openai.options.params]\nn = 5\n")
    jobs = await submitted(cell, max_tokens=800)
    record = await cell.record(jobs[0])
    assert int(record["bn"]) > 5 * 800 * 500, "five answers of 800 tokens at half a dollar a million"
    await cell.worker("openai", concurrency=8)
    assert (await check(cell, jobs))[State.FAILED]


@pytest.mark.parametrize("is_submitted_before", [True, False])
async def test_a_price_that_was_raised_while_jobs_waited_is_reserved_before_they_are_sent(
    cell: Cell, is_submitted_before: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also by a worker that has not heard of it: take says which settings are in force."""
    monkeypatch.setattr(heartbeat, "BEAT_S", 1000.0)
    made = await cell.process("openai", concurrency=8)
    if not is_submitted_before:
        cell.serve(made.workers[0])
        await until(lambda: made.workers[0]._book is not None and made.workers[0]._book._raw is not None)
    jobs = await submitted(cell) if is_submitted_before else []
    if not is_submitted_before:
        # A client that has read the settings before, and whose bounds are of then.
        async with AsyncHoma(settings=cell.settings()) as homa:
            await homa.submit(SAYING, model="openai:other", max_tokens=10)
            await raise_prices(cell, 66)
            batch = await homa.submit_batch([SAYING] * JOBS, model=MINI, max_tokens=100, budget_usd=CAP_USD)
            jobs = [batch_job_id(batch.id, line) for line in range(JOBS)]
    else:
        await raise_prices(cell, 66)
        cell.serve(made.workers[0])
    ended = await states(cell, jobs)
    assert ended[State.FAILED] == JOBS
    assert cell.bill_nano() <= CAP
    reply = (await cell.view(jobs[0])).reply
    assert reply is not None
    assert b"leaves no room for a call of up to" in reply


async def test_a_job_waits_for_the_higher_bound_and_its_history_says_why(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At ten times the price both fit into the cap, but not at once."""
    monkeypatch.setattr(journal, "PATIENCE_S", 0.05)
    async with AsyncHoma(settings=cell.settings()) as homa:
        batch = await homa.submit_batch([SAYING] * 2, model=MINI, max_tokens=100, budget_usd="0.012")
    jobs = [batch_job_id(batch.id, line) for line in range(2)]
    await raise_prices(cell, 10)
    cell.simulator.engine.configure(replace(cell.simulator.engine.config, latency_ms=400))
    await cell.worker("openai", concurrency=2)
    assert await states(cell, jobs) == {State.SUCCEEDED: 2}
    assert cell.bill_nano() <= 12_000_000
    notes = [attempt.note for job in jobs for attempt in await cell.attempts(job) if attempt.outcome != "succeeded"]
    assert notes, "one of them had to wait"
    assert all("its next call waits for budget" in note["error"] for note in notes)
    assert all(OTHER_PRICES in note["error"] for note in notes)


async def test_a_price_that_was_raised_between_two_calls_of_a_job_holds_for_the_second(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "BEAT_S", 1000.0)
    monkeypatch.setattr(tools, "_registered", {})
    asked = threading.Event()

    @tool
    def look_up(name: str) -> str:
        """Finds a person; meanwhile prices rise."""
        asked.set()
        raised.wait(30)
        return "36 years old"

    raised = threading.Event()
    await cell.worker("openai")
    async with AsyncHoma(settings=cell.settings()) as homa:
        prompt = '[[tool:look_up {"name": "Ada"}]]'
        job = await homa.submit(prompt, model=MINI, max_tokens=100, run_tools=[look_up], budget_usd=CAP_USD)
    await until(asked.is_set)
    await raise_prices(cell, 66)
    raised.set()
    ended = await cell.ended(job.id)
    assert ended.job.state is State.FAILED
    assert b"leaves no room for a call of up to" in (ended.reply or b"")
    assert cell.bill_nano() <= CAP


async def raise_prices(cell: Cell, times: int) -> None:
    """At the provider, and in the fleet's settings as `homa apply` writes them."""
    fleet = await cell.store.run(read_fleet(cell.keys))
    assert fleet is not None
    price = {"input": str(0.25 * times), "output": str(2 * times)}
    cell.simulator.engine.configure(replace(cell.simulator.engine.config, prices={"gpt-6-luna": price}))
    dear = Price(input=0.25 * times, output=2 * times)
    raised = fleet.model_copy(update={"prices": {MINI: dear}, "version": fleet.version + 1})
    await cell.store.run(write_fleet(cell.keys, raised, seen=fleet.version))
