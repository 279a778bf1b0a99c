"""Crowds: a huge batch cancelled, a huge tenant beside a small one, thousands of tenants."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

from homa_shared.model.ids import new_nonce
from homa_shared.model.tokens import NOTHING_USED
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.transitions.attempts import Claim, Report, requeue, take
from homa_shared.store.transitions.submit import Common, Entry, submit
from tests.chaos.outcome import Outcome
from tests.chaos.processes import until
from tests.chaos.servers import Server
from tests.chaos.world import MODEL, World, directory

#: No script may keep the store for longer than this, ms; the design aims at a few.
_LONGEST_SCRIPT_MS = 100


def cancelled_batch(lines: int = 100_000, *, seed: int = 31) -> Outcome:
    """A large batch is cancelled in mid-work: no call starts after it, and its records end in slices."""
    outcome = Outcome(f"batch of {lines:,} cancelled")
    concurrency = 20
    with World(seed=seed, latency_ms=500) as world:
        prompts = (f"Tell me about number {line}." for line in range(lines))
        batch = world.homa.submit_batch(prompts, model=MODEL, max_tokens=300)
        world.server.ask("CONFIG", "SET", "slowlog-log-slower-than", 1000)
        world.spawn(2, concurrency=concurrency)
        until(lambda: world.ended() > concurrency, "work is under way")
        began = time.monotonic()
        batch.cancel()
        cancel_ms = (time.monotonic() - began) * 1000
        received = world.simulator.get("/stats")["received"]
        running = len(world.leases())
        world.until_idle(300)
        ended_s = time.monotonic() - began
        calls = world.simulator.get("/stats")["received"]
        longest_ms = max((entry["duration"] for entry in _slow(world.server)), default=0) / 1000
        outcome.facts |= {"cancel took ms": round(cancel_ms), "records ended after s": round(ended_s, 1)}
        outcome.facts |= {"calls begun after it": max(0, calls - received), "in flight then": running}
        outcome.facts["longest script ms"] = round(longest_ms, 1)
        outcome.expect(
            calls <= received + running, f"{calls} calls, {received} before the cancel and {running} in flight"
        )
        outcome.expect(running <= 2 * concurrency, f"{running} in flight, {2 * concurrency} allowed")
        outcome.expect(longest_ms < _LONGEST_SCRIPT_MS, f"a script took {longest_ms:.0f} ms")
        progress = batch.progress()
        outcome.expect(progress.complete and progress.ended == lines, f"{progress}")
        outcome.expect(progress.succeeded <= received + running, f"{progress.succeeded} succeeded")
        return outcome.close(world.tally(batch))


def _slow(server: Server) -> list[dict[str, Any]]:
    entries: Any = server.ask("SLOWLOG", "GET", 128)
    return [entry if isinstance(entry, dict) else {"duration": entry[2]} for entry in entries]


def small_tenant(queued: int = 100_000, *, seed: int = 32, jobs: int = 10, within_s: float = 5.0) -> Outcome:
    """One tenant has a huge backlog; another's few jobs are not kept waiting by it."""
    outcome = Outcome(f"ten jobs beside another tenant's {queued:,}")
    with World(seed=seed, latency_ms=300, sigma=0.2) as world:
        prompts = (f"Tell me about number {line}." for line in range(queued))
        big = world.homa.submit_batch(prompts, model=MODEL, max_tokens=300, tenant="big")
        world.spawn(2, concurrency=10)
        until(lambda: world.ended() > 20, "work is under way")
        began = time.monotonic()
        small = world.submit(jobs, tenant="small")
        until(lambda: small.progress().complete, "the small tenant's jobs have ended", 60)
        took_s = time.monotonic() - began
        behind = big.progress()
        outcome.facts |= {"the ten took s": round(took_s, 1), "the other's still queued": queued - behind.ended}
        outcome.expect(took_s < within_s, f"they took {took_s:.1f} s")
        outcome.expect(not behind.complete, "the large backlog was gone before")
        big.cancel()
        world.until_idle(300)
        return outcome.close(world.tally(small))


def many_tenants(tenants: int = 10_000, *, takes: int = 200, slots: int = 10) -> Outcome:
    """What a take costs the store with one tenant waiting, and with thousands."""
    outcome = Outcome(f"take beside {tenants:,} tenants")
    with ExitStack() as stack:
        own = stack.enter_context(directory())
        server = Server(own, fsync="no").start()
        stack.callback(server.kill)
        crowds = {count: _crowd(server, stack, count, tenants) for count in (1, tenants)}
        # By turns and the least of some, so that a busy machine slows both down alike.
        runs = [{count: _take_us(server, store, takes, slots) for count, store in crowds.items()} for _ in range(3)]
        micros = {count: min(run[count] for run in runs) for count in crowds}
        ratio = micros[tenants] / micros[1]
        outcome.facts |= {"µs, one tenant": round(micros[1]), "µs, all of them": round(micros[tenants])}
        outcome.facts["ratio"] = round(ratio, 2)
        outcome.expect(ratio <= 2, f"a take costs {ratio:.2f} × as much")
        return outcome.close()


def _crowd(server: Server, stack: ExitStack, tenants: int, jobs: int) -> Store:
    """A namespace in which so many tenants have jobs waiting, as many jobs in all."""
    store = Store(StoreAddress.parse(server.url), f"n{tenants}", role="chaos")
    stack.callback(store.close)
    each = jobs // tenants
    for tenant in range(tenants):
        common = Common("p", "default", "p:m", f"tenant-{tenant}")
        for start in range(0, each, 500):
            entries = [Entry(f"{tenant}-{i}", b"{}") for i in range(start, min(each, start + 500))]
            store.run(submit(store.keys, common, entries))
    return store


def _take_us(server: Server, store: Store, takes: int, slots: int) -> float:
    """Mean time of a take in the store, µs. What was taken goes back after each, so that all see the same backlog."""
    spent = 0
    for _ in range(takes):
        server.ask("CONFIG", "RESETSTAT")
        taken = store.run(
            take(
                store.keys,
                worker="w",
                nonce=new_nonce(),
                slots=slots,
                lease_ms=30_000,
                provider="p",
                suspects=0,
                queues=["p"],
            )
        )
        assert len(taken.claims) == slots
        stats = server.info("commandstats")["cmdstat_evalsha"]
        spent += stats["usec"]
        for claim in taken.claims:
            _give_back(store, claim)
    return spent / takes


def _give_back(store: Store, claim: Claim) -> None:
    report = Report("released", used=NOTHING_USED)
    store.run(requeue(store.keys, (claim.id, claim.attempt), "job.released", delay_ms=0, report=report, counts=False))
