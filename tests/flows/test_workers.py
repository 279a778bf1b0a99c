"""Flows on real workers and a simulated provider: whatever is killed, each document has its one answer."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from homa import AsyncHoma, Flow, Reply
from homa_shared.calls import request
from homa_shared.calls.request import JobRequest
from homa_shared.store.operation import read
from tests.conversations.killable import crew
from tests.patience import PATIENCE_S
from tests.worker.cell import HAIKU, MINI, Cell, until

KILLS, DOCUMENTS, PARTS = 6, 12, 5


def contracts() -> Flow:
    flow = Flow("contracts")
    facts = flow.map(flow.split(), prompt="[[say:<{{text}}>]]", model=MINI, name="facts", max_tokens=200)
    flow.reduce(facts, prompt="[[say:{{items}}]]", model=MINI, name="whole", fan_in=3, max_tokens=200)
    return flow


async def test_a_flow_on_an_event_loop(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    async with AsyncHoma(settings=cell.settings()) as homa:
        run = await homa.run(contracts(), [{"parts": ["a", "b"]}, {"parts": ["c"]}], budget_usd=1, name="monday")
        results = [result async for result in run.results(timeout=PATIENCE_S)]
        assert [result.reply.text for result in results] == ["<a>\n\n<b>", "<c>"]
        progress = await run.wait(PATIENCE_S)
        assert (progress.steps["facts"].succeeded, progress.steps["whole"].succeeded) == (3, 2)
        assert 0 < progress.cost_usd < 1
        assert progress.unresolved_usd == 0
        assert (await homa.flow_run(run.id).progress()).complete
        assert repr(run) == f"<AsyncFlowRun {run.id}>"
    assert cell.books() == []


async def test_a_step_goes_on_at_its_fallback_with_its_prompt(cell: Cell) -> None:
    flow = Flow("one")
    first = flow.map(prompt="[[say:{{text}}]]", model=MINI, name="first")
    flow.map(
        first, prompt="[[fault:404@openai]] [[say:again {{answer}}]]", model=MINI, fallbacks=[HAIKU], name="second"
    )
    await cell.worker("openai", "anthropic")
    async with AsyncHoma(settings=cell.settings()) as homa:
        run = await homa.run(flow, [{"text": "a"}], budget_usd=1)
        (result,) = [result async for result in run.results(timeout=PATIENCE_S)]
        assert (result.reply.text, result.reply.provider) == ("again a", "anthropic")
    assert cell.books() == []


async def test_a_prompt_that_outgrew_its_bound_is_reckoned_again(cell: Cell) -> None:
    """An answer that stands in a prompt many times is more than take has reserved for."""
    flow = Flow("one")
    first = flow.map(prompt="[[say:{{text}}]]", model=MINI, name="first", max_tokens=3000)
    flow.map(first, prompt="[[say:done]]" + "{{answer}}" * 20, model=MINI, name="second", max_tokens=50)
    await cell.worker()
    async with AsyncHoma(settings=cell.settings()) as homa:
        run = await homa.run(flow, [{"text": "word " * 500}], budget_usd=1)
        (result,) = [result async for result in run.results(timeout=PATIENCE_S)]
        assert result.reply.text == "done"
        command = ("HMGET", cell.keys.job(f"{run.id}-1"), "bn", "co")
        bound, cost = await cell.store.run(read([command], lambda replies: [int(value) for value in replies[0]]))
        place = 20 * len("word " * 500)
        assert bound > cost > 0
        assert result.reply.usage.input_tokens > place // 5, "all twenty were sent"
    assert cell.books() == []


async def test_a_worker_that_knows_no_flows_hands_their_jobs_back(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    async with AsyncHoma(settings=cell.settings()) as homa:
        run = await homa.run(contracts(), [{"parts": ["a"]}])
        view = await cell.view(f"{run.id}-0")
        assert view.request is not None
        assert JobRequest.decode(view.request).version >= 4
        monkeypatch.setattr(request, "REQUEST_VERSION", 3)
        await cell.worker()

        async def was_handed_back() -> bool:
            return (await cell.view(f"{run.id}-0")).job.attempt >= 2

        await until(was_handed_back)
        assert cell.simulator.stats.received == 0


async def test_kills_of_workers_lose_no_step_and_pay_none_unseen(cell: Cell) -> None:
    random = Random(3)
    settings = cell.environment(HOMA_LEASE_S="3")
    documents = [{"parts": [f"{n}.{part}" for part in range(PARTS)]} for n in range(DOCUMENTS)]
    async with AsyncHoma(settings=cell.settings(HOMA_LEASE_S="3")) as homa:
        with crew(settings, "openai", "--concurrency", "2") as workers:
            workers.start()
            run = await homa.run(contracts(), documents, budget_usd=1)
            for _ in range(KILLS):
                workers.start()
                before = cell.simulator.stats.received
                await until(lambda before=before: cell.simulator.stats.received > before)  # type: ignore[misc]
                await asyncio.sleep(random.uniform(0.0, 0.1))
                workers.kill(random.randrange(2))
                assert cell.books() == []
            results = [result async for result in run.results(timeout=PATIENCE_S * 4)]
        progress = await run.wait(PATIENCE_S)
    answers = [result.answers["whole"] for result in results]
    assert all(isinstance(answer, Reply) for answer in answers), "no node met three kills"
    assert [str(answer).split("\n\n") for answer in answers] == [
        [f"<{part}>" for part in document["parts"]] for document in documents
    ]
    bill = sum(charge.nano_usd or 0 for charge in cell.simulator.bill.charges())
    assert progress.cost_nano_usd <= bill <= progress.cost_nano_usd + progress.unresolved_nano_usd
    assert progress.steps["facts"].made == DOCUMENTS * PARTS, "none was made twice"
    assert cell.books() == []
