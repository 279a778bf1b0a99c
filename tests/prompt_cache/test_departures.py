"""Calls that waited for the first of their prefix leave no faster than the provider's limit allows."""

from __future__ import annotations

from homa_shared.model.records import State
from homa_shared.store import reads
from tests.patience import PATIENCE_S
from tests.prompt_cache.samples import INSTRUCTIONS
from tests.prompt_cache.standing import CLAUDE, Stand
from tests.worker.cell import until

#: Ten a second, of which the limiter lets five go at once; the provider bears that a slow machine bunches some.
RPM, BURST_S = 600, 1.2
JOBS = 60


async def test_those_that_leave_together_stay_inside_the_limit(stand: Stand) -> None:
    stand.simulator.configure(limits={"rpm": RPM}, burst_s=BURST_S, latency_ms=2500.0, latency_sigma=0.0)
    await stand.work("anthropic", HOMA_PROVIDERS__ANTHROPIC__LIMITS__RPM=str(RPM))
    jobs = [
        await stand.homa.submit(f"{INSTRUCTIONS}{n}", model=CLAUDE, max_tokens=50, prompt_cache=INSTRUCTIONS)
        for n in range(JOBS)
    ]
    for job in jobs:
        await job.result(timeout=PATIENCE_S)
    stats = stand.simulator.engine.stats
    assert stats.refused.total() == 0
    assert len(stand.charges) == JOBS
    await stand.check()


async def test_one_that_waits_holds_no_quota(stand: Stand) -> None:
    stand.simulator.configure(latency_ms=600_000.0)
    await stand.work("anthropic", HOMA_PROVIDERS__ANTHROPIC__LIMITS__RPD="100")
    given = {"model": CLAUDE, "max_tokens": 50, "prompt_cache": INSTRUCTIONS}
    await stand.homa.submit(f"{INSTRUCTIONS}first", **given)
    await until(lambda: stand.simulator.engine.stats.in_flight == 1)
    waits = await stand.homa.submit(f"{INSTRUCTIONS}second", **given)

    async def stands_by() -> bool:
        rows = await stand.store.run(reads.limits(stand.store.keys))
        is_running = await stand.store.run(reads.state(stand.store.keys, waits.id)) is State.RUNNING
        return is_running and [row.used for row in rows if row.dimension == "rpd"] == [1]

    await until(stands_by)
