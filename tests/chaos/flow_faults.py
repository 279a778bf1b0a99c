"""Faults under a run of a flow: workers are killed, and so is the client that puts documents into it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from random import Random

from homa import FlowResult, Reply
from homa_shared.model.ids import batch_job_id
from homa_shared.store.operation import number, read
from tests.chaos.flow_bill import by_node
from tests.chaos.flow_client import FAN_IN
from tests.chaos.outcome import Outcome
from tests.chaos.processes import Client, Worker, until
from tests.chaos.tally import take_tally
from tests.chaos.world import World

#: What a step, and the start of a process, may take on a busy machine, s.
_STEP_S, _START_S = 0.1, 60.0


@dataclass(slots=True)
class _Run:
    """One run, and the processes that are killed under it."""

    world: World
    documents: int
    pages: int
    cap_usd: str
    random: Random
    #: Calls at once of a worker.
    concurrency: int
    crew: list[Worker] = field(default_factory=list)
    clients: int = 0
    #: Attempts that workers held when they were killed.
    in_flight: int = 0

    @property
    def steps(self) -> int:
        """Jobs, where nothing fails: maps, and the trees above them."""
        at_level, above = self.pages, 0
        while at_level > 1:
            at_level = -(-at_level // FAN_IN)
            above += at_level
        return self.documents * (self.pages + max(1, above))

    @property
    def patience_s(self) -> float:
        return 5 * _START_S + self.steps * _STEP_S

    def client(self) -> Client:
        self.clients += 1
        log = self.world.directory / f"client-{self.clients}.log"
        module = "tests.chaos.flow_client"
        return Client(self.world.environment, log, module, str(self.documents), str(self.pages), self.cap_usd)

    def id(self) -> str:
        """Of the run, once a client has opened it; empty until then."""
        return next((batch.id for batch in self.world.homa.batches()), "")

    def inputs(self) -> int:
        found = self.id()
        return self.world.homa.flow_run(found).progress().inputs if found else 0

    def kill_worker(self) -> None:
        lost = self.crew.pop(self.random.randrange(len(self.crew)))
        until(lambda: " serves" in lost.log(), "a worker serves", self.patience_s)
        self.in_flight += len(self.world.freeze(lost))
        lost.kill()
        self.crew += self.world.spawn(concurrency=self.concurrency)


def kills(
    documents: int = 200, pages: int = 60, *, of_workers: int = 15, of_clients: int = 5, seed: int = 51
) -> Outcome:
    """`kill -9` of random workers all along a run, and of its client as long as it submits."""
    outcome = Outcome("kill -9 under a flow", of_workers + of_clients)
    with World(seed=seed, latency_ms=200) as world:
        run = _Run(world, documents, pages, "20", Random(seed), concurrency=40)
        _close(_killed(run, outcome, of_workers, of_clients), outcome, suffices=True)
    return outcome


def kills_on_a_budget(
    documents: int = 50,
    pages: int = 60,
    *,
    cap_usd: str = "0.01",
    of_workers: int = 6,
    of_clients: int = 3,
    concurrency: int = 10,
    seed: int = 52,
) -> Outcome:
    """The same where the budget does not suffice: what killed calls may have cost counts, and nothing goes over it."""
    outcome = Outcome("kill -9 under a flow, small budget", of_workers + of_clients)
    with World(seed=seed, latency_ms=200) as world:
        run = _Run(world, documents, pages, cap_usd, Random(seed), concurrency)
        _close(_killed(run, outcome, of_workers, of_clients), outcome, suffices=False)
    return outcome


def _moments(random: Random, end: int, count: int) -> list[int]:
    """How far a count up to an end has come at so many moments, in their order: not so late that it might be over."""
    return sorted(random.sample(range(1, max(count + 2, end * 3 // 4)), count))


def _killed(run: _Run, outcome: Outcome, of_workers: int, of_clients: int) -> _Run:
    """The run when all has ended, its workers and clients killed when it had come to random places."""
    inputs, ended = _moments(run.random, run.documents, of_clients), _moments(run.random, run.steps, of_workers)
    run.crew = run.world.spawn(2, concurrency=run.concurrency)
    client, give_up_s = run.client(), time.monotonic() + run.patience_s
    while inputs or ended:
        assert time.monotonic() < give_up_s, f"it stands still: {inputs} inputs, {ended} ends are waited for"
        if inputs and run.inputs() >= inputs[0]:
            inputs.pop(0)
            outcome.expect(client.alive, "a client had done its work before it was to be killed")
            client.kill()
            client = run.client()
            outcome.kills += 1
        if ended and run.world.ended() >= ended[0]:
            ended.pop(0)
            run.kill_worker()
            outcome.kills += 1
        time.sleep(0.02)
    client.finish(run.patience_s)
    run.world.until_idle(run.patience_s)
    return run


def _close(run: _Run, outcome: Outcome, *, suffices: bool) -> None:
    world, found = run.world, run.world.homa.flow_run(run.id())
    progress, results = found.progress(), list(found.results(timeout=60))
    jobs = [batch_job_id(found.id, line) for line in range(sum(step.made for step in progress.steps.values()))]
    bill = by_node(world.store, jobs, world.simulator.get("/bill/charges"))
    tally = take_tally(world.store, jobs, bill, world.simulator.get("/stats"))
    lost, bound = _leases_lost(world, jobs), _largest_bound(world, jobs)
    cap = int(Decimal(run.cap_usd) * 10**9)
    outcome.overshoot = max(0, tally.bill - cap)
    why = Counter(failure.kind for result in results for failure in result.failures)
    missing = sum(len(numbers) for result in results for numbers in result.missing.values())
    used = tally.known + tally.unresolved_nano
    outcome.facts |= {
        "clients": run.clients,
        "calls in flight at kills": run.in_flight,
        "pages that answers do without": missing,
        "documents without an answer": ", ".join(f"{n} {kind}" for kind, n in why.items()) or 0,
        "used of the budget": f"{used / cap:.1%}",
    }
    outcome.expect(progress.state == "complete", f"the run is {progress.state}")
    outcome.expect(len(results) == run.documents, f"{len(results)} results for {run.documents} documents")
    for result in results:
        outcome.expect(_is_whole(result, run.pages), f"document {result.number}: its answer is not made of its pages")
    facts, whole = progress.steps["facts"], progress.steps["whole"]
    outcome.expect(facts.made == run.documents * run.pages, f"{facts.made} maps for {run.documents * run.pages} pages")
    if suffices:
        outcome.expect(facts.made + whole.made == run.steps, f"{whole.made} reduces: a step was lost, or made twice")
        # Chance may kill what runs a step three times; that is told, and no step else fails.
        outcome.expect(set(why) <= {"poisoned"}, f"documents failed with {why}")
        outcome.expect(facts.failed == missing, f"{facts.failed} maps failed, {missing} pages are told as missing")
    else:
        outcome.expect(used + bound > cap, f"only {used} of {cap} nano-dollars used, {bound} for the largest call")
        outcome.expect(tally.failed > 0, "the budget turned nothing away")
    outcome.expect(used <= cap, f"{used} of {cap} nano-dollars used")
    # On a busy machine a worker that lives may lose a lease, too.
    outcome.expect(tally.called_twice <= lost, f"{tally.called_twice} calls made twice, {lost} leases lost")
    outcome.close(tally)


def _leases_lost(world: World, jobs: Sequence[str]) -> int:
    return sum(_numbers(world, jobs, "px"))


def _largest_bound(world: World, jobs: Sequence[str]) -> int:
    return max(_numbers(world, jobs, "bn"))


def _numbers(world: World, jobs: Sequence[str], field: str) -> list[int]:
    """A field of the jobs' records."""
    keys = world.store.keys
    return world.ask(
        read([("HGET", keys.job(job), field) for job in jobs], lambda told: [number(each) for each in told])
    )


def _is_whole(result: FlowResult, pages: int) -> bool:
    """Whether an answer has each page once, in order, but for those that it is told to lack."""
    answer, missing = result.answers["whole"], result.missing.get("whole", ())
    if not isinstance(answer, Reply):
        return True
    return answer.text.split("\n\n") == [f"<{result.number}.{page}>" for page in range(pages) if page not in missing]
