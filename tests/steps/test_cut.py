"""Answers that were cut at their output cap: kept and told, asked for again with more room, or no answer at all."""

from __future__ import annotations

from typing import Any

import pytest

from homa_shared.calls.reply import Call, Completion, Usage
from homa_shared.calls.request import JobRequest, Option, StepRules
from homa_shared.calls.tools import tool
from homa_shared.model.records import State
from homa_workers.pipeline.steps import cut
from tests.steps.cell import BOUND, HAIKU, MINI, Cell, by_schema, reply_of

RETRY, FAIL = StepRules(on_cut="retry"), StepRules(on_cut="fail")
#: Fits no cap below 64 tokens, nor a doubled one of 32.
LONG = "[[tokens:100]]"


def finish(reply: dict[str, Any]) -> str:
    return str(reply["body"]["choices"][0]["finish_reason"])


def caps(cell: Cell) -> list[int]:
    """Output tokens of each call, as they were billed."""
    return [charge.output_tokens for charge in cell.simulator.bill.charges()]


async def test_by_default_it_is_the_answer_and_says_so(cell: Cell) -> None:
    await cell.worker()
    view = await cell.ended(await cell.ask(LONG, params={"max_tokens": 40}))
    reply = reply_of(view)
    assert (view.job.state, finish(reply), reply["steps"]) == (State.SUCCEEDED, "length", 1)
    assert reply["notes"] == ["the answer was cut at its output cap of 40 tokens"]
    assert view.attempts[0].parameter_notes == ("the answer was cut at its output cap of 40 tokens",)


@pytest.mark.parametrize("target", [MINI, HAIKU])
async def test_thinking_that_took_all_of_the_cap_is_told(cell: Cell, target: str) -> None:
    await cell.worker("openai", "anthropic")
    view = await cell.ended(await cell.ask("[[think:500]]Hi", params={"max_tokens": 40}, targets=(target,)))
    assert reply_of(view)["notes"] == [
        "the answer was cut at its output cap of 40 tokens; it says nothing: thinking took all of it"
    ]


async def test_a_job_that_says_so_asks_again_with_twice_the_room_and_pays_each(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask(LONG, params={"max_tokens": 40}, steps=RETRY)
    view = await cell.ended(job)
    reply = reply_of(view)
    assert (finish(reply), reply["steps"], caps(cell)) == ("stop", 3, [40, 80, 100])
    assert [outcome for _, outcome, _, _ in await cell.outcomes()] == ["step", "step", "succeeded"]
    assert reply["cost_nano"] + reply["prior_nano"] == view.job.cost_nano_usd == cell.bill_nano()
    assert "notes" not in reply
    await cell.check_money(job)


async def test_it_asks_so_often_and_then_keeps_what_there_is(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask("[[tokens:5000]]", params={"max_completion_tokens": 40}, steps=RETRY)
    reply = reply_of(await cell.ended(job))
    assert (finish(reply), caps(cell)) == ("length", [40, 80, 160, 320])
    assert len(caps(cell)) == 1 + cut.MOST_RETRIES
    assert reply["notes"] == ["the answer was cut at its output cap of 320 tokens"]
    await cell.check_money(job)


async def test_no_more_is_asked_for_than_the_model_can_write(cell: Cell) -> None:
    await cell.worker("anthropic")
    old = "anthropic:claude-3-haiku-20240307"
    job = await cell.ask("[[tokens:9000]]", params={"max_tokens": 3000}, targets=(old,), steps=RETRY)
    reply = reply_of(await cell.ended(job))
    assert (finish(reply), caps(cell)) == ("length", [3000, 4096])


async def test_a_budget_that_leaves_no_room_for_the_next_call_ends_it(cell: Cell) -> None:
    await cell.worker()
    params = {"max_tokens": 40}
    job = await cell.ask(LONG, params=params, steps=RETRY, job_budget=255_000, bound=240_000)
    view = await cell.ended(job)
    assert view.job.state is State.FAILED
    assert reply_of(view)["error"]["kind"] == "budget"
    assert len(caps(cell)) == 1
    await cell.check_money(job)


async def test_a_job_that_would_rather_fail_does_and_keeps_the_reply(cell: Cell) -> None:
    await cell.worker()
    job = await cell.ask(LONG, params={"max_tokens": 40}, steps=FAIL)
    view = await cell.ended(job)
    error = reply_of(view)["error"]
    assert (view.job.state, error["kind"]) == (State.FAILED, "cut")
    assert "cut at its output cap of 40 tokens: raise max_tokens" in error["message"]
    assert reply_of(view)["body"]["choices"], "what was paid for is kept"
    await cell.check_money(job)


async def test_an_answer_by_schema_that_was_cut_is_told_as_such_and_not_repaired(cell: Cell) -> None:
    await cell.worker()
    said = '[[say:{"name": "Ada Augusta Byron King, Countess of Lovelace", "age": 36}]]'
    job = await cell.ask(said, params=by_schema() | {"max_tokens": 12})
    view = await cell.ended(job)
    error = reply_of(view)["error"]
    assert (view.job.state, error["kind"], len(caps(cell))) == (State.FAILED, "cut", 1)
    assert "cut at its output cap of 12 tokens: raise max_tokens" in error["message"]
    await cell.check_money(job)


async def test_an_answer_by_schema_that_was_cut_is_asked_for_again_where_the_job_says_so(cell: Cell) -> None:
    await cell.worker()
    said = '[[say:{"name": "Ada Augusta Byron King, Countess of Lovelace", "age": 36}]]'
    job = await cell.ask(said, params=by_schema() | {"max_tokens": 12}, steps=RETRY)
    assert finish(reply_of(await cell.ended(job))) == "stop"
    await cell.check_money(job)


async def test_half_a_tool_call_is_not_run(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    @tool
    def look_up(name: str) -> str:
        """Finds a person."""
        ran.append(name)
        return "36 years old"

    worker = await cell.worker()
    call = {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": '{"name": "Ad'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": "length"}]}

    async def half(_: Call) -> Completion:
        return Completion(body, Usage(10, 40))

    assert worker._pipeline is not None
    monkeypatch.setattr(worker._pipeline.provider, "complete", half)
    job = await cell.ask("Who?", params={"max_tokens": 40}, steps=StepRules(("look_up",)))
    view = await cell.ended(job)
    assert (view.job.state, reply_of(view)["error"]["kind"], ran) == (State.FAILED, "cut", [])
    assert len(view.attempts) == 1


async def test_each_target_of_a_chain_gets_its_own_cap(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")

    async def told(prompt: str) -> list[str]:
        chain = (Option(MINI, BOUND), Option(HAIKU, BOUND))
        asked = [{"role": "user", "content": prompt}]
        request = JobRequest(asked, {"max_tokens": 40}, chain, caps=(70, 40))
        job = await cell._send(request, (MINI, HAIKU), BOUND, 0, {})
        return list(reply_of(await cell.ended(job))["notes"])

    assert await told(LONG) == ["the answer was cut at its output cap of 70 tokens"]
    assert await told(f"{LONG}[[fault:404@openai]]") == ["the answer was cut at its output cap of 40 tokens"]


async def test_a_chat_that_tells_it_by_status_400_is_a_cut_reply_of_unknown_cost(cell: Cell) -> None:
    cell.simulator.configure(unsaid_as_error=True)
    await cell.worker()
    job = await cell.ask("[[think:500]]Hi", params={"max_tokens": 40})
    view = await cell.ended(job)
    reply = reply_of(view)
    assert (view.job.state, finish(reply), reply["cost_nano"]) == (State.SUCCEEDED, "length", None)
    assert await cell.history(job) == [(MINI, "succeeded", "unresolved")]
    assert "thinking took all of it" in reply["notes"][0]
    retried = await cell.ask("[[think:100]]Hi [[tokens:20]]", params={"max_tokens": 70}, steps=RETRY)
    assert finish(reply_of(await cell.ended(retried))) == "stop"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_server_that_does_not_say_why_an_answer_ended_is_believed_once(cell: Cell, stream: bool) -> None:
    cell.simulator.configure(finish_reasons=False)
    await cell.worker()
    job = await cell.ask("Hello", stream=stream)
    view = await cell.ended(job)
    assert (view.job.state, len(view.attempts), len(caps(cell))) == (State.SUCCEEDED, 1, 1)
    assert reply_of(view)["notes"] == ["the provider did not say why the answer ended"]
    await cell.check_money(job)
