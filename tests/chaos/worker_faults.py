"""Faults of workers: killed, frozen, with a wrong clock, killed by what they work on."""

from __future__ import annotations

import time
from random import Random
from unittest import mock

from homa_shared.store import reads
from tests.chaos.outcome import Outcome
from tests.chaos.processes import Worker, until
from tests.chaos.world import MODEL, World

#: A prompt with this text kills a doctored worker.
LETHAL = "the deadly prompt"


def kills(rounds: int = 100, *, seed: int = 1, workers: int = 3, jobs_a_round: int = 30) -> Outcome:
    """`kill -9` of a random worker at a random moment, round after round, while jobs keep coming."""
    outcome, random = Outcome("kill -9 of workers", rounds), Random(seed)
    with World(seed=seed, latency_ms=300) as world:
        filling = world.homa.open_batch(model=MODEL, max_tokens=300)
        crew = world.spawn(workers, concurrency=8)
        in_flight = 0
        for i in range(rounds):
            filling.add(world.requests(filling.id, range(i * jobs_a_round, (i + 1) * jobs_a_round)))
            filling.flush()
            time.sleep(random.uniform(0.1, 1.0))
            victim = crew.pop(random.randrange(len(crew)))
            assert victim.ids
            in_flight += len(world.freeze(victim))
            victim.kill()
            outcome.kills += 1
            crew += world.spawn(concurrency=8)
        batch = filling.seal()
        world.until_idle(120)
        tally = world.tally(batch)
        # Three lost leases are poison, whoever lost them: at so many kills a few jobs meet three by chance.
        unlucky = [line.job_id for line in batch.results() if not line.ok]
        leases_lost = [world.homa.job(job_id).view().job.expired_leases for job_id in unlucky]
        outcome.facts |= {"calls in flight at kills": in_flight, "failed, having met three kills": len(unlucky)}
        outcome.expect(tally.called_twice <= in_flight, f"{tally.called_twice} calls made twice, {in_flight} in flight")
        outcome.expect(tally.unresolved <= in_flight, f"{tally.unresolved} unresolved, {in_flight} in flight")
        outcome.expect(
            leases_lost == [3] * len(unlucky), f"jobs failed after {leases_lost} lost leases, not three each"
        )
        return outcome.close(tally)


def frozen(*, seed: int = 2, jobs: int = 60) -> Outcome:
    """SIGSTOP of a worker for two leases: others take over, its late replies are fenced and their cost recorded."""
    outcome = Outcome("SIGSTOP for two leases")
    with World(seed=seed, latency_ms=1000, sigma=0.2) as world:
        batch = world.submit(jobs)
        sleeper, _ = world.spawn(2, concurrency=10)
        until(lambda: len(world.held_by(sleeper)) >= 5, "the worker has calls in flight")
        held = world.freeze(sleeper)
        time.sleep(2 * world.lease_s)
        until(lambda: not world.held_by(sleeper), "others took over")
        sleeper.thaw()
        world.until_idle()
        unresolved = world.store.run(reads.unresolved(world.store.keys))
        until(lambda: not world.store.run(reads.unresolved(world.store.keys)), "late replies are settled", 30)
        tally = world.tally(batch)
        outcome.facts |= {"in flight when stopped": len(held), "unresolved at the end of work": len(unresolved)}
        outcome.expect(tally.called_twice <= len(held), f"{tally.called_twice} called twice, {len(held)} in flight")
        outcome.expect(tally.bill == tally.known, f"bill {tally.bill} is not the ledger {tally.known}")
        outcome.expect(sleeper.alive, "the frozen worker ended")
        return outcome.close(tally)


def clocks(*, seed: int = 3, jobs: int = 100, wrong_by_s: int = 300) -> Outcome:
    """Workers whose clocks are wrong by five minutes either way, and an application whose clock is: nothing changes."""
    outcome = Outcome("clocks ± 5 min")
    with World(seed=seed, latency_ms=200) as world:
        right = time.time
        with mock.patch("time.time", side_effect=lambda: right() + wrong_by_s):
            batch = world.submit(jobs, deadline_s=60)
            later = world.submit(5, delay_s=3, deadline_s=60)
        submitted = time.monotonic()
        for sign in (1, -1):
            world.spawn(concurrency=10, doctored={"CHAOS_CLOCK_S": str(sign * wrong_by_s)})
        until(lambda: later.progress().ended > 0, "a delayed job has ended")
        delayed_s = time.monotonic() - submitted
        world.until_idle()
        tally = world.tally(batch, later)
        outcome.facts["delay of 3 s lasted s"] = round(delayed_s, 1)
        outcome.expect(delayed_s >= 3, f"jobs delayed by 3 s ended after {delayed_s:.1f} s")
        outcome.expect(tally.succeeded == tally.jobs, f"{tally.jobs - tally.succeeded} jobs did not succeed")
        outcome.expect(tally.called_twice == 0, f"{tally.called_twice} calls made twice")
        outcome.expect(tally.bill == tally.known, f"bill {tally.bill} is not the ledger {tally.known}")
        return outcome.close(tally)


def lethal(*, seed: int = 4, jobs: int = 60, deadly: int = 1, workers: int = 2) -> Outcome:
    """Jobs that kill whichever worker runs them, among innocent ones; dead workers are started again."""
    outcome = Outcome("a job that kills its worker")
    with World(seed=seed, latency_ms=300) as world:
        guilty = world.submit(deadly, prompt=LETHAL + " {}", lane="default")
        innocent = world.submit(jobs, lane="default")

        def start(count: int = 1) -> list[Worker]:
            return world.spawn(count, concurrency=6, doctored={"CHAOS_LETHAL": LETHAL})

        crew = start(workers)

        def idle() -> bool:
            for i, worker in enumerate(crew):
                if not worker.alive:
                    outcome.kills += 1
                    worker.kill()
                    crew[i] = start()[0]
            return not world.counters().get("live", 0)

        until(idle, "every job has ended", 120, poll_s=0.1)
        poisoned = [world.homa.job(f"{guilty.id}-{line}").view().job for line in range(deadly)]
        tally = world.tally(guilty, innocent)
        outcome.facts["expired leases of the guilty"] = ", ".join(str(job.expired_leases) for job in poisoned)
        outcome.expect(all(job.state == "failed" for job in poisoned), "a guilty job did not fail")
        outcome.expect(all(job.expired_leases == 3 for job in poisoned), "a guilty job did not fail at its third death")
        progress = innocent.progress()
        outcome.expect(progress.succeeded == jobs, f"{jobs - progress.succeeded} innocent jobs did not succeed")
        return outcome.close(tally)
