"""Tools: returned to the caller, or run by the worker; never twice, unless they bear it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import orjson
from click.testing import CliRunner

from homa.cli import main
from homa_shared.calls.request import StepRules
from homa_shared.calls.tools import tool
from homa_shared.model.records import State
from homa_shared.store.transitions import admin
from tests.fixtures.stopwatch import Stopwatch
from tests.patience import PATIENCE_S
from tests.steps.cell import HAIKU, MINI, SHAPE, Cell, by_schema, reply_of, until


def rules(*names: str, **more: Any) -> StepRules:
    return StepRules(tools=names, **more)


def definition(name: str) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


async def test_a_tool_that_the_worker_does_not_run_is_returned_to_the_caller(cell: Cell) -> None:
    await cell.worker()
    params = {"max_tokens": 300, "tools": [definition("mine")]}
    job = await cell.ask('[[tool:mine {"a": 1}]]', params=params)
    message = reply_of(await cell.ended(job))["body"]["choices"][0]["message"]
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["mine"]
    assert cell.simulator.stats.received == 1
    await cell.check_money(job)


async def test_a_registered_tool_is_run_and_the_model_goes_on_with_its_result(cell: Cell) -> None:
    given = []

    @tool
    async def weather(city: str, days: int = 1) -> dict[str, Any]:
        """The weather to come."""
        given.append((city, days))
        return {"city": city, "degrees": 21}

    await cell.worker()
    job = await cell.ask('[[tool:weather {"city": "Ulm"}]]', steps=rules("weather"))
    view = await cell.ended(job)
    assert given == [("Ulm", 1)]
    reply = reply_of(view)
    assert reply["body"]["choices"][0]["finish_reason"] == "stop"
    assert reply["steps"] == 2
    assert [outcome for _, outcome, _, _ in await cell.outcomes()] == ["step", "succeeded"]
    await cell.check_money(job)


async def test_calls_of_one_reply_run_side_by_side_and_their_results_keep_their_order(cell: Cell) -> None:
    both = asyncio.Barrier(2)

    @tool
    async def first() -> str:
        await both.wait()
        return "one"

    @tool
    async def second() -> str:
        await both.wait()
        return "two"

    await cell.worker()
    job = await cell.ask("[[tool:first {}]] [[tool:second {}]]", steps=rules("first", "second"))
    assert (await cell.ended(job)).job.state is State.SUCCEEDED


async def test_a_sync_tool_runs_in_a_thread_and_holds_nobody_up(cell: Cell) -> None:
    held, free = threading.Event(), threading.Event()

    @tool
    def slow() -> str:
        held.set()
        assert free.wait(PATIENCE_S)
        return "done"

    await cell.worker()
    job = await cell.ask("[[tool:slow {}]]", steps=rules("slow"))
    await until(held.is_set)
    other = await cell.ask("Hello")
    assert (await cell.ended(other)).job.state is State.SUCCEEDED
    free.set()
    assert (await cell.ended(job)).job.state is State.SUCCEEDED


async def test_a_mixed_reply_goes_to_the_caller_whole(cell: Cell) -> None:
    ran = []

    @tool
    async def ours() -> str:
        ran.append(1)
        return ""

    await cell.worker()
    params = {"max_tokens": 300, "tools": [definition("theirs")]}
    job = await cell.ask('[[tool:ours {}]] [[tool:theirs {"a": 1}]]', params=params, steps=rules("ours"))
    message = reply_of(await cell.ended(job))["body"]["choices"][0]["message"]
    assert len(message["tool_calls"]) == 2
    assert ran == []


async def test_what_a_tool_raises_is_told_to_the_model(cell: Cell) -> None:
    @tool
    async def broken(a: int) -> str:
        raise ValueError("no such city")

    await cell.worker()
    job = await cell.ask('[[tool:broken {"a": 1}]]', steps=rules("broken"))
    assert (await cell.ended(job)).job.state is State.SUCCEEDED


async def test_a_tool_that_no_worker_has_is_named(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask("Hello", steps=rules("nowhere"))
    error = reply_of(await cell.ended(job))["error"]
    assert error["kind"] == "invalid_request"
    assert "'nowhere'" in error["message"]
    assert "--actors" in error["message"]
    assert cell.simulator.stats.received == 0


async def test_the_step_limit_ends_a_job_that_goes_in_circles(cell: Cell) -> None:
    ran = []

    @tool
    async def again() -> str:
        ran.append(1)
        return ""

    await cell.worker()
    job = await cell.ask("[[tool:again {}]]", steps=rules("again", max_steps=1))
    view = await cell.ended(job)
    assert reply_of(view)["error"]["kind"] == "step_limit"
    assert ran == []
    assert [outcome for _, outcome, _, _ in await cell.outcomes()] == ["step_limit"]
    await cell.check_money(job)


async def test_the_jobs_budget_ends_it_between_two_calls(cell: Cell) -> None:
    @tool
    async def look() -> str:
        return "x" * 1000

    await cell.worker()
    job = await cell.ask("[[tool:look {}]]", steps=rules("look"), bound=450_000, job_budget=500_000)
    view = await cell.ended(job)
    assert view.job.state is State.FAILED
    assert reply_of(view)["error"]["kind"] == "budget"
    assert cell.simulator.stats.received == 1
    assert (await cell.budget(f"job:{job}"))["reserved"] == 0
    await cell.check_money(job)


async def test_a_budget_that_defers_keeps_the_job_for_its_next_period(cell: Cell) -> None:
    @tool
    async def look() -> str:
        return "x" * 1000

    (cell.home / "homa.toml").write_text('[budgets.all]\ncap_usd = "0.0005"\nperiod = "day"\non_exceed = "defer"\n')
    await cell.worker(HOMA_CONFIG=str(cell.home / "homa.toml"))
    job = await cell.ask("[[tool:look {}]]", steps=rules("look"), bound=450_000)
    view = await cell.reaches(job, State.WAITING)
    assert view.job.waits_for is not None
    assert view.job.waits_for.startswith("budget:all")
    assert cell.simulator.stats.received == 1
    await cell.check_money(job)


async def test_tools_and_a_schema_go_together(cell: Cell) -> None:
    @tool
    async def look() -> str:
        return "Ada, 36"

    await cell.worker()
    job = await cell.ask("[[tool:look {}]]", params=by_schema(), steps=rules("look"))
    reply = reply_of(await cell.ended(job))
    assert set(orjson.loads(reply["body"]["choices"][0]["message"]["content"])) == set(SHAPE["properties"])
    await cell.check_money(job)


async def test_a_finished_tool_call_is_not_repeated_by_the_next_attempt(cell: Cell) -> None:
    ran = []

    @tool
    async def pay() -> str:
        ran.append(1)
        # What comes next hangs: the worker will be lost in its second call.
        cell.simulator.script("hang")
        return "paid"

    first = await cell.worker()
    job = await cell.ask("[[tool:pay {}]]", steps=rules("pay"))
    await until(lambda: cell.simulator.stats.received == 2)
    first.drain()
    await cell.lose(job)
    view = await cell.view(job)
    assert view.job.state is State.QUEUED
    assert view.job.unresolved_nano_usd > 0, "the call in flight is open"
    assert 0 < view.job.cost_nano_usd < cell.bill_nano(), "the step before it is paid"
    await cell.worker()
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert ran == [1]
    assert [(number, outcome) for number, outcome, _, _ in await cell.outcomes()] == [
        (1, "step"),
        (1, "lost"),
        (2, "succeeded"),
    ]
    await cell.check_money(job, open_calls=True)
    first.stop_now()


async def test_a_worker_lost_while_a_tool_runs_leaves_no_cost_open(cell: Cell) -> None:
    begun = asyncio.Event()

    @tool
    async def stuck() -> str:
        begun.set()
        await asyncio.sleep(3600)
        return ""

    first = await cell.worker()
    job = await cell.ask("[[tool:stuck {}]]", steps=rules("stuck"))
    await begun.wait()
    first.drain()
    await cell.lose(job)
    view = await cell.view(job)
    assert (view.job.unresolved_nano_usd, view.job.state) == (0, State.QUEUED)
    await cell.worker()
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert reply_of(view)["steps"] == 2
    await cell.check_money(job)
    first.stop_now()


async def test_a_tool_call_without_an_end_runs_again_only_where_it_is_idempotent(cell: Cell) -> None:
    ran: list[str] = []
    stuck = asyncio.Event()

    async def once(name: str) -> str:
        ran.append(name)
        if len(ran) <= 2:
            stuck.set()
            await asyncio.sleep(3600)
        return name

    @tool(idempotent=True)
    async def reads() -> str:
        return await once("reads")

    @tool
    async def writes() -> str:
        return await once("writes")

    first = await cell.worker()
    job = await cell.ask("[[tool:reads {}]] [[tool:writes {}]]", steps=rules("reads", "writes"))
    await until(lambda: len(ran) == 2)
    first.drain()
    await cell.lose(job)
    await cell.worker()
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert sorted(ran) == ["reads", "reads", "writes"]
    await cell.check_money(job)
    first.stop_now()


async def test_a_worker_that_stops_hands_the_job_on_from_its_last_step(cell: Cell) -> None:
    begun = asyncio.Event()
    ran = []

    @tool(idempotent=True)
    async def look() -> str:
        ran.append(1)
        begun.set()
        if len(ran) == 1:
            await asyncio.sleep(3600)
        return ""

    first = await cell.worker()
    job = await cell.ask("[[tool:look {}]]", steps=rules("look"), on_ambiguous="fail")
    await begun.wait()
    first.stop_now()
    await cell.reaches(job, State.QUEUED)
    await cell.worker()
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED, "nothing was in flight: there is nothing ambiguous"
    assert reply_of(view)["steps"] == 2
    await cell.check_money(job)


async def test_a_job_cancelled_while_a_tool_runs_costs_what_was_paid(cell: Cell) -> None:
    begun, gone = asyncio.Event(), asyncio.Event()

    @tool
    async def stuck() -> str:
        begun.set()
        try:
            await asyncio.sleep(3600)
        finally:
            gone.set()
        return ""

    await cell.worker()
    job = await cell.ask("[[tool:stuck {}]]", steps=rules("stuck"))
    await begun.wait()
    await cell.store.run(admin.cancel(cell.keys, [job]))
    assert (await cell.ended(job)).job.state is State.CANCELLED
    assert gone.is_set()
    await cell.check_money(job)


async def test_a_deadline_that_passes_while_a_tool_runs_ends_the_job(cell: Cell, stopwatch: Stopwatch) -> None:
    @tool
    async def stuck() -> str:
        await asyncio.sleep(3600)
        return ""

    await cell.worker()
    stopwatch.start()
    job = await cell.ask("[[tool:stuck {}]]", steps=rules("stuck"), deadline_ms=700)
    assert (await cell.ended(job)).job.state is State.EXPIRED
    assert stopwatch.s < 10
    await cell.check_money(job)


async def test_a_fallback_goes_on_from_the_steps_of_another_provider(cell: Cell) -> None:
    ran = []

    @tool
    async def look() -> str:
        ran.append(1)
        cell.simulator.script("quota")
        return "found"

    await cell.worker("openai", "anthropic")
    job = await cell.ask("[[tool:look {}]]", steps=rules("look"), targets=(MINI, HAIKU))
    view = await cell.ended(job)
    assert reply_of(view)["provider"] == "anthropic"
    assert ran == [1]
    await cell.check_money(job)


async def test_a_jobs_steps_can_be_looked_at(cell: Cell) -> None:
    @tool
    async def look() -> str:
        return ""

    await cell.worker()
    job = await cell.ask("[[tool:look {}]]", steps=rules("look"))
    view = await cell.ended(job)
    (step,) = view.steps
    first, last = await cell.ledger()
    assert (step.number, step.attempt, step.target) == (1, 1, MINI)
    assert (step.nano_usd, step.input_tokens, step.output_tokens) == (
        first.nano_usd, first.input_tokens, first.output_tokens
    )  # fmt: skip
    # The command that shows them runs a loop of its own.
    shown = await asyncio.to_thread(CliRunner().invoke, main, ["jobs", "show", job], env=cell.environment())
    assert shown.exit_code == 0, shown.stderr
    assert "STEP" in shown.stdout
    told = await asyncio.to_thread(CliRunner().invoke, main, ["jobs", "show", job, "--json"], env=cell.environment())
    (document,) = orjson.loads(told.stdout)["steps"]
    assert (document["step"], document["target"]) == (1, MINI)
    assert last.outcome == "succeeded"
