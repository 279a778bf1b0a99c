"""Whatever happens to jobs, in whatever order: none is lost, none ends twice, and every nano-dollar is in the books.

A Hypothesis state machine drives the real store through its transitions and checks two laws after each step:
conservation (submitted = ended + live, each live job in exactly one index, counters equal to their parts) and money
(ledger = records = day totals = budget; reserved = bounds of what runs). `HOMA_TEST_LIFE_CYCLES` sets how many lives it
tries, `HOMA_TEST_LIFE_STEPS` how long each is.
"""

from __future__ import annotations

import os
import uuid
from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from homa_shared.calls.failures import Charge
from homa_shared.model.ids import new_nonce
from homa_shared.model.records import ENDED, State
from homa_shared.model.tokens import Tokens
from homa_shared.store import audit, reads
from homa_shared.store.connection import StoreAddress
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import Claim, ReportResult
from homa_shared.store.transitions.next_target import NextTarget
from tests.transitions.cell import BOUND, COST, MODEL, OTHER, Cell

LIVES = int(os.environ.get("HOMA_TEST_LIFE_CYCLES", "25"))
STEPS = int(os.environ.get("HOMA_TEST_LIFE_STEPS", "40"))

LANES = st.sampled_from(("high", "default", "bulk"))
TENANTS = st.sampled_from(("", "t1", "t2"))
TARGETS = st.sampled_from((MODEL, OTHER))
CHARGES = st.sampled_from(
    (
        {"charge": Charge.NONE},
        {"charge": Charge.ACTUAL, "nano": COST},
        {"charge": Charge.ACTUAL, "nano": None},
        {"charge": Charge.UNRESOLVED},
        {"charge": Charge.UNRESOLVED, "floor": 3 * BOUND},
    )
)
#: Good replies that are told in one call.
SIZES = (1, 2, 7, 50)
ANY = st.integers(min_value=0, max_value=1_000_000)


class LifeCycle(RuleBasedStateMachine):
    address: StoreAddress

    @initialize(
        conc=st.sampled_from((None, 3)),
        cap=st.sampled_from((10**9, 700)),
        on_exceed=st.sampled_from(("reject", "defer")),
    )
    def a_cell(self, conc: int | None, cap: int, on_exceed: str) -> None:
        self.cell = Cell(self.address, f"t{uuid.uuid4().hex[:12]}")
        self.cell.plan(MODEL, conc=conc)
        self.cell.plan(OTHER, conc=conc)
        self.cell.budget(cap, on_exceed=on_exceed)
        self.batch = "batch"
        self.cell.run(admin.open_batch(self.cell.keys, self.batch, {"name": "n", "cap": None}))
        self.ids: list[str] = []
        self.lines = 0
        self.running: list[Claim] = []
        #: Claims whose attempts are over, for duplicate and late deliveries.
        self.over: list[Claim] = []
        self.ends: dict[str, State] = {}

    def teardown(self) -> None:
        if hasattr(self, "cell"):
            self.cell.store.close()

    def one(self, claims: list[Claim], pick: int) -> Claim:
        return claims[pick % len(claims)]

    def finish(self, claim: Claim) -> None:
        if claim in self.running:
            self.running.remove(claim)
            self.over.append(claim)

    # jobs come

    @rule(
        lane=LANES,
        tenant=TENANTS,
        model=TARGETS,
        count=st.integers(1, 3),
        cached=st.booleans(),
        fallbacks=st.integers(0, 1),
        delayed=st.booleans(),
        deadline=st.booleans(),
        ambiguous=st.sampled_from(("retry", "fail")),
    )
    def submit(self, lane, tenant, model, count, cached, fallbacks, delayed, deadline, ambiguous) -> None:  # type: ignore[no-untyped-def]
        ids = [f"j{len(self.ids) + i}" for i in range(count)]
        self.cell.submit(
            *ids, lane=lane, tenant=tenant, target=model, fallbacks_left=fallbacks, on_ambiguous=ambiguous, tags="k=v",
            cache_key=f"{tenant}.{model}" if cached else None, due_ms=3_600_000 if delayed else 0,
            deadline_ms=3_600_000 if deadline else 0, max_attempts=4,
        )  # fmt: skip
        self.ids += ids

    @precondition(lambda self: self.lines < 8)
    @rule(lane=LANES)
    def submit_a_line(self, lane: str) -> None:
        if self.cell.run(reads.batch(self.cell.keys, self.batch)).state != "open":
            return
        job_id = f"{self.batch}-{self.lines}"
        self.cell.submit(job_id, lane=lane, batch=self.batch)
        self.ids.append(job_id)
        self.lines += 1

    @precondition(lambda self: self.ids)
    @rule(pick=ANY)
    def submit_again(self, pick: int) -> None:
        job_id = self.ids[pick % len(self.ids)]
        if not job_id.startswith(self.batch):
            assert self.cell.submit(job_id).count == 0

    # workers

    @rule(slots=st.integers(1, 5), suspects=st.sampled_from((0, 0, 0, 1)), replay=st.booleans())
    def take(self, slots: int, suspects: int, replay: bool) -> None:
        nonce = new_nonce()
        claims = self.cell.take(slots, nonce=nonce, suspects=suspects).claims
        if replay:
            again = self.cell.take(slots, nonce=nonce, suspects=suspects).claims
            assert [c.name for c in again] == [c.name for c in claims]
        assert len(claims) <= slots
        self.running += claims

    @precondition(lambda self: self.running)
    @rule(pick=ANY, report=CHARGES.filter(lambda report: report["charge"] is not Charge.NONE))
    def settle(self, pick: int, report: dict[str, object]) -> None:
        claim = self.one(self.running, pick)
        answer = self.cell.settle(claim, **report)
        assert answer in (ReportResult.OK, ReportResult.LATE)
        self.finish(claim)

    @precondition(lambda self: self.running)
    @rule(size=st.sampled_from(SIZES), pick=ANY, repeats=st.booleans(), late=st.booleans())
    def settle_together(self, size: int, pick: int, repeats: bool, late: bool) -> None:
        mine = [claim for claim in self.running if claim.queue == "p"]
        if not mine:
            return
        first = pick % len(mine)
        claims = (mine[first:] + mine[:first])[:size]
        told = claims + claims[:1] * repeats + ([self.one(self.over, pick)] if late and self.over else [])
        answers = self.cell.settle_together(*told)
        assert set(answers[: len(claims)]) <= {ReportResult.OK, ReportResult.LATE}
        for claim in claims:
            self.finish(claim)
        self.running = [c for c in self.running if not self.is_called_off(c)]

    def is_called_off(self, claim: Claim) -> bool:
        """Whether a late reply ended the job of an attempt that runs."""
        return self.cell.state(claim.id) is not State.RUNNING and self.forget(claim)

    @precondition(lambda self: self.running)
    @rule(
        pick=ANY,
        report=CHARGES,
        state=st.sampled_from(("failed", "cancelled", "expired")),
        health=st.sampled_from(("", "bad")),
    )
    def fail(self, pick: int, report: dict[str, object], state: str, health: str) -> None:
        claim = self.one(self.running, pick)
        self.cell.fail(claim, state, health=health, **report)
        self.finish(claim)

    @precondition(lambda self: self.running)
    @rule(pick=ANY, report=CHARGES, delay_ms=st.sampled_from((0, 3_600_000)), counts=st.booleans())
    def defer(self, pick: int, report: dict[str, object], delay_ms: int, counts: bool) -> None:
        claim = self.one(self.running, pick)
        self.cell.requeue(claim, delay_ms=delay_ms, counts=counts, **report)
        self.finish(claim)

    @precondition(lambda self: self.running)
    @rule(pick=ANY, report=CHARGES, bound=st.sampled_from((BOUND, 250, None)))
    def reroute(self, pick: int, report: dict[str, object], bound: int | None) -> None:
        claim = self.one(self.running, pick)
        self.cell.requeue(claim, "job.rerouted", to=NextTarget("q:m", "q", bound, Tokens(7)), **report)
        self.finish(claim)

    @rule(slots=st.integers(1, 3))
    def take_of_the_other_provider(self, slots: int) -> None:
        self.running += self.cell.take(slots, worker="w2", provider="q", queues=("q",)).claims

    @precondition(lambda self: self.running)
    @rule(pick=ANY)
    def release(self, pick: int) -> None:
        claim = self.one(self.running, pick)
        self.cell.release(claim)
        self.finish(claim)

    @precondition(lambda self: self.running)
    @rule(pick=ANY)
    def lose(self, pick: int) -> None:
        claim = self.one(self.running, pick)
        if self.cell.redis("ZSCORE", self.cell.keys.leases(), claim.name) is not None:
            self.cell.lose(claim)
        self.finish(claim)

    # duplicates and latecomers

    @precondition(lambda self: self.over)
    @rule(pick=ANY, how=st.sampled_from(("settle", "fail", "defer", "release")), report=CHARGES)
    def deliver_again(self, pick: int, how: str, report: dict[str, object]) -> None:
        claim = self.one(self.over, pick)
        if how == "settle":
            self.cell.settle(claim)
            self.running = [c for c in self.running if c.id != claim.id or not self.forget(c)]
        elif how == "fail":
            assert self.cell.fail(claim, **report) in (ReportResult.STALE, ReportResult.LATE)
        elif how == "defer":
            assert self.cell.requeue(claim, **report) in (ReportResult.STALE, ReportResult.LATE)
        else:
            assert self.cell.release(claim) in (ReportResult.STALE, ReportResult.LATE)

    def forget(self, claim: Claim) -> bool:
        """A late reply may have called off the attempt that runs."""
        state = self.cell.state(claim.id)
        if state is State.RUNNING:
            return False
        self.over.append(claim)
        return True

    @precondition(lambda self: self.over)
    @rule(pick=ANY)
    def resolve_by_hand(self, pick: int) -> None:
        claim = self.one(self.over, pick)
        self.cell.run(admin.resolve(self.cell.keys, claim.id, claim.attempt, COST, "bill"))

    # people and time

    @precondition(lambda self: self.ids)
    @rule(pick=ANY)
    def cancel(self, pick: int) -> None:
        self.cell.run(admin.cancel(self.cell.keys, [self.ids[pick % len(self.ids)]]))

    @precondition(lambda self: self.ids)
    @rule(pick=ANY)
    def retry(self, pick: int) -> None:
        new_id = f"j{len(self.ids)}"
        answer = self.cell.run(admin.retry(self.cell.keys, self.ids[pick % len(self.ids)], new_id))
        if answer.answer == "ok":
            self.ids.append(new_id)

    @rule(order=st.sampled_from(("pause", "resume")))
    def pause_or_resume_the_queue(self, order: str) -> None:
        act = admin.pause_queue if order == "pause" else admin.resume_queue
        self.cell.run(act(self.cell.keys, "p"))

    @rule(order=st.sampled_from(("pause", "resume", "resume", "seal", "cancel")))
    def steer_the_batch(self, order: str) -> None:
        keys = self.cell.keys
        acts = {
            "pause": admin.pause_batch(keys, self.batch, "why"),
            "resume": admin.resume_batch(keys, self.batch),
            "seal": admin.seal_batch(keys, self.batch, self.lines),
            "cancel": admin.cancel_batch(keys, self.batch),
        }
        self.cell.run(acts[order])

    @rule()
    def what_is_due_becomes_ready(self) -> None:
        for job_id in self.cell.scores(self.cell.keys.due()):
            self.cell.redis("ZADD", self.cell.keys.due(), "XX", 1, job_id)

    @rule(pick=ANY)
    def a_deadline_passes(self, pick: int) -> None:
        waiting = sorted(self.cell.scores(self.cell.keys.deadlines()))
        if waiting:
            job_id = waiting[pick % len(waiting)]
            self.cell.redis("ZADD", self.cell.keys.deadlines(), 1, job_id)
            self.cell.redis("HSET", self.cell.keys.job(job_id), "dl", 1)

    @rule()
    def breakers_close(self) -> None:
        self.cell.redis(
            "DEL", self.cell.keys.breaker(MODEL), self.cell.keys.breaker(OTHER), self.cell.keys.breaker("q:m")
        )

    @rule()
    def sweep(self) -> None:
        self.cell.sweep()

    @rule(cap=st.sampled_from((10**9, 700)))
    def the_cap_changes(self, cap: int) -> None:
        self.cell.budget(cap, on_exceed="defer")

    # the laws

    @invariant()
    def no_job_is_lost(self) -> None:
        if not hasattr(self, "cell"):
            return
        assert list(map(str, audit._drive(self.cell.store, audit.books(self.cell.keys)))) == []
        counters = self.cell.counters()
        assert counters.get("submitted", 0) == len(self.ids)
        states = Counter(self.cell.state(job_id) for job_id in self.ids)
        assert None not in states
        for state in ENDED:
            assert counters.get(state, 0) == states[state]

    @invariant()
    def no_job_ends_twice(self) -> None:
        if not hasattr(self, "cell"):
            return
        for job_id in self.ids:
            state = self.cell.state(job_id)
            if job_id in self.ends:
                assert state is self.ends[job_id]
            elif state in ENDED:
                self.ends[job_id] = state
        ended = Counter(e.job for e in self.cell.run(reads.events(self.cell.keys, count=10_000)) if e.name[4:] in ENDED)
        assert set(ended.values()) <= {1}

    @invariant()
    def money_adds_up(self) -> None:
        if not hasattr(self, "cell"):
            return
        cell = self.cell
        ledger = cell.run(reads.ledger(cell.keys, count=10_000))
        known, open_ = sum(line.nano_usd for line in ledger), sum(line.unresolved_nano_usd for line in ledger)
        records = [cell.job(job_id) for job_id in self.ids]
        assert sum(job.cost_nano_usd for job in records) == known
        assert sum(job.unresolved_nano_usd for job in records) == open_
        totals = cell.run(reads.costs(cell.keys, "day"))
        assert (totals.nano_usd, totals.unresolved_nano_usd) == (known, open_)
        assert totals.unpriced == sum(line.unpriced for line in ledger)
        budget = cell.numbers(cell.keys.budget("b"))
        assert (budget.get("spent", 0), budget.get("unres", 0)) == (known, open_)
        batch = cell.run(reads.batch(cell.keys, self.batch))
        assert batch.nano_usd == sum(job.cost_nano_usd for job in records if job.batch)
        for job_id, job in zip(self.ids, records, strict=True):
            attempts = cell.view(job_id).attempts
            assert sum(a.nano_usd for a in attempts) == job.cost_nano_usd
            assert sum(a.unresolved_nano_usd for a in attempts) == job.unresolved_nano_usd
        unresolved = dict(cell.run(reads.unresolved(cell.keys, 10_000)))
        assert (open_ > 0) <= bool(unresolved)

    @invariant()
    def a_complete_batch_has_no_live_line(self) -> None:
        if not hasattr(self, "cell"):
            return
        batch = self.cell.run(reads.batch(self.cell.keys, self.batch))
        if batch.total is not None:
            assert batch.complete == (batch.ended >= batch.total)

    @invariant()
    def leases_are_what_runs(self) -> None:
        if not hasattr(self, "cell"):
            return
        leases = set(self.cell.scores(self.cell.keys.leases()))
        assert leases == {claim.name for claim in self.running}


def test_no_order_of_events_loses_a_job_or_a_nano_dollar(store_url: str) -> None:
    machine = type("Machine", (LifeCycle,), {"address": StoreAddress.parse(store_url)})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=LIVES,
            stateful_step_count=STEPS,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
