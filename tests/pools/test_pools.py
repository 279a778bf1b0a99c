"""A queue that two accounts serve: who has quota takes, each within its own limits, each in the ledger by its name."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

from homa_shared.model.records import State
from homa_shared.quota.plan_rows import rows_of
from homa_shared.store import reads
from homa_shared.store.transitions.fleet import write_fleet, write_plans
from tests.fixtures.stopwatch import Stopwatch
from tests.patience import PATIENCE_S
from tests.pools.conftest import A, B, Stand, until

POOL = "pool-fast"


async def test_both_quotas_are_used_and_neither_is_exceeded(stand: Stand, stopwatch: Stopwatch) -> None:
    """Fifteen a second together, half a second of it at once: 45 more take three seconds."""
    stand.limited(one_rpm=600, two_rpm=300)
    await stand.workers()
    began = time.monotonic()
    stopwatch.start()
    jobs = await asyncio.gather(*(stand.homa.submit(f"{i}", model="fast", max_tokens=20) for i in range(53)))
    replies = await asyncio.gather(*(job.result(timeout=PATIENCE_S) for job in jobs))
    assert time.monotonic() - began > 2.5
    assert stopwatch.s < 5.0, "ten a second alone would take five"
    assert [stand.simulators[name].stats.refused.total() for name in ("one", "two")] == [0, 0]
    served = Counter(reply.provider for reply in replies)
    assert served["one"] + served["two"] == 53
    assert 1.5 < served["one"] / served["two"] < 2.7
    assert Counter(line.target for line in await stand.ledger()) == {A: served["one"], B: served["two"]}
    billed = sum(simulator.bill.total.requests for simulator in stand.simulators.values())
    assert billed == 53


async def test_each_members_reply_costs_its_own_price(stand: Stand) -> None:
    await stand.workers("two")
    job = await stand.homa.submit("Hello", model="fast", max_tokens=20)
    reply = await job.result(timeout=PATIENCE_S)
    assert (reply.provider, reply.model) == ("two", "gpt-6-luna")
    expected = reply.usage.input_tokens * 1_000 + reply.usage.output_tokens * 10_000
    (line,) = await stand.ledger()
    assert line.nano_usd == expected
    view = await stand.view(job.id)
    assert (view.job.queue, view.job.target) == (POOL, POOL)


async def test_one_dead_account_leaves_all_to_the_other(stand: Stand) -> None:
    stand.simulators["one"].configure(api_keys=["another"])
    await stand.workers()
    jobs = await asyncio.gather(*(stand.homa.submit(f"{i}", model="fast", max_tokens=20) for i in range(30)))
    replies = await asyncio.gather(*(job.result(timeout=PATIENCE_S) for job in jobs))
    assert {reply.provider for reply in replies} == {"two"}
    assert stand.simulators["one"].bill.total.requests == 0
    for job in jobs:
        assert (await stand.history(job.id))[-1] == (B, "succeeded")


async def test_a_batch_goes_on_when_one_of_its_pools_accounts_is_refused(stand: Stand) -> None:
    stand.simulators["one"].configure(api_keys=["another"])
    await stand.workers()
    batch = await stand.homa.submit_batch(["a", "b", "c", "d"], model="fast", max_tokens=20)
    assert len([line async for line in batch.results(timeout=PATIENCE_S)]) == 4
    assert [line.target for line in await stand.ledger() if line.outcome == "succeeded"] == [B] * 4


async def test_only_when_every_member_is_dead_the_fallback_is_called(stand: Stand) -> None:
    for name in ("one", "two"):
        stand.simulators[name].configure(api_keys=["another"])
    await stand.workers("one", "two", "spare")
    job = await stand.homa.submit("Hello", model="safe", max_tokens=20)
    assert (await job.result(timeout=PATIENCE_S)).provider == "spare"
    later = await stand.homa.submit("Again", model="safe", max_tokens=20)
    assert (await later.result(timeout=PATIENCE_S)).provider == "spare"
    assert [outcome for _, outcome in await stand.history(later.id)] == ["diverted", "succeeded"]


async def test_without_a_fallback_a_job_fails_once_every_member_refused_it(stand: Stand) -> None:
    for name in ("one", "two"):
        stand.simulators[name].configure(api_keys=["another"])
    await stand.workers()
    job = await stand.homa.submit("Hello", model="fast", max_tokens=20)

    async def over() -> bool:
        return (await job.state()) is State.FAILED

    await until(over)
    history = await stand.history(job.id)
    assert {target for target, _ in history} == {A, B}
    assert {outcome for _, outcome in history} == {"unauthorized"}


async def test_queues_limits_and_why_tell_of_pools(stand: Stand) -> None:
    job = await stand.homa.submit("Hello", model="fast", max_tokens=20)
    assert {row.queue for row in await stand.store.run(reads.queues(stand.keys))} == {POOL}
    scopes = {row.scope for row in await stand.store.run(reads.limits(stand.keys))}
    assert {"one", "two", "one/gpt-6-luna", "two/gpt-6-luna"} <= scopes
    assert await stand.store.run(reads.why(stand.keys, job.id)) == reads.Why(State.QUEUED, [])
    assert await stand.store.run(reads.live_workers(stand.keys, POOL)) == 0
    await stand.workers()

    async def served() -> bool:
        return await stand.store.run(reads.live_workers(stand.keys, POOL)) == 2

    await until(served)


async def test_a_pool_that_settings_add_later_is_served_without_a_restart(stand: Stand) -> None:
    made = await stand.workers("one")
    fleet = made.workers[0]._book
    assert fleet is not None
    wider = fleet.fleet.model_copy(update={"models": {**fleet.fleet.models, "late": fleet.fleet.models["fast"]}})
    await stand.store.run(write_fleet(stand.keys, wider, seen=fleet.fleet.version))
    await until(lambda: "pool-late" in made.workers[0].queues_served())
    late = wider.pool("late")
    assert late is not None
    await stand.store.run(write_plans(stand.keys, rows_of(wider, late)))
    job = await stand.homa.submit("Hello", model="late", max_tokens=20)
    assert (await job.result(timeout=PATIENCE_S)).provider == "one"


async def test_a_stream_of_a_pool_is_read_as_any_other(stand: Stand) -> None:
    await stand.workers()
    pieces = [str(piece) async for piece in stand.homa.stream("Hello", model="fast", max_tokens=20)]
    assert "".join(pieces)


async def test_a_pool_may_be_what_a_job_falls_back_to(stand: Stand) -> None:
    stand.simulators["spare"].configure(api_keys=["another"])
    await stand.workers("one", "two", "spare")
    job = await stand.homa.submit("Hello", model="outer", max_tokens=20)
    assert (await job.result(timeout=PATIENCE_S)).provider in ("one", "two")
    assert (await stand.view(job.id)).job.queue == POOL
    assert (await stand.ledger())[-1].target in (A, B)


async def test_a_rate_limit_of_one_account_sends_nothing_to_the_fallback(stand: Stand) -> None:
    """The provider allows less than the settings say: its 429s freeze one member, the other goes on."""
    stand.simulators["one"].configure(limits={"rpm": 1}, burst_s=1.0)
    await stand.workers("one", "two", "spare")
    jobs = [await stand.homa.submit(f"{i}", model="safe", max_tokens=20) for i in range(20)]
    replies = await asyncio.gather(*(job.result(timeout=PATIENCE_S) for job in jobs))
    assert Counter(reply.provider for reply in replies)["spare"] == 0
    assert stand.simulators["two"].bill.total.requests >= 19
    for job in jobs:
        assert (await stand.view(job.id)).job.raw["tr"] == 1, "waiting for quota is no attempt"


async def test_equal_jobs_of_a_pool_are_answered_once(stand: Stand) -> None:
    await stand.workers()
    jobs = [await stand.homa.submit("Same", model="fast", max_tokens=20, cache=True) for _ in range(3)]
    replies = [await job.result(timeout=PATIENCE_S) for job in jobs]
    assert {reply.text for reply in replies} == {replies[0].text}
    assert sum(simulator.bill.total.requests for simulator in stand.simulators.values()) == 1
