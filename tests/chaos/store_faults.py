"""Faults of the store: away, losing replies, failing over, full."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from homa_shared.model.errors import StoreFull
from tests.chaos.outcome import Outcome
from tests.chaos.processes import until
from tests.chaos.proxy import LossyProxy
from tests.chaos.servers import Server
from tests.chaos.world import MODEL, World, directory

#: Jobs may wait so long for a store that came back, s.
_STUCK_S = 60.0
#: A failover may hold work up for so long, s.
_WORK_AGAIN_S = 30.0


def outage(away_s: float = 10.0, *, seed: int = 11, jobs: int = 300, latency_ms: float = 1500) -> Outcome:
    """The store is killed in mid-work, stays away, and starts again from its append-only file."""
    outcome = Outcome(f"store away for {away_s:g} s")
    with World(seed=seed, latency_ms=latency_ms, sigma=0.7) as world:
        batch = world.submit(jobs)
        crew = world.spawn(2, concurrency=25)
        until(lambda: world.ended() > jobs // 10, "work is under way")
        in_flight = len(world.leases())
        world.server.kill()
        outcome.kills = 1
        time.sleep(away_s)
        world.server.start()
        back = time.monotonic()
        world.until_idle(_STUCK_S)
        tally = world.tally(batch)
        outcome.facts |= {"in flight when it went": in_flight, "drained s after": round(time.monotonic() - back, 1)}
        outcome.expect(all(worker.alive for worker in crew), "a worker ended")
        outcome.expect(tally.called_twice == 0, f"{tally.called_twice} live calls were repeated")
        outcome.expect(tally.bill == tally.known, f"bill {tally.bill} is not the ledger {tally.known}")
        outcome.expect(tally.succeeded == tally.jobs, f"{tally.jobs - tally.succeeded} jobs did not succeed")
        return outcome.close(tally)


def lost_replies(drop: float = 0.01, *, seed: int = 12, jobs: int = 2000, mute: float = 0.2) -> Outcome:
    """A share of the store's replies never arrives: carried out, but nobody is told."""
    outcome = Outcome(f"{drop:.0%} of store replies dropped")
    with ExitStack() as stack:
        own = stack.enter_context(directory())
        server = Server(own).start()
        proxy = LossyProxy(server.port, seed=seed, drop=drop, mute=mute, delay_s=0.002).start()
        stack.callback(proxy.stop)
        # Leases of ten seconds: a worker whose reply never comes asks again after ten.
        with World(seed=seed, server=server, url=proxy.url, lease_s=30, latency_ms=300) as world:
            batch = world.submit(jobs)
            crew = world.spawn(2, concurrency=25)
            world.until_idle(240)
            proxy.drop = 0.0  # what is counted now is no part of the campaign
            tally = world.tally(batch)
            outcome.facts |= {"replies": proxy.passed, "lost": proxy.dropped, "of these mute": proxy.muted}
            outcome.expect(proxy.dropped > 0, "no reply was lost")
            outcome.expect(all(worker.alive for worker in crew), "a worker ended")
            outcome.expect(tally.called_twice == 0, f"{tally.called_twice} extra provider calls")
            outcome.expect(tally.bill == tally.known, f"bill {tally.bill} is not the ledger {tally.known}")
            return outcome.close(tally)


def forgotten(*, seed: int = 15, jobs: int = 300, forgets_s: float = 1.0) -> Outcome:
    """Power fails under `appendfsync everysec`: the store comes back without its last second.

    A process that is killed leaves to the kernel what it has written; only a machine that stops loses it. So the end of
    the append-only file is cut off, at whatever byte it had come to a second before.
    """
    outcome = Outcome(f"store comes back without its last {forgets_s:g} s", kills=1)
    with World(seed=seed, latency_ms=1000) as world:
        batch = world.submit(jobs)
        crew = world.spawn(2, concurrency=15)
        until(lambda: world.ended() > jobs // 10, "work is under way")
        kept_bytes, ended = world.server.appended_bytes(), world.ended()
        time.sleep(forgets_s)
        forgotten_ends, in_flight = world.ended() - ended, len(world.leases())
        world.server.kill()
        world.server.cut_off(kept_bytes)
        world.server.start()
        back = time.monotonic()
        world.until_idle(_STUCK_S)
        tally = world.tally(batch)
        outcome.facts |= {"ends forgotten, about": forgotten_ends, "calls that the ledger forgot": tally.unseen}
        outcome.facts["drained s after"] = round(time.monotonic() - back, 1)
        outcome.expect(tally.lost == 0, f"{tally.lost} jobs lost that were accepted before")
        outcome.expect(all(worker.alive for worker in crew), "a worker ended")
        # Whoever lives tells the store again what it has forgotten, before anything is handed out.
        outcome.facts["in flight when it went"] = in_flight
        outcome.expect(tally.called_twice == 0, f"{tally.called_twice} calls made twice though no worker died")
        return outcome.close(tally)


def failover(*, seed: int = 13, jobs: int = 300, lag_s: float = 0.5, latency_ms: float = 1000) -> Outcome:
    """The primary dies, sentinels promote a replica that is behind: what it had not got is counted and told."""
    outcome = Outcome(f"Sentinel failover, replica {lag_s:g} s behind", kills=1)
    with ExitStack() as stack:
        own = stack.enter_context(directory())
        primary, replica, sentinel, wire = watched_pair(own, stack)
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/main/0"
        with World(seed=seed, server=primary, url=url, latency_ms=latency_ms) as world:
            batch = world.submit(jobs)
            crew = world.spawn(2, concurrency=15)
            until(lambda: world.ended() > jobs // 10, "work is under way")
            if lag_s:
                # Sentinels put a replica right that follows by another way, after some seconds: it is put back here.
                replica.ask("REPLICAOF", "127.0.0.1", wire.port)
                until(lambda: replica.info("replication").get("master_link_status") == "up", "the replica follows")
                wire.mute, wire.drop = 1.0, 1.0
                time.sleep(lag_s)
            told = world.ended()
            primary.kill()
            gone = time.monotonic()
            known: Any = replica.ask("HMGET", world.store.keys.counters(), "submitted", "live")
            behind = told - (int(known[0]) - int(known[1]))
            until(lambda: replica.info("replication")["role"] == "master", "a new primary", 30)
            promoted_s, before = time.monotonic() - gone, world.ended()
            until(lambda: world.ended() > before, "work goes on", _WORK_AGAIN_S)
            again_s = time.monotonic() - gone
            world.until_idle(_STUCK_S)
            tally = world.tally(batch)
            outcome.facts |= {"new primary after s": round(promoted_s, 1), "work again after s": round(again_s, 1)}
            outcome.facts |= {"ends forgotten": behind, "calls that the ledger forgot": tally.unseen}
            outcome.expect(again_s <= _WORK_AGAIN_S, f"work went on after {again_s:.1f} s")
            outcome.expect(tally.lost == 0, f"{tally.lost} jobs lost that the replica knew")
            outcome.expect(all(worker.alive for worker in crew), "a worker ended")
            outcome.expect(tally.called_twice == 0, f"{tally.called_twice} calls made twice though no worker died")
            return outcome.close(tally)


def watched_pair(own: Path, stack: ExitStack) -> tuple[Server, Server, Server, LossyProxy]:
    """A primary, its replica, the sentinel that watches them, and the wire between the two."""
    primary = Server(own, appenddirname="primary").start()
    wire = LossyProxy(primary.port).start()
    stack.callback(wire.stop)
    replica = Server(own, appenddirname="replica", replicaof=f"127.0.0.1 {wire.port}", repl_diskless_sync_delay=0)
    for server in (primary, replica.start()):
        stack.callback(server.kill)
    until(lambda: replica.info("replication").get("master_link_status") == "up", "the replica follows")
    sentinel = Server.sentinel(own, primary)
    stack.callback(sentinel.kill)
    sentinel.start()
    sentinel.ask("SENTINEL", "DEBUG", "INFO-PERIOD", 1000)
    until(lambda: sentinel.ask("SENTINEL", "REPLICAS", "main"), "the sentinel knows the replica")
    return primary, replica, sentinel, wire


def full(*, seed: int = 14, maxmemory_bytes: int = 16_000_000, words: int = 2000) -> Outcome:
    """The store's memory is used up: submit refuses clearly, and what was accepted drains to its end."""
    outcome = Outcome("store full")
    with directory() as own:
        server = Server(own, fsync="no", maxmemory=maxmemory_bytes).start()
        with World(seed=seed, server=server, latency_ms=20) as world:
            accepted: list[str] = []
            refusal = ""
            while not refusal:
                try:
                    prompt = f"{len(accepted)}: " + "word " * words
                    accepted.append(world.homa.submit(prompt, model=MODEL, max_tokens=300).id)
                except StoreFull as error:
                    refusal = str(error)
            told = world.counters()
            world.spawn(2, concurrency=20)
            world.until_idle(120)
            after = world.counters()
            outcome.facts |= {"accepted": len(accepted), "refused with": refusal}
            outcome.expect("maxmemory" in refusal, f"the refusal does not say what to do: {refusal}")
            outcome.expect(told["live"] == len(accepted), f"{told['live']} live, {len(accepted)} accepted")
            outcome.expect(after.get("succeeded") == len(accepted), f"{after} of {len(accepted)} accepted jobs")
            world.homa.submit("There is room again.", model=MODEL, max_tokens=300).result(timeout=30)
            bill = world.simulator.get("/bill")["total"]
            outcome.expect(
                bill["requests"] == len(accepted) + 1, f"{bill['requests']} calls for {len(accepted) + 1} jobs"
            )
            return outcome.close(world.tally_of([*accepted]))
