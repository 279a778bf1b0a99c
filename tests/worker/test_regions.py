"""Jobs and tenants that are pinned to regions: no target, no fallback and no changed setting leaves them."""

from __future__ import annotations

import pytest

from homa import AsyncHoma
from homa_shared.model.errors import InvalidRequest, JobFailed
from homa_shared.model.records import State
from tests.worker.cell import HAIKU, MINI, Cell, reply_of

REGIONS = {
    "HOMA_PROVIDERS__OPENAI__DATA_REGION": "us",
    "HOMA_PROVIDERS__ANTHROPIC__DATA_REGION": "eu",
    "HOMA_TENANTS__ACME__REGIONS": "eu",
    "HOMA_TENANTS__BETA__REGIONS": "us",
}


async def test_a_tenant_s_job_goes_to_the_first_target_within_its_regions(cell: Cell) -> None:
    await cell.worker("openai", "anthropic", **REGIONS)
    async with AsyncHoma(settings=cell.settings(**REGIONS)) as homa:
        job = await homa.submit("Hello", model=MINI, fallbacks=[HAIKU], tenant="acme")
        reply = await job.result(timeout=30)
    assert reply.provider == "anthropic"
    assert await cell.history(job.id) == [
        (MINI, "skipped", "none"),
        (HAIKU, "succeeded", "actual"),
    ]


async def test_where_no_target_is_within_the_job_is_refused_and_the_pin_named(cell: Cell) -> None:
    async with AsyncHoma(settings=cell.settings(**REGIONS)) as homa:
        with pytest.raises(InvalidRequest, match="tenant acme is pinned to eu, and this account is in us"):
            await homa.submit("Hello", model=MINI, tenant="acme")
        with pytest.raises(InvalidRequest, match="the job is pinned to us, and this account is in eu"):
            await homa.submit("Hello", model=HAIKU, tenant="acme", regions=["us"])
        with pytest.raises(InvalidRequest, match="regions is 'eu': expected a list"):
            await homa.submit("Hello", model=HAIKU, regions="eu")


async def test_an_account_that_does_not_say_where_it_is_gets_nothing_that_is_pinned(cell: Cell) -> None:
    async with AsyncHoma(settings=cell.settings()) as homa:
        with pytest.raises(InvalidRequest, match=r"nowhere as far as providers\.openai\.data_region says"):
            await homa.submit("Hello", model=MINI, regions=["eu"])


async def test_lines_of_a_batch_have_their_tenant_s_pin(cell: Cell) -> None:
    await cell.worker("openai", "anthropic", **REGIONS)
    async with AsyncHoma(settings=cell.settings(**REGIONS)) as homa:
        batch = await homa.submit_batch(["one", "two"], model=MINI, fallbacks=[HAIKU], tenant="acme")
        await batch.wait(timeout=30)
        lines = [line async for line in batch.results()]
    assert [line.reply.provider for line in lines if line.ok] == ["anthropic"] * 2


async def test_no_fallback_leaves_the_region_of_a_job(cell: Cell) -> None:
    await cell.worker("openai", "anthropic", **REGIONS)
    async with AsyncHoma(settings=cell.settings(**REGIONS)) as homa:
        job = await homa.submit("[[fault:404@openai]]", model=MINI, fallbacks=[HAIKU], regions=["us"])
        with pytest.raises(JobFailed):
            await job.result(timeout=30)
    assert {target for target, outcome, _ in await cell.history(job.id) if outcome != "skipped"} == {MINI}


async def test_nor_of_a_tenant_that_was_pinned_when_it_was_submitted_already(cell: Cell) -> None:
    """The chain in the store has a target outside: it was written when nothing was pinned."""
    await cell.worker("openai", "anthropic", **REGIONS)
    job = await cell.submit("[[fault:404@openai]]", targets=(MINI, HAIKU), tenant="beta")
    assert (await cell.ended(job)).job.state is State.FAILED
    assert (HAIKU, "succeeded", "actual") not in await cell.history(job)


async def test_a_worker_refuses_what_is_not_for_its_account(cell: Cell) -> None:
    await cell.worker("openai", **REGIONS)
    job = await cell.submit("Hello", tenant="acme")
    view = await cell.ended(job)
    assert view.job.state is State.FAILED
    assert "may not get it: tenant acme is pinned to eu" in reply_of(view)["error"]["message"]
    assert cell.simulator.stats.received == 0


async def test_jobs_without_a_pin_go_anywhere(cell: Cell) -> None:
    await cell.worker("openai", **REGIONS)
    job = await cell.submit("Hello", tenant="nobody")
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
