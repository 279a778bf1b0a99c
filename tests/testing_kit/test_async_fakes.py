"""A fake fleet for tests that are coroutines."""

from __future__ import annotations

from homa import AsyncHoma
from homa.testing import RateLimited, fake

LUNA = "openai:gpt-6-luna"


async def test_an_async_client_of_a_fake_fleet() -> None:
    async with fake({"Hello*": [RateLimited(retry_after_s=60), "world"]}) as homa:
        job = await homa.submit("Hello", model=LUNA)
        assert (await job.result(5)).text == "world"
        async with AsyncHoma() as own:
            assert await own.job(job.id).state() == "succeeded"
        homa.assert_submitted("Hello", times=1)
        assert homa.cost_usd > 0
