"""`Homa` shows and changes a fleet as the command line does, in types of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from homa import AsyncHoma, Homa, InvalidRequest, JobNotFound, StoreUnavailable, UnknownModel
from homa.client.management import job_listing
from homa_shared.settings.model import Settings, load_settings
from tests.commands_b.conftest import stand  # noqa: F401 - a fixture
from tests.commands_b.stand import INPUT, MODEL, NANO, OUTPUT, Stand

COST = Decimal("0.0000015")


def test_jobs_are_listed_as_the_command_lists_them(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(job_listing, "PAGE", 2)
    done = stand.succeeded(tags={"team": "a"}, tenant="acme")
    broken, gone, waiting = [stand.failed() for _ in range(3)], stand.cancelled(), stand.queued()
    found = list(stand.homa.jobs())
    assert [job.id for job in found] == [row["job"] for row in stand.json("jobs", "list")["jobs"]]
    assert {job.id for job in found} == {done, *broken, gone, waiting}
    assert [job.id for job in stand.homa.jobs(limit=2)] == [waiting, gone]
    (acme,) = stand.homa.jobs(tenant="acme", tag="team=a", provider="openai", state="succeeded")
    assert (acme.id, acme.cost_usd, acme.tags, acme.batch) == (done, COST, {"team": "a"}, None)
    assert abs(acme.submitted_at - datetime.now(UTC)) < timedelta(minutes=5)
    assert acme.ended_at is not None
    assert acme.ended_at >= acme.submitted_at
    assert str(acme) == f"{done} succeeded at {MODEL}, tenant acme, $0.0000015"
    (first, *_) = stand.homa.jobs(state="failed")
    assert first.error == "invalid_request: it broke"
    assert str(first).endswith(f"failed at {MODEL}, invalid_request: it broke")


def test_a_listing_reads_no_page_that_nobody_asks_for(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr(job_listing, "PAGE", 2)
    jobs = [stand.queued() for _ in range(5)]
    listing = stand.homa.jobs(state="queued")
    assert next(listing).id == jobs[0]
    for job in jobs[3:]:
        stand.homa.cancel(job)
    assert [job.id for job in listing] == jobs[1:3]


def test_wrong_filters_are_refused_before_anything_is_read(homa: Homa) -> None:
    with pytest.raises(InvalidRequest, match="state is 'faild': did you mean 'failed'"):
        homa.jobs(state="faild")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="limit is 0: expected"):
        homa.jobs(limit=0)
    with pytest.raises(InvalidRequest, match="tenant is 7: expected text"):
        homa.jobs(tenant=7)  # type: ignore[arg-type]
    with pytest.raises(JobNotFound, match="batch b7 is not in the store"):
        list(homa.jobs(batch="b7"))
    with pytest.raises(InvalidRequest, match="by is 'colour'"):
        homa.costs(by="colour")  # type: ignore[arg-type]
    with pytest.raises(InvalidRequest, match="since is 2026-02-01, after until, 2026-01-01"):
        homa.costs(since="2026-02-01", until="2026-01-01")
    with pytest.raises(InvalidRequest, match="since is '1 May': expected a date"):
        homa.costs(since="1 May")
    with pytest.raises(InvalidRequest, match="neither a job nor a filter says which jobs to retry"):
        homa.retry()
    with pytest.raises(InvalidRequest, match="both a job and filters"):
        homa.retry("j1", state="failed")  # type: ignore[call-overload]


def test_batches_are_listed_a_page_at_a_time(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr("homa.client.management.batches._PAGE", 2)
    ids = [stand.batch(good=1, bad=1, live=2 * (number == 4)) for number in range(5)]
    assert [batch.id for batch in stand.homa.batches()] == ids[::-1]
    assert [batch.id for batch in stand.homa.batches(limit=3)] == ids[:1:-1]
    assert [batch.id for batch in stand.homa.batches(state="sealed")] == ids[4:]
    *_, whole = stand.homa.batches(state="complete", name="letters", tenant="acme")
    assert (whole.id, whole.succeeded, whole.failed, whole.cost_usd, whole.cap_usd) == (ids[0], 1, 1, COST, None)
    assert whole.seconds is not None
    assert str(whole) == f"{ids[0]} complete: 1 of 2 succeeded, 1 failed, $0.0000015"
    assert list(stand.homa.batches(tenant="nobody")) == []


def test_batches_opened_in_the_same_moment_are_listed_once_each(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setattr("homa.client.management.batches._PAGE", 2)
    ids = [stand.batch(good=0, bad=0, live=1) for _ in range(5)]
    for batch in ids:
        stand.redis("ZADD", stand.store.keys.batches(), 7, batch)
    assert sorted(batch.id for batch in stand.homa.batches()) == sorted(ids)


def test_costs_are_summed_by_a_key(stand: Stand) -> None:  # noqa: F811
    stand.succeeded(tenant="acme")
    stand.succeeded(tenant="acme")
    stand.failed(unresolved=True, tenant="b")
    costs = stand.homa.costs(by="tenant", since=today(), until=today().isoformat())
    assert {row.key for row in costs} == {"acme", "b"}
    acme = next(row for row in costs if row.key == "acme")
    assert (acme.requests, acme.input_tokens, acme.output_tokens) == (2, 2 * INPUT, 2 * OUTPUT)
    assert costs.total_usd == acme.cost_usd == 2 * COST == Decimal(2 * NANO).scaleb(-9)
    assert costs.unresolved_usd > 0
    assert str(acme).startswith("acme: $0.000003, 2 calls")
    assert str(costs).startswith("total $0.000003, and at most $")
    assert len(stand.homa.costs(by="day")) == 1


def today() -> date:
    return datetime.now(UTC).date()


def test_limits_queues_workers_and_budgets_have_types(stand: Stand) -> None:  # noqa: F811
    stand.beat(release="0.9")
    stand.running()
    waiting = stand.queued(lane="high")
    limit = next(row for row in stand.homa.limits() if row.dimension == "rpm")
    assert (limit.scope, limit.limit, limit.frozen_s) == ("openai/gpt-6-luna", 60_000, 0.0)
    assert str(limit).startswith("openai/gpt-6-luna rpm: ")
    rows = {row.lane: row for row in stand.homa.queues()}
    assert (rows["high"].queued, rows["default"].running, rows["high"].paused) == (1, 1, False)
    assert str(rows["high"]) == "openai, lane high: 1 queued"
    (worker,) = stand.homa.workers()
    assert (worker.id, worker.live, worker.queues, worker.concurrency) == ("openai-fake", True, ("openai",), 10)
    assert str(worker).startswith("openai-fake: serves openai, 1 of 10 running, beat ")
    budgets = {row.name.partition("~")[0]: row for row in stand.homa.budgets()}
    assert budgets["month"].cap_usd == 5
    assert budgets["month"].reserved_usd > 0
    assert str(budgets["unused"]) == "unused: $0.00 of $1.00 spent, $1.00 free"
    why = stand.homa.why(waiting)
    assert (why.job_id, why.state, why.live_workers, why.holds) == (waiting, "queued", 1, ())
    assert str(why).endswith("it goes as soon as one of 1 live workers has a free slot")
    with pytest.raises(JobNotFound):
        stand.homa.why("j7")


def test_a_job_is_retried_by_its_handle_its_record_or_its_id(stand: Stand) -> None:  # noqa: F811
    broken = [stand.failed() for _ in range(3)]
    again = stand.homa.job(broken[0]).retry()
    assert again.id != broken[0]
    assert again.view().job.retry_of == broken[0]
    assert stand.homa.retry(stand.homa.job(broken[0])).id == again.id
    info = next(job for job in stand.homa.jobs() if job.id == broken[1])
    assert stand.homa.retry(info).state() == "queued"
    assert str(stand.homa.retry(state="failed")) == "1 retried"
    with pytest.raises(InvalidRequest, match="it still waits"):
        again.retry()
    with pytest.raises(JobNotFound):
        stand.homa.retry("j7")


def test_the_failed_lines_of_a_batch_are_retried(stand: Stand) -> None:  # noqa: F811
    batch = stand.homa.batch(stand.batch(good=2, bad=3))
    assert batch.retry(failed=False).retried == 0
    assert batch.retry(failed=True).retried == 3
    assert batch.retry(failed=True).retried == 0
    assert batch.progress().state == "sealed"


def test_an_attempt_of_unknown_cost_is_listed_and_settled(stand: Stand) -> None:  # noqa: F811
    job = stand.failed(unresolved=True)
    (doubtful,) = stand.homa.unresolved()
    assert (doubtful.attempt, doubtful.job_id, doubtful.request_id) == (f"{job}:1", job, "r9")
    assert doubtful.unresolved_usd is not None
    assert doubtful.unresolved_usd > 0
    stand.homa.resolve(stand.homa.job(job), usd="0.25", note="the bill says so")
    assert list(stand.homa.unresolved()) == []
    assert stand.homa.costs().total_usd == Decimal("0.25")
    with pytest.raises(InvalidRequest, match="nothing is unresolved there"):
        stand.homa.resolve(doubtful.attempt, usd=0)
    with pytest.raises(InvalidRequest, match="usd: -1 is negative"):
        stand.homa.resolve(doubtful.attempt, usd=-1)


def test_an_estimate_says_what_a_dry_run_says(stand: Stand, tmp_path: Path) -> None:  # noqa: F811
    prompts = [f"Summarise note {number}." for number in range(20)]
    (tmp_path / "notes.csv").write_text("note\n" + "\n".join(str(number) for number in range(20)))
    told = stand.json(
        "run", "notes.csv", "--prompt", "Summarise note {{note}}.", "--model", MODEL, "--max-tokens", "50", "--dry-run"
    )
    found = stand.homa.estimate(prompts, model=MODEL, max_tokens=50)
    assert (found.rows, found.bad_rows, found.input_tokens) == (20, 0, told["input_tokens"])
    assert str(found.expected_usd) == told["expected_usd"]
    assert str(found.most_usd) == told["most_usd"]
    assert found.seconds_at_limits is not None
    assert round(found.seconds_at_limits, 1) == told["seconds_at_limits"]
    assert str(found).startswith("20 rows, about ")
    assert list(stand.homa.jobs()) == []


def test_an_estimate_of_one_prompt_raises_and_one_of_many_counts(homa: Homa) -> None:
    one = homa.estimate("Hello", model=MODEL, max_tokens=10, system="Be brief.")
    assert (one.rows, one.greatest_cap) == (1, 10)
    assert one.first_messages is not None
    assert [message["role"] for message in one.first_messages] == ["system", "user"]
    assert homa.estimate(messages=[{"role": "user", "content": "Hello"}], model=MODEL, max_tokens=10).rows == 1
    with pytest.raises(InvalidRequest, match="max_tokens is 0"):
        homa.estimate("Hello", model=MODEL, max_tokens=0)
    with pytest.raises(UnknownModel):
        homa.estimate(["Hello"], model="nobody:nothing")
    many = homa.estimate(["a", {"prompt": "b", "max_tokens": 0}, {"prompt": ""}], model=MODEL, max_tokens=10)
    assert (many.rows, many.bad_rows) == (3, 2)
    assert (many.first_bad or "").startswith("request 1: max_tokens is 0")
    with pytest.raises(InvalidRequest, match="expected a list or another iterable"):
        homa.estimate({"prompt": "a"}, model=MODEL)


def test_an_estimate_goes_by_ones_own_settings_where_there_is_no_store(tmp_path: Path) -> None:
    (tmp_path / "homa.toml").write_text('[providers.openai]\napi_key = "not-a-key"\nlimits = { rpm = 60 }\n')
    settings = load_settings(env={"HOMA_HOME": str(tmp_path / "home")}, cwd=tmp_path)
    with Homa(settings=settings) as homa:
        found = homa.estimate(["a"] * 120, model=MODEL, max_tokens=10)
        assert found.seconds_at_limits == pytest.approx(120)
    away = settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"})
    with Homa(settings=away) as homa, pytest.raises(StoreUnavailable):
        homa.estimate("a", model=MODEL)


async def test_the_same_is_awaited_in_a_loop(stand: Stand) -> None:  # noqa: F811
    def prepared() -> tuple[str, str, str]:
        return stand.succeeded(), stand.failed(unresolved=True), stand.batch(good=1, bad=1)

    done, broken, batch = await asyncio.to_thread(prepared)

    async def prompts() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    async with AsyncHoma(settings=stand.settings) as homa:
        assert done in [job.id async for job in homa.jobs(state="succeeded")]
        assert [found.id async for found in homa.batches()] == [batch]
        assert (await homa.costs(by="model")).total_usd == 2 * COST
        assert len(await homa.limits()) > 0
        assert (await homa.queues())[0].queue == "openai"
        assert await homa.workers() == ()
        assert len(await homa.budgets()) == 2
        assert (await homa.why(broken)).state == "failed"
        assert [one.job_id async for one in homa.unresolved()] == [broken]
        await homa.resolve(broken, usd=0)
        again = await homa.retry(homa.job(broken))
        assert await again.state() == "queued"
        assert (await homa.batch(batch).retry()).retried == 1
        assert (await homa.estimate(prompts(), model=MODEL)).rows == 2
        assert (await homa.estimate("a", model=MODEL)).rows == 1


def test_settings_of_a_stand_are_those_of_the_client(settings: Settings, homa: Homa) -> None:
    assert homa.limits().rows == ()
