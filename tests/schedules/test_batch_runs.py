"""Schedules whose runs are batches, in the store: counts, cost, failures, overlap, budgets, backfills."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from homa_shared.model.constants import BATCH_RUNS, FILL_MS
from homa_shared.store import reads
from homa_shared.store.reads.schedules import ScheduleRun, backfill, schedule_history
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim
from homa_shared.store.transitions.schedules import delete_schedule, end_fill, open_backfill
from tests.schedules.stand import DAY, Stand, ms
from tests.transitions.cell import BOUND, COST

TICK = ms(2026, 3, 2, 6)
ARGUMENTS = '["--prompt","{{text}}","--","/in/{{tick:%Y-%m-%d}}/*.txt"]'


def made(stand: Stand, **fields: Any) -> str:
    """A schedule of batches; its id."""
    told = {"fills": "1", "request": ARGUMENTS, "holes": '["{{tick:%Y-%m-%d}}"]'} | fields
    return stand.make("nightly", bound=None, **told).id


def messages(stand: Stand) -> list[Claim]:
    return list(stand.take(100, queues=(BATCH_RUNS,), provider="").claims)


def filled(stand: Stand, lines: int, *, unsent: int = 0, bound: int = BOUND) -> list[str]:
    """A worker fills each batch that is due; their ids."""
    done = []
    for claim in messages(stand):
        names = [f"{claim.id}-{line}" for line in range(lines)]
        if names:
            stand.submit(*names, batch=claim.id, lane="bulk", bound=bound)
        stand.run(admin.seal_batch(stand.keys, claim.id, lines, unsent=unsent, unsent_why="b.txt: empty"))
        assert stand.run(end_fill(stand.keys, (claim.id, claim.attempt), "filled")) == "filled"
        done.append(claim.id)
    return done


async def lines_done(stand: Stand, *, failing: int = 0) -> None:
    """All lines end, some of them without success."""
    for number, claim in enumerate(stand.take(100).claims):
        if number < failing:
            stand.fail(claim)
        else:
            stand.settle(claim)
    await stand.turn()


def runs(stand: Stand, schedule: str) -> list[ScheduleRun]:
    return stand.run(schedule_history(stand.keys, schedule))


async def test_a_tick_opens_a_batch_and_its_end_closes_the_run_with_counts_and_cost(stand: Stand) -> None:
    schedule = made(stand)
    await stand.go_to(TICK)
    (claim,) = messages(stand)
    about = orjson.loads(claim.request)["kwargs"]
    assert about["batch"] == claim.id == f"{schedule}-{TICK}"
    assert about["arguments"] == ["--prompt", "{{text}}", "--", "/in/2026-03-02/*.txt"]
    names = [f"{claim.id}-{line}" for line in range(3)]
    stand.submit(*names, batch=claim.id, lane="bulk")
    await lines_done(stand, failing=1)
    assert [run.state for run in runs(stand, schedule)] == ["running"]
    stand.run(admin.seal_batch(stand.keys, claim.id, 3))
    stand.run(end_fill(stand.keys, (claim.id, claim.attempt), "filled"))
    await stand.turn()
    (run,) = runs(stand, schedule)
    assert (run.state, run.batch, run.lines, run.lines_failed) == ("succeeded", claim.id, 3, 1)
    assert run.cost_nano_usd == 2 * COST
    assert run.detail == "1 of 3 lines failed: no"
    assert stand.field(schedule, "n.succeeded") == "1"


@pytest.mark.parametrize(
    ("most", "failing", "unsent", "state"),
    [
        (None, 3, 0, "failed"),
        (None, 2, 0, "succeeded"),
        ("2", 1, 1, "failed"),
        ("2", 1, 0, "succeeded"),
        ("50%", 2, 0, "failed"),
        ("70%", 2, 0, "succeeded"),
    ],
)
async def test_a_run_fails_by_as_many_lines_as_its_arguments_say(
    stand: Stand, most: str | None, failing: int, unsent: int, state: str
) -> None:
    schedule = made(stand, **({} if most is None else {"failures_most": most}))
    await stand.go_to(TICK)
    filled(stand, 3, unsent=unsent)
    await lines_done(stand, failing=failing)
    (run,) = runs(stand, schedule)
    assert (run.state, run.unsent) == (state, unsent)
    assert stand.alarm(schedule).startswith("failed: ") == (state == "failed")


async def test_an_input_that_cannot_be_read_fails_the_tick_and_says_where(stand: Stand) -> None:
    schedule = made(stand)
    await stand.go_to(TICK)
    (claim,) = messages(stand)
    stand.submit(f"{claim.id}-0", batch=claim.id, lane="bulk")
    why = "on host7: /in/2026-03-02/*.txt leads nowhere"
    assert stand.run(end_fill(stand.keys, (claim.id, claim.attempt), "refused", why)) == "failed"
    await stand.turn()
    # Half of a batch is not paid for.
    stand.sweep()
    await stand.turn()
    assert stand.taken(10) == []
    (run,) = runs(stand, schedule)
    assert (run.state, run.detail) == ("failed", why)
    assert why in stand.alarm(schedule)


async def test_a_fill_is_tried_again_for_an_hour_and_by_another_worker_where_one_dies(stand: Stand) -> None:
    schedule = made(stand)
    await stand.go_to(TICK)
    (first,) = messages(stand)
    assert stand.run(end_fill(stand.keys, (first.id, first.attempt), "again", "status 3: away", 1000)) == "again"
    stand.clock.set(stand.now() + 1000)
    stand.sweep()
    (second,) = messages(stand)
    assert (second.id, second.attempt) == (first.id, first.attempt + 1)
    stand.lose(second)
    (third,) = messages(stand)
    assert third.id == first.id
    assert stand.run(end_fill(stand.keys, (second.id, second.attempt), "filled")) == "stale"
    stand.clock.set(stand.now() + FILL_MS)
    assert stand.run(end_fill(stand.keys, (third.id, third.attempt), "again", "status 3: away", 1000)) == "failed"
    await stand.turn()
    assert [(run.state, run.detail) for run in runs(stand, schedule)] == [("failed", "status 3: away")]


async def test_a_batch_that_does_not_end_is_late_though_it_was_filled(stand: Stand) -> None:
    schedule = made(stand)
    await stand.go_to(TICK)
    filled(stand, 2)
    await stand.turn()
    await stand.go_to(TICK + DAY // 2)
    assert stand.alarm(schedule).startswith("late: 2026-03-02T07:00:00+01:00 has not ended after ")
    await lines_done(stand)
    assert [run.state for run in runs(stand, schedule)] == ["succeeded"]


async def test_a_fill_that_no_worker_survives_fails_its_tick(stand: Stand) -> None:
    schedule = made(stand)
    await stand.go_to(TICK)
    while claims := messages(stand):
        stand.lose(claims[0])
    await stand.turn()
    (run,) = runs(stand, schedule)
    assert run.state == "failed"
    assert "poisoned" in run.detail
    batch = stand.run(reads.batch(stand.keys, run.batch))
    assert batch is not None
    assert (batch.state, batch.cancel) == ("complete", True)


@pytest.mark.parametrize(("overlap", "states"), [("skip", "skipped"), ("queue", "queued"), ("cancel", "running")])
async def test_runs_overlap_until_the_batch_is_complete(stand: Stand, overlap: str, states: str) -> None:
    schedule = made(stand, overlap=overlap)
    await stand.go_to(TICK)
    (batch,) = filled(stand, 2)
    await stand.go_to(TICK + DAY)
    assert [run.state for run in runs(stand, schedule)][-1] == states
    if overlap == "cancel":
        stand.sweep()
        await stand.turn()
        assert [run.state for run in runs(stand, schedule)] == ["cancelled", "running"]
        return
    await lines_done(stand)
    assert runs(stand, schedule)[0].batch == batch
    expected = {"skip": ["succeeded", "skipped"], "queue": ["succeeded", "running"]}
    assert [run.state for run in runs(stand, schedule)] == expected[overlap]
    assert len(messages(stand)) == (overlap == "queue")


async def test_lines_stand_under_the_budget_of_the_schedule_and_of_their_batch(stand: Stand) -> None:
    schedule = made(stand, cap=str(2 * COST + BOUND), period="total", line_cap=str(COST + BOUND))
    await stand.go_to(TICK)
    filled(stand, 4)
    while claims := stand.take(1).claims:
        stand.settle(claims[0])
    await stand.turn()
    (run,) = runs(stand, schedule)
    # Its own budget lets two through: the third would pass it.
    assert (run.lines, run.lines_failed, run.cost_nano_usd) == (4, 2, 2 * COST)
    await stand.go_to(TICK + DAY)
    filled(stand, 4)
    while claims := stand.take(1).claims:
        stand.settle(claims[0])
    await stand.turn()
    assert sum(run.cost_nano_usd or 0 for run in runs(stand, schedule)) == 3 * COST
    assert runs(stand, schedule)[-1].lines_failed == 3


async def test_a_backfill_counts_batches_as_they_end_under_one_budget(stand: Stand) -> None:
    schedule = made(stand)
    since, until = ms(2026, 2, 1), ms(2026, 2, 6)
    cap = 7 * COST + BOUND
    stand.run(open_backfill(stand.keys, "b1", schedule, since=since, until=until, cap=cap, window=2))
    fired = 0
    while True:
        await stand.turn()
        batches = filled(stand, 2)
        if not batches:
            break
        assert len(batches) <= 2
        fired += len(batches)
        while claims := stand.take(1).claims:
            stand.settle(claims[0])
    view, batch = stand.run(backfill(stand.keys, "b1")), stand.run(reads.batch(stand.keys, "b1"))
    assert view is not None
    assert batch is not None
    assert (view.fired, view.live, batch.state, batch.total) == (fired, 0, "complete", fired)
    spent = sum(run.cost_nano_usd or 0 for run in runs(stand, schedule))
    assert spent <= cap
    assert spent == 8 * COST
    assert {run.by for run in runs(stand, schedule)} == {"backfill"}


async def test_a_backfill_that_is_cancelled_cancels_its_batches(stand: Stand) -> None:
    schedule = made(stand)
    op = open_backfill(stand.keys, "b1", schedule, since=ms(2026, 2, 1), until=ms(2026, 2, 6), cap=None, window=2)
    stand.run(op)
    await stand.turn()
    filled(stand, 2)
    stand.run(admin.cancel_batch(stand.keys, "b1"))
    stand.sweep()
    await stand.turn()
    assert [run.state for run in runs(stand, schedule)] == ["cancelled", "cancelled"]
    batch = stand.run(reads.batch(stand.keys, "b1"))
    assert batch is not None
    assert (batch.state, batch.cancelled, batch.total) == ("complete", 2, 2)
    assert stand.taken(10) == []


async def test_a_batch_whose_schedule_is_deleted_has_an_end(stand: Stand) -> None:
    schedule = made(stand)
    await stand.go_to(TICK)
    (claim,) = messages(stand)
    stand.run(delete_schedule(stand.keys, schedule))
    stand.run(end_fill(stand.keys, (claim.id, claim.attempt), "refused", "on host7: gone"))
    await stand.turn()
    batch = stand.run(reads.batch(stand.keys, claim.id))
    assert batch is not None
    assert (batch.state, batch.cancel) == ("complete", True)


async def test_a_definition_of_jobs_replaces_one_of_batches(stand: Stand) -> None:
    schedule = made(stand)
    assert stand.make("nightly", replace=True).answer == "replaced"
    await stand.go_to(TICK)
    assert stand.waiting_jobs() == [f"{schedule}-{TICK}"]
    assert messages(stand) == []
