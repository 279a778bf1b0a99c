"""Jobs that ended are retried as new ones, or forgotten."""

from __future__ import annotations

import pytest

from homa_shared.calls.failures import Charge
from homa_shared.model.records import State
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.next_target import NextTarget
from tests.transitions.cell import MODEL, Cell


def test_a_failed_job_is_retried_as_a_new_one(cell: Cell) -> None:
    cell.submit("a", tags="k=v", deadline_ms=600_000, request=b'{"q":1}', bound=7, tenant="t")
    cell.fail(cell.claim())
    assert cell.run(admin.retry(cell.keys, "a", "r")) == admin.Retried("ok", "r")
    assert cell.run(admin.retry(cell.keys, "a", "r2")) == admin.Retried("retried", "r")
    claim = cell.claim()
    assert (claim.id, claim.tries, claim.request, claim.bound, claim.tags, claim.tenant) == (
        "r",
        1,
        b'{"q":1}',
        7,
        "k=v",
        "t",
    )
    assert 590_000 < claim.left_ms <= 600_000
    assert cell.counters() | {"live": 1, "submitted": 2, "failed": 1} == cell.counters()
    assert cell.redis("PTTL", cell.keys.request("r")) == -1


def test_a_retry_may_start_from_the_first_target_again(cell: Cell) -> None:
    cell.submit("a", fallbacks_left=1)
    cell.requeue(cell.claim(), "job.rerouted", to=NextTarget("q:m", "q"))
    cell.fail(cell.claim(provider="q", queues=("q",)))
    cell.run(admin.retry(cell.keys, "a", "r", NextTarget(MODEL, "p", 5, fallbacks_left=1)))
    claim = cell.claim()
    assert (claim.id, claim.target, claim.fallbacks_left, claim.bound) == ("r", MODEL, 1, 5)


@pytest.mark.parametrize("state", ["queued", "running", "succeeded"])
def test_only_what_ended_without_success_is_retried(cell: Cell, state: str) -> None:
    cell.submit("a")
    if state != "queued":
        claim = cell.claim()
        if state == "succeeded":
            cell.settle(claim)
    assert cell.run(admin.retry(cell.keys, "a", "r")) == admin.Retried(state, "")
    assert cell.state("r") is None


def test_a_retry_says_what_is_missing(cell: Cell) -> None:
    assert cell.run(admin.retry(cell.keys, "nobody", "r")).answer == "unknown"
    cell.submit("a", "taken")
    cell.fail(cell.claim())
    assert cell.run(admin.retry(cell.keys, "a", "taken")).answer == "id taken"
    cell.redis("DEL", cell.keys.request("a"))
    assert cell.run(admin.retry(cell.keys, "a", "r")).answer == "request gone"


def test_purging_forgets_ended_jobs_and_no_others(cell: Cell) -> None:
    cell.submit("live", "done", "open")
    cell.take(1)
    first, second = cell.take().claims
    cell.fail(first)
    cell.fail(second, charge=Charge.UNRESOLVED)
    assert cell.run(admin.purge(cell.keys, ["live", "done", "open", "nobody"])) == 1
    assert (cell.state("live"), cell.state("done"), cell.state("open")) == (State.RUNNING, None, State.FAILED)
    assert cell.run(admin.purgeable(cell.keys, cell.now())) == ["open"]
