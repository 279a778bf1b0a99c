"""Recovery: leases that ran out, jobs that kill their workers, outages of everybody, stores that came back older."""

from __future__ import annotations

from homa_shared.calls.failures import Charge
from homa_shared.model.records import State
from homa_shared.store import reads
from homa_shared.store.transitions import admin
from homa_shared.store.transitions.attempts import leave, renew, sweep
from tests.transitions.cell import BOUND, COST, LEASE_MS, MODEL, Cell


def beat(cell: Cell, *attempts: str, worker: str = "w") -> list[str]:
    facts = {"provider": "p", "queues": ["p"]}
    return cell.run(renew(cell.keys, worker=worker, lease_ms=LEASE_MS, facts=facts, attempts=attempts)).lost


def test_a_lost_job_goes_back_to_the_head_of_its_group(cell: Cell) -> None:
    cell.submit("a", "b", "c")
    first = cell.claim()
    cell.submit("h", lane="high")
    cell.lose(first)
    assert cell.taken(2) == ["h", "a"]
    assert "job.recovered" in cell.events()


def test_its_attempt_stands_unresolved_at_its_bound(cell: Cell) -> None:
    cell.submit("a")
    cell.lose(cell.claim())
    table = cell.run(reads.costs(cell.keys))
    assert (table.nano_usd, table.unresolved_nano_usd) == (0, BOUND)
    assert cell.run(reads.unresolved(cell.keys))[0][0] == "a:1"


def test_after_three_lost_leases_a_job_is_poisoned(cell: Cell) -> None:
    cell.submit("a")
    for _ in range(3):
        assert cell.state("a") is State.QUEUED
        cell.lose(cell.claim())
    assert cell.state("a") is State.FAILED
    assert cell.error("a")["kind"] == "poisoned"


def test_only_lost_leases_count_towards_poison(cell: Cell) -> None:
    cell.submit("a")
    for _ in range(4):
        cell.requeue(cell.claim(), outcome="ambiguous", charge=Charge.UNRESOLVED)
    assert cell.job("a").expired_leases == 0
    assert cell.state("a") is State.QUEUED


def test_the_last_attempt_is_not_repeated(cell: Cell) -> None:
    cell.submit("a", max_attempts=1)
    cell.lose(cell.claim())
    assert cell.error("a")["kind"] == "lost"


def test_a_job_that_must_not_be_ambiguous_fails_when_its_worker_is_lost(cell: Cell) -> None:
    cell.submit("a", on_ambiguous="fail")
    cell.lose(cell.claim())
    assert cell.error("a")["kind"] == "ambiguous"


def test_a_lost_job_that_was_cancelled_or_is_late_ends(cell: Cell) -> None:
    cell.submit("a")
    cell.submit("b", deadline_ms=60_000)
    first, second = cell.take().claims
    cell.run(admin.cancel(cell.keys, ["a"]))
    cell.redis("HSET", cell.keys.job("b"), "dl", 1)
    cell.lose(first)
    cell.lose(second)
    assert (cell.state("a"), cell.state("b")) == (State.CANCELLED, State.EXPIRED)


def suspects(cell: Cell, *ids: str) -> None:
    for job_id in ids:
        cell.redis("HSET", cell.keys.job(job_id), "px", 2)


def test_no_two_suspects_run_beside_each_other(cell: Cell) -> None:
    cell.submit("s1", "s2", "a", "b")
    suspects(cell, "s1", "s2")
    assert cell.taken(10) == ["s1", "a", "b"]
    assert cell.taken(10, suspects=1) == []
    assert cell.taken(10, worker="w2") == ["s2"]


def test_a_suspect_passed_over_is_not_forgotten(cell: Cell) -> None:
    cell.submit("s1", "a")
    suspects(cell, "s1")
    assert cell.taken(10, suspects=1) == ["a"]
    assert cell.taken(10) == ["s1"]


def test_many_suspects_do_not_hide_those_behind_them(cell: Cell) -> None:
    accused = [f"s{i}" for i in range(40)]
    innocent = {f"a{i}" for i in range(20)}
    cell.submit(*accused, *sorted(innocent))
    suspects(cell, *accused)
    taken: set[str] = set()
    for _ in range(200):
        taken |= set(cell.taken(20, suspects=1))
    assert taken == innocent


def test_a_suspect_does_not_hide_other_tenants(cell: Cell) -> None:
    cell.submit("s1", tenant="t1")
    cell.submit("a", tenant="t2")
    suspects(cell, "s1")
    assert cell.taken(10, suspects=1) == ["a"]


def test_a_worker_that_lives_keeps_its_leases(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    cell.redis("ZADD", cell.keys.leases(), 1, claim.name)
    assert beat(cell, claim.name) == []
    cell.sweep()
    assert cell.state("a") is State.RUNNING


def test_a_worker_is_told_what_it_has_lost(cell: Cell) -> None:
    cell.submit("a", "b")
    first, second = cell.take().claims
    cell.lose(first)
    assert beat(cell, first.name, second.name, "nobody:1") == [first.name, "nobody:1"]


def test_after_a_gap_of_the_whole_fleet_no_lease_is_judged_at_once(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    beat(cell, claim.name)
    cell.redis("HSET", cell.keys.beat(), "last", cell.now() - 3_600_000)
    cell.redis("ZADD", cell.keys.leases(), 1, claim.name)
    beat(cell, worker="other")
    cell.sweep()
    assert cell.state("a") is State.RUNNING
    cell.redis("HSET", cell.keys.beat(), "grace", 1)
    cell.sweep()
    assert cell.state("a") is State.QUEUED


def test_housekeeping_that_comes_back_first_waits_as_well(cell: Cell) -> None:
    cell.submit("a")
    claim = cell.claim()
    beat(cell, claim.name)
    cell.redis("HSET", cell.keys.beat(), "last", cell.now() - 3_600_000)
    cell.redis("ZADD", cell.keys.leases(), 1, claim.name)
    cell.sweep()
    assert cell.state("a") is State.RUNNING


class OlderStore:
    """The store as it was at some moment, to be put back."""

    def __init__(self, cell: Cell) -> None:
        self.cell = cell
        self.kept = {key: cell.redis("DUMP", key) for key in cell.redis("KEYS", f"{cell.keys.prefix}*")}

    def comes_back(self) -> None:
        for key in self.cell.redis("KEYS", f"{self.cell.keys.prefix}*"):
            self.cell.redis("DEL", key)
        for key, value in self.kept.items():
            self.cell.redis("RESTORE", key, 0, value)


def test_a_call_in_flight_that_the_store_forgot_is_re_asserted(cell: Cell) -> None:
    scope = cell.plan(conc=5)
    cell.budget(1000)
    cell.submit("a", "b")
    before = OlderStore(cell)
    claim = cell.claim()
    before.comes_back()
    assert beat(cell, claim.name) == []
    assert cell.state("a") is State.RUNNING
    assert cell.numbers(cell.keys.budget("b"))["reserved"] == BOUND
    assert cell.numbers(cell.keys.scope("p"))["busy"] == cell.numbers(cell.keys.scope(scope))["busy"] == 1
    assert cell.taken() == ["b"]
    assert cell.settle(claim) == "ok"
    assert cell.numbers(cell.keys.budget("b"))["spent"] == COST


def test_a_reply_to_a_call_that_the_store_forgot_is_kept(cell: Cell) -> None:
    cell.submit("a")
    before = OlderStore(cell)
    claim = cell.claim()
    before.comes_back()
    assert cell.settle(claim) == "ok"
    assert cell.state("a") is State.SUCCEEDED
    assert cell.counters()["live"] == 0
    assert cell.run(reads.costs(cell.keys)).nano_usd == COST


def test_a_failure_that_the_store_forgot_is_written_down(cell: Cell) -> None:
    cell.submit("a", "b")
    before = OlderStore(cell)
    first, second = cell.take().claims
    before.comes_back()
    assert cell.fail(first, charge=Charge.ACTUAL, nano=9) == "ok"
    assert cell.requeue(second, charge=Charge.ACTUAL, nano=4) == "ok"
    assert cell.run(reads.costs(cell.keys)).nano_usd == 13
    assert cell.claim().attempt == 2


def test_a_later_attempt_takes_over_what_an_older_one_reserved(cell: Cell) -> None:
    cell.plan(conc=5)
    cell.budget(1000)
    cell.submit("a")
    first = cell.claim()
    before = OlderStore(cell)
    cell.requeue(first)
    second = cell.claim()
    before.comes_back()
    assert beat(cell, second.name) == []
    assert cell.scores(cell.keys.leases()).keys() == {"a:2"}
    cell.settle(second)
    assert cell.numbers(cell.keys.budget("b"))["reserved"] == 0
    assert cell.numbers(cell.keys.scope("p"))["busy"] == 0


def test_a_forgotten_message_is_re_asserted_without_limits(cell: Cell) -> None:
    cell.submit("m", kind="m", target="actor")
    before = OlderStore(cell)
    claim = cell.claim()
    before.comes_back()
    assert beat(cell, claim.name) == []
    assert cell.state("m") is State.RUNNING
    assert cell.numbers(cell.keys.scope("p")) == {}


def test_workers_live_by_their_beats(cell: Cell) -> None:
    beat(cell, worker="w1")
    beat(cell, worker="w2")
    cell.redis("ZADD", cell.keys.workers(), cell.now() - 60_000, "w2")
    rows = cell.run(reads.workers(cell.keys))
    assert [(row.id, row.live, row.facts["provider"]) for row in rows] == [("w1", True, "p"), ("w2", False, "p")]
    assert cell.run(reads.live_workers(cell.keys, "p")) == 1
    assert cell.run(reads.live_workers(cell.keys, "q")) == 0
    cell.run(leave(cell.keys, "w1"))
    assert cell.run(reads.live_workers(cell.keys, "p")) == 0


def test_housekeeping_is_done_in_slices(cell: Cell) -> None:
    cell.submit(*(f"j{i}" for i in range(25)))
    for claim in cell.take(25).claims:
        cell.redis("ZADD", cell.keys.leases(), 1, claim.name)
    cell.sweep(slice_size=10)
    assert cell.counters()["live"] == 25
    assert cell.scores(cell.keys.leases()) == {}
    assert len(cell.scores(cell.keys.backlog("p", "default", MODEL, ""))) == 25


def test_housekeeping_trims_what_retention_no_longer_keeps(cell: Cell) -> None:
    cell.config(**{"keep.results": 1000, "keep.ledger": 1000})
    cell.submit("a")
    cell.fail(cell.claim())
    cell.redis("ZADD", cell.keys.ended(), 1, "a")
    cell.redis("ZADD", cell.keys.unresolved(), 1, "a:1")
    cell.redis("ZADD", cell.keys.workers(), 1, "gone")
    cell.redis("ZADD", cell.keys.batches(), 1, "gone")
    cell.redis("SADD", cell.keys.budgets(), "gone")
    cell.sweep()
    for key in (cell.keys.ended(), cell.keys.unresolved(), cell.keys.workers(), cell.keys.batches()):
        assert cell.scores(key) == {}
    assert cell.redis("SCARD", cell.keys.budgets()) == 0


def test_housekeeping_keeps_up_with_a_busy_ledger(cell: Cell) -> None:
    cell.config(**{"keep.ledger": 1000, "keep.results": 1000})
    for start in range(0, 30_000, 5000):
        cell.redis(
            "EVAL",
            f"for i = {start + 1}, {start + 5000} do redis.call('XADD', KEYS[1], i .. '-0', 'job', 'old') end",
            1,
            cell.keys.ledger(),
        )
    cell.sweep()
    assert cell.redis("XLEN", cell.keys.ledger()) < 1000


def test_lines_of_the_ledger_stay_as_long_as_the_results_that_are_found_by_them(cell: Cell) -> None:
    cell.config(**{"keep.ledger": 1000, "keep.results": 3_600_000})
    cell.redis(
        "EVAL",
        "local t = redis.call('TIME')[1] - 600; "
        "for i = 1, 1000 do redis.call('XADD', KEYS[1], t .. '000-' .. i, 'job', 'old') end",
        1,
        cell.keys.ledger(),
    )
    cell.sweep()
    assert cell.redis("XLEN", cell.keys.ledger()) == 1000


def test_ends_of_one_moment_are_trimmed_in_slices(cell: Cell) -> None:
    cell.config(**{"keep.results": 1000})
    for start in range(0, 3000, 1000):
        cell.redis("ZADD", cell.keys.ended(), *(part for i in range(1000) for part in (1, f"j{start + i}")))
    cell.redis("HDEL", cell.keys.beat(), "swept")
    assert cell.run(sweep(cell.keys, slice_size=500, lease_ms=LEASE_MS)), "there is more to do"
    assert cell.redis("ZCARD", cell.keys.ended()) == 2500
    cell.sweep()
    assert cell.redis("ZCARD", cell.keys.ended()) == 0


def test_batches_that_stay_do_not_hide_those_that_are_gone(cell: Cell) -> None:
    for i in range(5):
        cell.run(admin.open_batch(cell.keys, f"stays{i}", {}))
        cell.redis("ZADD", cell.keys.batches(), 1 + i, f"stays{i}")
    cell.redis("ZADD", cell.keys.batches(), 10, "gone")
    for _ in range(20):
        cell.redis("HDEL", cell.keys.beat(), "swept", "trimmed")
        cell.run(sweep(cell.keys, slice_size=3, lease_ms=LEASE_MS))
    assert cell.redis("ZSCORE", cell.keys.batches(), "gone") is None
    assert cell.redis("ZCARD", cell.keys.batches()) == 5


def test_housekeeping_goes_on_when_the_stores_clock_was_set_back(cell: Cell) -> None:
    ahead = cell.now() + 3_600_000
    cell.redis("HSET", cell.keys.beat(), "swept", ahead, "last", ahead, "grace", ahead, "trimmed", ahead)
    cell.run(sweep(cell.keys, slice_size=500, lease_ms=LEASE_MS))
    beat = cell.numbers(cell.keys.beat())
    assert beat["swept"] < ahead
    assert beat["grace"] <= cell.now() + LEASE_MS, "leases are judged again after one lease"


def test_no_bound_is_so_large_that_it_could_not_be_written_down(cell: Cell) -> None:
    cell.submit("a", bound=10**30)
    cell.submit("b")
    for claim in cell.take(2).claims:
        cell.redis("ZADD", cell.keys.leases(), 1, claim.name)
    cell.sweep()
    assert [cell.state(job_id) for job_id in "ab"] == [State.QUEUED] * 2
    assert cell.run(reads.costs(cell.keys)).unresolved_nano_usd > 10**15
