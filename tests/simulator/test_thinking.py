"""Hidden thinking in simulated replies: it counts towards the output cap, and may leave no room for an answer."""

from __future__ import annotations

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI, BadRequestError

from homa_workers.simulator import Simulator
from tests.simulator.conftest import user

MODEL = "gpt-6-luna"


async def test_thinking_counts_towards_the_cap(openai: AsyncOpenAI) -> None:
    reply = await openai.chat.completions.create(
        model=MODEL, messages=user("[[think:30]][[tokens:100]]"), max_completion_tokens=50
    )
    assert reply.choices[0].finish_reason == "length"
    assert len(reply.choices[0].message.content or "") == 20 * 4
    assert reply.usage is not None
    assert reply.usage.completion_tokens == 50
    assert reply.usage.completion_tokens_details is not None
    assert reply.usage.completion_tokens_details.reasoning_tokens == 30


async def test_thinking_that_takes_all_of_it_leaves_an_empty_reply(
    openai: AsyncOpenAI, anthropic: AsyncAnthropic
) -> None:
    asked = user("[[think:500]]Hello")
    reply = await openai.chat.completions.create(model=MODEL, messages=asked, max_completion_tokens=50)
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == ("", "length")
    message = await anthropic.messages.create(model="claude-opus-5-5", messages=asked, max_tokens=50)
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 50)


@pytest.mark.parametrize("stream", [False, True])
async def test_it_may_be_told_by_status_400_and_is_billed_all_the_same(
    simulator: Simulator, openai: AsyncOpenAI, stream: bool
) -> None:
    simulator.configure(unsaid_as_error=True)
    with pytest.raises(BadRequestError, match="max_tokens or model output limit was reached"):
        await openai.chat.completions.create(
            model=MODEL, messages=user("[[think:500]]Hello"), max_completion_tokens=50, stream=stream
        )
    assert [charge.output_tokens for charge in simulator.bill.charges()] == [50]
    assert simulator.stats.in_flight == 0


async def test_a_server_may_keep_to_itself_why_a_reply_ended(simulator: Simulator, openai: AsyncOpenAI) -> None:
    simulator.configure(finish_reasons=False)
    reply = await openai.chat.completions.create(model=MODEL, messages=user("Hello"))
    assert reply.choices[0].finish_reason is None
    assert reply.choices[0].message.content
