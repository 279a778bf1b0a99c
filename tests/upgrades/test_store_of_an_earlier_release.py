"""A store that an earlier release filled (make_store.py) is read, and every job in it goes on to its end."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
import pytest

from homa_shared.calls.failures import Charge
from homa_shared.calls.request import Option
from homa_shared.model.ids import new_nonce
from homa_shared.model.tokens import QuotaUse, Tokens
from homa_shared.store import reads
from homa_shared.store.audit import audit
from homa_shared.store.connection import StoreAddress
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim, Report, ReportResult, fail, renew, settle, take
from homa_shared.store.transitions.fleet import read_fleet
from homa_shared.store.transitions.steps import Leave, journal, next_step
from tests.transitions.cell import LEASE_MS, Cell
from tests.upgrades.restored import MADE, restore

MINI, HAIKU = "openai:gpt-5-mini", "anthropic:claude-haiku-4-5"
BOUND, COST = 10_000_000, 1_234_567
RUNNING = ["affordable", "batch-3", "batch-4", "between-steps", "leader", "running", "second-call"]


@pytest.fixture
def cell(store_url: str, namespace: str) -> Iterator[Cell]:
    found = Cell(StoreAddress.parse(store_url), namespace)
    restore(found)
    yield found
    assert list(map(str, audit(found.store))) == []
    found.store.close()


def take_all(cell: Cell, provider: str, slots: int = 20) -> dict[str, Claim]:
    asked = {"nonce": new_nonce(), "slots": slots, "lease_ms": LEASE_MS, "provider": provider, "suspects": 0}
    taken = cell.run(take(cell.keys, worker="two", queues=(provider,), **asked))
    return {claim.id: claim for claim in taken.claims}


def succeed(cell: Cell, job_id: str, attempt: int = 1) -> None:
    report = Report(
        "succeeded",
        Charge.ACTUAL,
        nano=COST,
        input=900,
        output=80,
        health="good",
        used=QuotaUse(1, Tokens(980, 900, 80)),
    )
    reply = orjson.dumps({"body": {"said": job_id}, "cost_nano": COST, "prior_nano": 0})
    assert cell.run(settle(cell.keys, (job_id, attempt), reply, report)) == ReportResult.OK, job_id


def test_its_books_are_clean_and_say_what_that_release_said(cell: Cell) -> None:
    assert audit(cell.store) == []
    for job_id, told in MADE["told"]["jobs"].items():
        view = cell.view(job_id)
        job = view.job
        assert [job.state, job.target, job.attempt, job.tenant] == [
            told[name] for name in ("state", "target", "attempt", "tenant")
        ], job_id
        assert (job.tags, job.custom_id) == (told["tags"], told["custom_id"])
        assert (job.cost_nano_usd, job.unresolved_nano_usd) == (told["cost"], told["unresolved"])
        assert [[a.number, a.outcome, a.nano_usd] for a in view.attempts] == told["attempts"]
        assert [step.number for step in view.steps] == told["steps"]
    costs = {
        row.key: [row.nano_usd, row.unresolved_nano_usd] for row in cell.run(reads.costs(cell.keys, by="model")).rows
    }
    assert costs == MADE["told"]["costs"]
    fleet = cell.run(read_fleet(cell.keys))
    assert fleet is not None
    assert (fleet.version, sorted(fleet.providers)) == (1, ["anthropic", "openai"])


def test_a_job_that_waits_is_taken_with_all_that_it_was_submitted_with(cell: Cell) -> None:
    claims = take_all(cell, "openai")
    assert sorted(claims) == ["batch-1-again", "queued"]
    claim = claims["queued"]
    assert (claim.attempt, claim.tries, claim.max_attempts, claim.version, claim.kind) == (1, 1, 6, 1, "j")
    assert (claim.target, claim.queue, claim.lane, claim.tenant) == (MINI, "openai", "bulk", "acme")
    assert (claim.tags, claim.custom_id, claim.batch, claim.cache_key) == ("team=b", "row-9", "", "")
    assert (claim.on_ambiguous, claim.on_content_policy, claim.fallbacks_left) == ("fail", "reroute", 1)
    assert (claim.bound, claim.total_tokens, claim.input_tokens, claim.output_tokens) == (BOUND, 1500, 1000, 500)
    assert (claim.slack_ms, claim.expired_leases, claim.cost, claim.unresolved) == (None, 0, 0, 0)
    assert 0 < claim.left_ms <= 3_600_000
    again = claims["batch-1-again"]
    assert (again.batch, again.slack_ms, again.max_attempts) == ("batch", 90_000, 4)
    elsewhere = take_all(cell, "anthropic")
    assert (elsewhere["rerouted"].bound, elsewhere["rerouted"].attempt) == (BOUND, 2)
    assert "diverted" not in elsewhere, "a budget applies, and its price is not known there"
    assert cell.error("diverted")["kind"] == "unpriced"


def test_a_repeated_question_of_its_worker_gets_the_answer_that_it_had(cell: Cell) -> None:
    asked = {"slots": 2, "lease_ms": LEASE_MS, "provider": "openai", "suspects": 0}
    nonce = MADE["keys"]["wk:one"][2]["nonce"]
    taken = cell.run(take(cell.keys, worker="one", nonce=nonce, queues=("openai",), **asked))
    assert [claim.id for claim in taken.claims] == ["affordable", "batch-4"]


def test_every_job_goes_on_to_its_end(cell: Cell) -> None:
    names = [f"{job_id}:1" for job_id in RUNNING]
    renewed = cell.run(renew(cell.keys, worker="one", lease_ms=LEASE_MS, facts={"provider": "openai"}, attempts=names))
    assert (renewed.lost, renewed.called_off) == ([], [])
    # Between two calls: what was paid for is at hand, and the next call is reserved anew.
    assert cell.run(journal(cell.keys, "between-steps")).states == {1: b'{"after":1}'}
    permit = cell.run(next_step(cell.keys, ("between-steps", 1), 2, Option(MINI, BOUND, (1, 1, 0)), worker="one"))
    assert permit.leave is Leave.OK
    for job_id in RUNNING:
        succeed(cell, job_id)
    assert cell.state("follower-1") == cell.state("follower-2") == "succeeded"
    # What a budget held has room now.
    assert cell.state("poor") == "queued"
    for provider in ("openai", "anthropic"):
        for claim in take_all(cell, provider).values():
            succeed(cell, claim.id, claim.attempt)
    cell.run(admin.resume_batch(cell.keys, "paused"))
    succeed(cell, *(claim.id for claim in take_all(cell, "anthropic").values()))
    # What is due later comes into its turn, or is cancelled before it.
    assert cell.run(admin.cancel(cell.keys, ["due"])) == ["cancelled"]
    cell.redis("ZADD", cell.keys.due(), 1, "batch-2")
    claim = take_all(cell, "openai")["batch-2"]
    assert (claim.attempt, claim.unresolved) == (2, BOUND)
    error = orjson.dumps({"error": {"kind": "invalid_request", "message": "no"}})
    cell.run(fail(cell.keys, ("batch-2", 2), "failed", error, Report("invalid_request", health="good"), "no"))
    batch = cell.run(reads.batch(cell.keys, "batch"))
    assert batch is not None
    assert (batch.state, batch.succeeded, batch.failed) == ("complete", 4, 1)
    # What a person finds in the bill takes the place of what nobody knew.
    assert cell.run(admin.resolve(cell.keys, "batch-2", 1, 5)) == "ok"
    counters = cell.counters()
    assert (counters["live"], counters["submitted"]) == (0, 24)
    spent = cell.run(reads.costs(cell.keys))
    assert (spent.nano_usd, spent.unresolved_nano_usd) == (known(cell), 0)


def known(cell: Cell) -> int:
    return sum(cell.job(job_id).cost_nano_usd for job_id in MADE["told"]["jobs"])


@pytest.mark.parametrize("job_id", ["cancelled", "batch-1", "failed"])
def test_an_ended_job_is_retried_unless_it_was(cell: Cell, job_id: str) -> None:
    was = MADE["keys"][f"j:{job_id}"][2].get("rb")
    answer = cell.run(admin.retry(cell.keys, job_id, "anew"))
    assert (answer.answer, answer.job_id) == (("retried", was) if was else ("ok", "anew"))
    if not was:
        claims = take_all(cell, "openai")
        assert (claims["anew"].total_tokens, claims["anew"].bound, claims["anew"].tries) == (1500, BOUND, 1)
        assert cell.job("anew").retry_of == job_id


def test_a_lease_that_runs_out_is_recovered(cell: Cell) -> None:
    cell.redis("ZADD", cell.keys.leases(), 1, "second-call:1")
    cell.redis("HSET", cell.keys.beat(), "last", cell.now())
    cell.sweep()
    job = cell.job("second-call")
    assert (job.state, job.expired_leases, job.cost_nano_usd, job.unresolved_nano_usd) == ("queued", 1, COST, BOUND)
