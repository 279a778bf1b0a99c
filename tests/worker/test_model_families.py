"""Parameters that a job's model does not take: the call goes through, and the job says what was changed."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from homa_shared.model.records import State
from tests.worker.cell import HAIKU, Cell, until

OPUS, SONNET = "anthropic:claude-opus-5-5", "anthropic:claude-sonnet-5-5"


async def test_a_parameter_that_a_model_does_not_take_is_left_out_and_the_job_says_so(cell: Cell) -> None:
    await cell.worker("anthropic")
    job = await cell.submit(targets=(OPUS,), params={"max_tokens": 300, "temperature": 0.2, "reasoning_effort": "none"})
    view = await cell.ended(job)
    told = [
        "temperature left out: claude-opus-5-5 does not take it",
        "reasoning_effort 'none' sent as 'low': claude-opus-5-5 does not take it",
    ]
    assert view.job.state is State.SUCCEEDED
    assert view.attempts[0].parameter_notes == tuple(told)
    assert view.reply is not None
    assert orjson.loads(view.reply)["notes"] == told


@pytest.mark.parametrize("target", [OPUS, SONNET, HAIKU])
@pytest.mark.parametrize("effort", ["none", "minimal", "xhigh", "max"])
async def test_every_effort_is_one_that_claude_takes(cell: Cell, target: str, effort: str) -> None:
    await cell.worker("anthropic")
    job = await cell.submit(targets=(target,), params={"max_tokens": 3000, "reasoning_effort": effort})
    assert (await cell.ended(job)).job.state is State.SUCCEEDED


async def test_a_job_that_changes_nothing_says_nothing(cell: Cell) -> None:
    await cell.worker("anthropic")
    view = await cell.ended(await cell.submit(targets=(OPUS,)))
    assert view.attempts[0].parameter_notes == ()
    assert view.reply is not None
    assert "notes" not in orjson.loads(view.reply)


async def test_a_job_goes_on_to_no_target_that_cannot_do_it(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit(
        "[[fault:401@openai]]", targets=("openai:gpt-4.1", OPUS, HAIKU), params={"max_tokens": 300, "n": 2}
    )

    async def passed_over() -> bool:
        return len([a for a in (await cell.view(job)).attempts if a.outcome == "skipped"]) == 2

    await until(passed_over)


LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {}}}}
OPENAIS = ("gpt-4.1", "gpt-5-mini", "gpt-5.1", "gpt-5.4", "gpt-5.5", "gpt-6-luna", "gpt-6.1-terra", "gpt-6.2-sol", "o3")


@pytest.mark.parametrize("effort", [None, "none", "minimal", "high", "max"])
@pytest.mark.parametrize("tools", [(), (LOOK,)])
async def test_every_model_of_openais_can_be_asked_the_same(cell: Cell, effort: str | None, tools: tuple[Any]) -> None:
    """The simulated ones refuse what theirs do: tools in a chat, sampling while they reason, efforts."""
    await cell.worker("openai")
    params: dict[str, Any] = {"max_tokens": 300, "temperature": 0, "stop": "END", "parallel_tool_calls": False}
    params |= {"tools": list(tools)} if tools else {}
    params |= {"reasoning_effort": effort} if effort else {}
    jobs = [await cell.submit(targets=(f"openai:{model}",), params=params) for model in (*OPENAIS, "gpt-5.2-pro")]
    for job in jobs:
        view = await cell.ended(job)
        assert view.job.state is State.SUCCEEDED, (view.job.target, view.reply)
        assert view.reply is not None
        assert orjson.loads(view.reply)["body"]["object"] == "chat.completion"


async def test_a_parameter_beyond_the_next_targets_range_does_not_end_the_chain(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    older = "anthropic:claude-haiku-4-5-20251001"
    params = {"max_tokens": 300, "temperature": 1.2}
    job = await cell.submit("[[fault:401@openai]]", targets=("openai:gpt-4.1", older), params=params)
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert view.attempts[-1].parameter_notes == ("temperature 1.2 sent as 1: claude-haiku-4-5-20251001 takes 0 to 1",)


async def test_a_refusal_of_a_parameter_goes_on_to_the_next_target(cell: Cell) -> None:
    """A model that no family describes is sent what was asked for, and may refuse it."""
    await cell.worker("openai", "anthropic")
    params = {"max_tokens": 300, "temperature": 2.5}
    view = await cell.ended(await cell.submit(targets=("openai:some-model", HAIKU), params=params))
    assert view.job.state is State.SUCCEEDED
    assert [(a.target, a.outcome) for a in view.attempts] == [
        ("openai:some-model", "unsupported_by_model"),
        (HAIKU, "succeeded"),
    ]
