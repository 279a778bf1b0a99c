"""What may cost money twice or too much: races for a budget, a burst of equal jobs, a dead provider, nothing at all."""

from __future__ import annotations

import time

from homa import Homa
from homa_shared.settings.model import load_settings
from tests.chaos.outcome import Outcome
from tests.chaos.processes import until
from tests.chaos.world import MODEL, World

_NANO_USD = 1_000_000_000
FALLBACK = "anthropic:claude-haiku-5-5"


def no_faults(*, seed: int = 21, jobs: int = 2000) -> Outcome:
    """Nothing goes wrong: the ledger is the bill, to the nano-dollar."""
    outcome = Outcome("none")
    with World(seed=seed, latency_ms=50) as world:
        batch = world.submit(jobs)
        world.spawn(2, concurrency=25)
        world.until_idle(240)
        tally = world.tally(batch)
        outcome.facts["bill - ledger, nano-dollars"] = tally.bill - tally.known
        outcome.expect(tally.bill == tally.known, f"bill {tally.bill} is not the ledger {tally.known}")
        outcome.expect(tally.unresolved == 0, f"{tally.unresolved} attempts are unresolved")
        return outcome.close(tally)


def budget_race(cap_usd: str = "1", *, seed: int = 22, processes: int = 5, workers_each: int = 10) -> Outcome:
    """Many workers race for one budget with far more work than it pays for."""
    outcome = Outcome(f"{processes * workers_each} workers race for {cap_usd} $")
    model = "openai:gpt-5.4-mini"
    cap = round(float(cap_usd) * _NANO_USD)
    # A reply of 200 tokens costs about a tenth of a cent.
    jobs = int(float(cap_usd) * 1200) + 50
    settings = {"HOMA_BUDGETS__RACE__CAP_USD": cap_usd}
    with World(seed=seed, latency_ms=100, settings=settings, simulate=("--output-tokens", "200")) as world:
        filling = world.homa.open_batch(model=model, max_tokens=300)
        filling.add(world.requests(filling.id, range(jobs)))
        batch = filling.seal()
        doctored = {"CHAOS_WORKERS": str(workers_each)}
        world.spawn(processes, concurrency=4, doctored=doctored)
        world.until_idle(240)
        tally = world.tally(batch)
        used = tally.known + tally.unresolved_nano
        outcome.overshoot = max(0, tally.bill - cap)
        outcome.facts |= {"rejected": tally.failed, "used of the cap": f"{used / cap:.2%}"}
        outcome.expect(used <= cap, f"{used} of {cap} nano-dollars used")
        outcome.expect(tally.bill <= cap, f"bill {tally.bill} is over the cap {cap}")
        outcome.expect(used >= cap * 97 // 100, f"only {used} of {cap} nano-dollars used")
        outcome.expect(tally.failed > 0, "the budget turned nothing away: no race")
        return outcome.close(tally)


def equal_burst(*, seed: int = 23, jobs: int = 1000) -> Outcome:
    """A thousand equal cached jobs at once; the worker that calls for all of them is killed."""
    outcome = Outcome(f"{jobs} equal cached jobs, leader killed", kills=1)
    with World(seed=seed, latency_ms=1500, sigma=0) as world:
        same = ({"prompt": "What is the capital of France?", "custom_id": str(i)} for i in range(jobs))
        batch = world.homa.submit_batch(same, model=MODEL, max_tokens=300, cache=True)
        crew = world.spawn(2, concurrency=20)
        leader = until(lambda: next((w for w in crew if w.ids and world.held_by(w)), None), "a leader calls")
        # Not frozen before: on a busy machine it may hold its job and not have called yet.
        until(lambda: world.simulator.get("/stats")["received"] == 1, "its call has arrived")
        world.freeze(leader)
        leader.kill()
        world.until_idle()
        tally = world.tally(batch)
        calls = world.simulator.get("/bill")["total"]["requests"]
        outcome.facts |= {"calls": calls, "replies": tally.succeeded}
        outcome.expect(calls == 2, f"{calls} calls; expected the killed one and one more")
        outcome.expect(tally.succeeded == jobs, f"{tally.succeeded} replies for {jobs} jobs")
        return outcome.close(tally)


def dead_provider(*, seed: int = 24, jobs: int = 500, concurrency: int = 8) -> Outcome:
    """A provider answers 503 to everything: a few probing calls, and all jobs go to their next target."""
    outcome = Outcome("dead provider")
    with World(seed=seed, latency_ms=100) as world:
        world.environment |= {
            "HOMA_PROVIDERS__ANTHROPIC__KIND": "anthropic",
            "HOMA_PROVIDERS__ANTHROPIC__API_KEY": "k",
            "HOMA_PROVIDERS__ANTHROPIC__BASE_URL": f"{world.simulator.url}/anthropic",
            "HOMA_PROVIDERS__ANTHROPIC__LIMITS__RPM": "600000",
        }
        with _client(world) as homa:
            filling = homa.open_batch(model=MODEL, max_tokens=300, fallbacks=[FALLBACK])
            filling.add(world.requests(filling.id, range(jobs), prompt="[[fault:503@openai]] Say {}."))
            batch = filling.seal()
            world.spawn(2, providers=("openai", "anthropic"), concurrency=concurrency)
            until(lambda: world.ended(), "the first job has ended")
            began, before = time.monotonic(), world.ended()
            world.until_idle(240)
            rate = (jobs - before) / max(0.1, time.monotonic() - began)
            tally = world.tally(batch)
        seconds = world.simulator.get("/stats")["per_second"]
        probes = sum(received for _, received, *_ in seconds.get("openai/gpt-6-luna", []))
        outcome.facts |= {"calls to the dead one": probes, "jobs a second at the next target": round(rate)}
        # What was in flight when it died, then one probe each time that the breaker's pause is over.
        most = 2 * concurrency + 10
        outcome.expect(probes <= most, f"{probes} calls to the dead provider, expected at most {most}")
        outcome.expect(tally.succeeded == jobs, f"{jobs - tally.succeeded} jobs did not succeed")
        return outcome.close(tally)


def _client(world: World) -> Homa:
    return Homa(settings=load_settings(env=world.environment, cwd=world.directory))
