"""What a worker does when a call goes wrong: the rows of the retry table, against a provider that fails so."""

from __future__ import annotations

import time

import pytest

from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.operation import read
from homa_shared.store.transitions import admin
from homa_workers.outcomes.retry_policy import BACKOFF
from tests.worker.cell import HAIKU, MINI, Cell, reply_of, until

BOTH = (MINI, HAIKU)


async def test_a_429_freezes_the_scope_until_retry_after_and_is_no_attempt(cell: Cell) -> None:
    cell.simulator.configure(fault_retry_after_s=1.0)
    await cell.worker()
    started = time.monotonic()
    job = await cell.submit("[[fault:429*2]]", max_attempts=1)
    other = await cell.submit("another job of the same scope")
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert reply_of(view)["attempts"] == 1, "waiting for quota is no attempt"
    assert await cell.history(job) == [
        (MINI, "rate_limited", "none"),
        (MINI, "rate_limited", "none"),
        (MINI, "succeeded", "actual"),
    ]
    assert time.monotonic() - started >= 2, "each 429 asked for a second"
    await cell.ended(other)
    assert sum(line.nano_usd for line in await cell.ledger()) == cell.bill_nano()


async def test_a_429_whose_wait_is_more_than_the_job_bears_sends_it_on(cell: Cell) -> None:
    cell.simulator.configure(fault_retry_after_s=30.0)
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[fault:429@openai]]", targets=BOTH, slack_ms=500, max_attempts=1)
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert [target for target, _, _ in await cell.history(job)] == [MINI, HAIKU]


async def test_a_job_that_waits_behind_a_frozen_scope_for_too_long_is_diverted_uncalled(cell: Cell) -> None:
    cell.simulator.configure(fault_retry_after_s=30.0)
    await cell.worker("openai", "anthropic")
    await cell.submit("[[fault:429@openai]]", slack_ms=60_000)

    async def frozen() -> bool:
        rows = await cell.store.run(reads.limits(cell.keys))
        return any(row.scope == "openai/gpt-6-luna" and row.frozen_ms > 0 for row in rows)

    await until(frozen)
    job = await cell.submit("Hello", targets=BOTH, slack_ms=500)
    view = await cell.ended(job)
    assert reply_of(view)["provider"] == "anthropic"
    assert [(a.outcome, a.target) for a in view.attempts] == [("diverted", MINI), ("succeeded", HAIKU)]


async def test_an_exhausted_quota_opens_the_accounts_breaker_and_sends_the_job_on(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[fault:quota@openai]]", targets=BOTH)
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert await cell.history(job) == [(MINI, "quota_exhausted", "none"), (HAIKU, "succeeded", "actual")]
    assert await cell.breaker("openai") == "open"


async def test_a_refused_key_sends_a_single_job_on(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[fault:401@openai]]", targets=BOTH)
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert await cell.history(job) == [(MINI, "unauthorized", "none"), (HAIKU, "succeeded", "actual")]


async def test_a_refused_key_pauses_a_batch_and_says_so(cell: Cell) -> None:
    await cell.store.run(admin.open_batch(cell.keys, "b1", {}))
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[fault:401@openai]]", targets=BOTH, batch="b1")

    async def paused() -> bool:
        view = await cell.store.run(reads.batch(cell.keys, "b1"))
        return view is not None and view.paused

    await until(paused)
    view = await cell.store.run(reads.batch(cell.keys, "b1"))
    assert view is not None
    assert MINI in view.paused_why
    assert "unauthorized" in view.paused_why
    await until(lambda: _not_running(cell, job))
    record = (await cell.view(job)).job
    assert record.state is not State.FAILED
    assert record.raw["tr"] == 0, "its lines' attempts are not used up"


async def test_a_model_that_does_not_exist_opens_its_own_breaker_only(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[fault:404@openai]]", targets=BOTH)
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert await cell.history(job) == [(MINI, "model_not_found", "none"), (HAIKU, "succeeded", "actual")]
    assert (await cell.breaker(MINI), await cell.breaker("openai")) == ("open", "closed")


async def test_an_overloaded_provider_is_tried_again_after_a_pause(cell: Cell) -> None:
    await cell.worker()
    started = time.monotonic()
    job = await cell.submit("[[fault:503*1]]")
    view = await cell.ended(job)
    assert await cell.history(job) == [(MINI, "overloaded", "unresolved"), (MINI, "succeeded", "actual")]
    assert time.monotonic() - started >= BACKOFF.first_s / 2
    assert reply_of(view)["attempts"] == 2


async def test_a_target_that_was_tried_enough_gives_way_to_the_next(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[fault:503@openai]]", targets=BOTH)
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert [target for target, _, _ in await cell.history(job)] == [MINI, MINI, HAIKU]


@pytest.mark.parametrize("fault", ["500", "drop", "cut"])
async def test_a_call_of_unknown_outcome_is_repeated_and_stands_unresolved(cell: Cell, fault: str) -> None:
    await cell.worker()
    job = await cell.submit(f"[[fault:{fault}*1]]")
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert [outcome for _, outcome, _ in await cell.history(job)] == ["ambiguous", "succeeded"]
    known = sum(line.nano_usd for line in await cell.ledger())
    unresolved = sum(line.unresolved_nano_usd for line in await cell.ledger())
    assert known <= cell.bill_nano() <= known + unresolved
    assert unresolved == view.job.unresolved_nano_usd == 50_000_000


async def test_a_call_of_unknown_outcome_is_not_repeated_where_the_job_says_fail(cell: Cell) -> None:
    await cell.worker()
    job = await cell.submit("[[fault:drop]]", on_ambiguous="fail")
    view = await cell.ended(job)
    assert view.job.state is State.FAILED
    assert reply_of(view)["error"]["kind"] == "ambiguous"
    assert cell.simulator.stats.received == 1


async def test_a_call_that_hangs_is_cut_at_the_providers_timeout(cell: Cell) -> None:
    await cell.worker(HOMA_PROVIDERS__OPENAI__TIMEOUT_S="0.3")
    job = await cell.submit("[[fault:hang*1]]")
    view = await cell.ended(job)
    assert view.job.state is State.SUCCEEDED
    assert await cell.history(job) == [(MINI, "ambiguous", "unresolved"), (MINI, "succeeded", "actual")]
    assert "no complete reply within 0.3 s" in view.attempts[0].error


@pytest.mark.parametrize("fault", ["400", "422", "unsupported", "context", "content_filter"])
async def test_a_request_that_is_wrong_fails_at_once_and_costs_nothing(cell: Cell, fault: str) -> None:
    await cell.worker()
    job = await cell.submit(f"[[fault:{fault}]]")
    view = await cell.ended(job)
    assert view.job.state is State.FAILED
    assert (view.job.cost_nano_usd, view.job.unresolved_nano_usd, cell.bill_nano()) == (0, 0, 0)
    assert cell.simulator.stats.received == 1
    assert reply_of(view)["error"]["message"]


async def test_a_wrong_request_is_not_sent_to_the_next_target(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[fault:400]]", targets=BOTH)
    assert (await cell.ended(job)).job.state is State.FAILED
    assert cell.simulator.stats.received == 1


async def test_what_a_model_lacks_is_the_next_targets_to_do(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[fault:unsupported@openai]]", targets=BOTH)
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert await cell.history(job) == [(MINI, "unsupported_by_model", "none"), (HAIKU, "succeeded", "actual")]


async def test_a_context_that_is_too_long_goes_to_the_next_target_with_a_larger_window(cell: Cell) -> None:
    (cell.home / "homa.toml").write_text(
        f'[models.small]\ntarget = "{MINI}"\ncontext_window = 8000\n'
        f'[models.smaller]\ntarget = "{HAIKU}"\ncontext_window = 4000\n'
    )
    await cell.worker("openai", "anthropic", HOMA_CONFIG=str(cell.home / "homa.toml"))
    wider = "anthropic:claude-sonnet-5"
    job = await cell.submit("[[fault:context@openai]]", targets=(MINI, HAIKU, wider))
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    history = await cell.history(job)
    assert sorted(history) == sorted(
        [(HAIKU, "skipped", "none"), (MINI, "context_too_long", "none"), (wider, "succeeded", "actual")]
    )


async def test_a_context_that_is_too_long_goes_to_no_window_that_is_no_larger(cell: Cell) -> None:
    (cell.home / "homa.toml").write_text(
        f'[models.small]\ntarget = "{MINI}"\ncontext_window = 8000\n'
        f'[models.smaller]\ntarget = "{HAIKU}"\ncontext_window = 4000\n'
    )
    await cell.worker("openai", "anthropic", HOMA_CONFIG=str(cell.home / "homa.toml"))
    job = await cell.submit("[[fault:context@openai]]", targets=BOTH)
    assert (await cell.ended(job)).job.state is State.FAILED


async def test_what_is_no_completion_is_tried_again(cell: Cell) -> None:
    await cell.worker()
    job = await cell.submit("[[fault:empty*1]]")
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    assert [outcome for _, outcome, _ in await cell.history(job)] == ["malformed", "succeeded"]


async def test_one_attempt_budget_holds_for_the_whole_chain(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[fault:503]]", targets=BOTH, max_attempts=3)
    view = await cell.ended(job)
    assert view.job.state is State.FAILED
    assert [target for target, _, _ in await cell.history(job)] == [MINI, MINI, HAIKU]
    assert cell.simulator.stats.received == 3


async def test_a_target_of_a_provider_that_is_gone_is_passed_over(cell: Cell) -> None:
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[fault:404@openai]]", targets=(MINI, "gone:some-model", HAIKU))
    assert (await cell.ended(job)).job.state is State.SUCCEEDED
    past = {target: outcome for target, outcome, _ in await cell.history(job)}
    assert past == {MINI: "model_not_found", "gone:some-model": "skipped", HAIKU: "succeeded"}


async def test_an_unreachable_provider_charges_nothing(cell: Cell) -> None:
    await cell.worker(HOMA_PROVIDERS__OPENAI__BASE_URL="http://127.0.0.1:9/openai/v1")
    job = await cell.submit(max_attempts=2)
    view = await cell.ended(job)
    assert view.job.state is State.FAILED
    assert await cell.history(job) == [(MINI, "unreachable", "none")] * 2
    assert view.job.unresolved_nano_usd == 0


async def test_a_defect_of_an_adapter_fails_the_job_with_its_cost_open(
    cell: Cell, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker = await cell.worker()
    assert worker._pipeline is not None

    async def broken(call: object) -> None:
        raise KeyError("choices")

    monkeypatch.setattr(worker._pipeline.provider, "complete", broken)
    job = await cell.submit()
    view = await cell.ended(job)
    assert view.job.state is State.FAILED
    assert await cell.history(job) == [(MINI, "internal", "unresolved")]


async def test_a_deadline_that_passes_in_mid_call_expires_the_job_with_its_cost_open(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=5000)
    await cell.worker()
    job = await cell.submit(deadline_ms=400)
    view = await cell.ended(job)
    assert view.job.state is State.EXPIRED
    assert await cell.history(job) == [(MINI, "expired", "unresolved")]
    assert reply_of(view)["error"]["kind"] == "expired"
    assert await cell.breaker(MINI) == "closed"


async def test_deadlines_of_jobs_do_not_trip_a_breaker(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=3000)
    await cell.worker()
    jobs = [await cell.submit(deadline_ms=200) for _ in range(6)]
    for job in jobs:
        assert (await cell.ended(job)).job.state is State.EXPIRED
    assert await cell.breaker(MINI) == "closed"


async def _not_running(cell: Cell, job: str) -> bool:
    return await cell.state(job) is not State.RUNNING


async def test_the_next_targets_reservation_replaces_the_first_ones(cell: Cell) -> None:
    cell.simulator.configure(latency_ms=1500)
    await cell.worker("openai", "anthropic")
    job = await cell.submit("[[fault:404@openai]]", targets=BOTH, tokens=(50, 40, 10))

    async def elsewhere() -> bool:
        view = await cell.view(job)
        return view.job.target == HAIKU and view.job.state is State.RUNNING

    await until(elsewhere)
    raw = (await cell.view(job)).job.raw
    assert (raw["q"], raw["bn"], raw["rt"], raw["ri"], raw["ro"], raw["fb"]) == ("anthropic", 50_000_000, 50, 40, 10, 0)
    busy = read((("HGET", cell.keys.scope("openai"), "busy"),), lambda r: int(r[0]))
    assert await cell.store.run(busy) == 0
    await cell.ended(job)
