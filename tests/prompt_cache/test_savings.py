"""A batch pays once for what its prompts share; the ledger says what that saved, to the nano-dollar of the bill."""

from __future__ import annotations

import pytest

from homa_shared.store import reads
from homa_shared.store.transitions.fleet import read_fleet, write_fleet
from tests.patience import PATIENCE_S
from tests.prompt_cache.samples import INSTRUCTIONS, system, user
from tests.prompt_cache.standing import BEDROCK, CLAUDE, MINI, NOVA, Stand

pytest.importorskip("aiobotocore", reason="the bedrock extra is not installed")

COUNT = 20


def letters(count: int = COUNT, orders: str = "[[tokens:20]]") -> list[str]:
    return [f"{INSTRUCTIONS}Letter {n} {orders}" for n in range(count)]


async def ran(stand: Stand, prompts: list[str], model: str, **more: object) -> None:
    batch = await stand.homa.submit_batch(prompts, model=model, max_tokens=50, **more)
    progress = await batch.wait(timeout=PATIENCE_S)
    assert progress.succeeded == len(prompts), progress


@pytest.mark.parametrize("model", [CLAUDE, BEDROCK, NOVA])
async def test_a_batch_writes_its_prefix_once_and_reads_it_from_then_on(stand: Stand, model: str) -> None:
    await stand.work()
    await ran(stand, letters(), model)
    written = [charge.cache_write_tokens for charge in stand.charges]
    assert sum(tokens > 0 for tokens in written) == 1
    assert sum(charge.cached_tokens > 0 for charge in stand.charges) == COUNT - 1
    table = await stand.check()
    with_cache = stand.billed()
    assert table.cache_saved_nano_usd > with_cache / 2
    stand.simulator.bill.reset()
    await ran(stand, letters(), model, prompt_cache=False)
    assert all(charge.cached_tokens == charge.cache_write_tokens == 0 for charge in stand.charges)
    assert with_cache < stand.billed() / 2


async def test_a_system_prompt_is_kept_too_and_each_job_tells_what_it_saved(stand: Stand) -> None:
    await stand.work()
    prompts = [f"Dear {n} [[tokens:20]]" for n in range(COUNT)]
    batch = await stand.homa.submit_batch(prompts, model=CLAUDE, system=INSTRUCTIONS, max_tokens=50)
    saved = []
    async for line in batch.results(timeout=PATIENCE_S):
        view = await stand.store.run(reads.job(stand.store.keys, line.job_id))
        assert view is not None
        (attempt,) = view.attempts
        assert attempt.cache_saved_nano_usd == view.job.cache_saved_nano_usd
        saved.append(attempt.cache_saved_nano_usd)
    assert sorted(amount > 0 for amount in saved) == [False] + [True] * (COUNT - 1)
    table = await stand.check()
    assert sum(saved) == table.cache_saved_nano_usd
    found = await stand.store.run(reads.batch(stand.store.keys, batch.id))
    assert found is not None
    assert found.cache_saved_nano_usd == table.cache_saved_nano_usd


async def test_what_openai_keeps_by_itself_counts_as_saved(stand: Stand) -> None:
    await stand.work("openai")
    for prompt in letters(3):
        await (await stand.homa.submit(prompt, model=MINI, max_tokens=50)).result(timeout=PATIENCE_S)
    assert [charge.cached_tokens > 0 for charge in stand.charges] == [False, True, True]
    assert (await stand.check()).cache_saved_nano_usd > 0


async def test_streamed_answers_by_schema_share_their_prefix(stand: Stand) -> None:
    await stand.work()
    schema = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
    # Claude 3.7 on Bedrock has no schemas: the instruction is put in behind the system prompt.
    older = "bedrock:anthropic.claude-3-7-sonnet-20250219-v1:0"
    prompts = [f'Letter {n} [[say:{{"name": "Ann"}}]]' for n in range(5)]
    for model in (CLAUDE, older):
        await ran(stand, prompts, model, system=INSTRUCTIONS, schema=schema, stream=True)
    read = [charge.model for charge in stand.charges if charge.cached_tokens]
    assert len(read) == 8
    await stand.check()


async def test_a_call_that_fails_is_made_again_with_its_breakpoint(stand: Stand) -> None:
    await stand.work()
    await ran(stand, letters(5, "[[fault:429*1]] [[tokens:20]]"), CLAUDE)
    assert len(stand.charges) == 5
    assert sum(charge.cached_tokens > 0 for charge in stand.charges) == 4
    await stand.check()


async def test_the_mark_holds_for_the_next_target(stand: Stand) -> None:
    await stand.work()
    await ran(stand, letters(5, "[[fault:404@anthropic]] [[tokens:20]]"), CLAUDE, fallbacks=[BEDROCK])
    assert {charge.account for charge in stand.charges} == {"bedrock"}
    assert sum(charge.cached_tokens > 0 for charge in stand.charges) == 4
    await stand.check()


async def test_no_breakpoint_goes_to_a_model_that_would_refuse_it(stand: Stand) -> None:
    await stand.work()
    llama = "bedrock:meta.llama3-70b-instruct-v1:0"
    await ran(stand, letters(4, "[[fault:404@anthropic]]"), CLAUDE, fallbacks=[llama])
    assert [charge.cache_write_tokens + charge.cached_tokens for charge in stand.charges] == [0] * 4


async def test_a_single_job_says_what_it_shares(stand: Stand) -> None:
    await stand.work()
    for name in ("Ann", "Bob"):
        job = await stand.homa.submit(f"{INSTRUCTIONS}{name}", model=CLAUDE, max_tokens=50, prompt_cache=INSTRUCTIONS)
        await job.result(timeout=PATIENCE_S)
    talk = [system(INSTRUCTIONS), user("Hello")]
    for prompt in ("Go on", "And then?"):
        messages = [*talk, {"role": "assistant", "content": "Hi"}, user(prompt)]
        job = await stand.homa.submit(messages=messages, model=CLAUDE, max_tokens=50, prompt_cache=True)
        await job.result(timeout=PATIENCE_S)
    assert [charge.cached_tokens > 0 for charge in stand.charges] == [False, True, False, True]
    alone = await stand.homa.submit("Hello", model=CLAUDE, max_tokens=50, prompt_cache=True)
    assert b"shared" not in await stand.stored(alone.id)
    await alone.result(timeout=PATIENCE_S)
    await stand.check()


async def test_it_does_not_make_equal_requests_unequal(stand: Stand) -> None:
    await stand.work()
    prompt = f"{INSTRUCTIONS}Ann"
    first = await stand.homa.submit(prompt, model=CLAUDE, max_tokens=50, cache=True, key="k", prompt_cache=True)
    await first.result(timeout=PATIENCE_S)
    again = await stand.homa.submit(prompt, model=CLAUDE, max_tokens=50, cache=True, prompt_cache=INSTRUCTIONS)
    assert (await again.result(timeout=PATIENCE_S)).cached
    same = await stand.homa.submit(prompt, model=CLAUDE, max_tokens=50, cache=True, key="k", prompt_cache=False)
    assert same.id == first.id


# -- budgets --------------------------------------------------------------------------------------------------------


async def test_a_job_whose_budget_is_its_bound_may_write_the_cache(stand: Stand) -> None:
    arguments = {"model": CLAUDE, "max_tokens": 50, "prompt_cache": INSTRUCTIONS}
    probe = await stand.homa.submit(f"{INSTRUCTIONS}Ann", **arguments)
    view = await stand.store.run(reads.job(stand.store.keys, probe.id))
    assert view is not None
    bound = int(view.job.raw["bn"])
    await probe.cancel()
    exact = f"{bound // 10**9}.{bound % 10**9:09d}"
    job = await stand.homa.submit(f"{INSTRUCTIONS}Ann", budget_usd=exact, **arguments)
    await stand.work()
    reply = await job.result(timeout=PATIENCE_S)
    (charge,) = stand.charges
    assert charge.cache_write_tokens > 0
    assert reply.cost_nano_usd is not None
    assert reply.cost_nano_usd <= bound
    assert (await stand.check()).cache_saved_nano_usd < 0, "writing cost more than plain input"


async def test_a_batch_with_a_tight_budget_stays_within_it(stand: Stand) -> None:
    await stand.work()
    cap = 44_000_000
    batch = await stand.homa.submit_batch(letters(), model=CLAUDE, max_tokens=50, budget_usd="0.044")
    progress = await batch.wait(timeout=PATIENCE_S)
    table = await stand.check()
    assert table.nano_usd <= cap
    assert 0 < progress.succeeded < COUNT
    assert progress.failed == COUNT - progress.succeeded


# -- switches -------------------------------------------------------------------------------------------------------


async def test_the_fleet_turns_it_off_for_jobs_that_wait_already(stand: Stand) -> None:
    batch = await stand.homa.submit_batch(letters(4), model=CLAUDE, max_tokens=50)
    fleet = await stand.store.run(read_fleet(stand.store.keys))
    assert fleet is not None
    off = stand.settings(HOMA_PROMPT_CACHE="false").fleet()
    await stand.store.run(write_fleet(stand.store.keys, off, seen=fleet.version))
    await stand.work()
    assert (await batch.wait(timeout=PATIENCE_S)).succeeded == 4
    assert [charge.cache_write_tokens + charge.cached_tokens for charge in stand.charges] == [0] * 4


# -- quota ----------------------------------------------------------------------------------------------------------


async def test_what_is_read_from_the_cache_takes_no_quota(stand: Stand) -> None:
    # Five seconds of quota are one whole prompt, and a call takes one: reserved whole, they would go one by one.
    limits = {
        "HOMA_PROVIDERS__ANTHROPIC__LIMITS__INPUT_TPM": "30000",
        "HOMA_PROVIDERS__ANTHROPIC__LIMITS__BURST_S": "5",
    }
    stand.simulator.configure(limits={"input_tpm": 30_000}, latency_ms=1000.0)
    await stand.work("anthropic", **limits)
    await ran(stand, letters(100), CLAUDE)
    assert sum(charge.cached_tokens > 0 for charge in stand.charges) == 99
    assert stand.simulator.engine.stats.refused == {}
    assert sum(charge.input_tokens for charge in stand.charges) > 200_000, "seven minutes of quota, if it counted"
    await stand.check()
