"""A refusal by a provider's content policy: the end of a job, or the next target's turn where the job says so."""

from __future__ import annotations

import pytest

from homa_shared.model.records import State
from homa_shared.store.transitions import admin
from tests.worker.cell import HAIKU, MINI, Cell, reply_of

BOTH = (MINI, HAIKU)
#: At OpenAI's face alone, before any work.
REFUSED = "[[fault:content_filter@openai]]"


async def test_by_default_the_job_ends_at_a_refusal(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    view = await cell.ended(await cell.submit(REFUSED, targets=BOTH))
    assert view.job.state is State.FAILED
    assert reply_of(view)["error"]["kind"] == "content_policy"
    assert [a.target for a in view.attempts] == [MINI]


async def test_a_job_that_says_so_asks_the_next_target(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit(REFUSED, targets=BOTH, on_content_policy="reroute")
    assert reply_of(await cell.ended(job))["provider"] == "anthropic"
    assert [(target, outcome) for target, outcome, _ in await cell.history(job)] == [
        (MINI, "content_policy"),
        (HAIKU, "succeeded"),
    ]
    assert sum(line.nano_usd for line in await cell.ledger()) == cell.bill_nano()


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refusal_in_a_good_reply_is_paid_and_goes_on_too(cell: Cell, stream: bool) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[refuse]]", targets=BOTH, on_content_policy="reroute", stream=stream)
    view = await cell.ended(job)
    # The last target's refusal is the reply: there is nobody left to ask.
    assert (view.job.state, reply_of(view)["provider"]) == (State.SUCCEEDED, "anthropic")
    assert await cell.history(job) == [(MINI, "content_policy", "actual"), (HAIKU, "succeeded", "actual")]
    assert sum(line.nano_usd for line in await cell.ledger()) == cell.bill_nano()


async def test_without_the_word_a_refusal_in_a_good_reply_is_the_reply(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    view = await cell.ended(await cell.submit("[[refuse]]", targets=BOTH))
    assert (view.job.state, reply_of(view)["provider"]) == (State.SUCCEEDED, "openai")


async def test_a_schema_job_goes_on_as_well(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}
    asked = {"max_tokens": 300, "response_format": schema}
    job = await cell.submit("[[refuse]]", targets=BOTH, params=asked, on_content_policy="reroute")
    view = await cell.ended(job)
    assert [a.target for a in view.attempts] == [MINI, HAIKU]
    assert view.job.state is State.FAILED, "the last one's refusal is no answer by the schema"
    assert reply_of(view)["body"]["choices"], "what was paid for is kept"


async def test_a_retry_keeps_the_word(cell: Cell) -> None:
    await cell.worker("openai")
    job = await cell.submit("[[fault:400]]", on_content_policy="reroute")
    assert (await cell.ended(job)).job.state is State.FAILED
    await cell.store.run(admin.retry(cell.keys, job, "again"))
    assert (await cell.view("again")).job.raw["cp"] == "reroute"
