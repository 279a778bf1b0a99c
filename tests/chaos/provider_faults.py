"""Providers that lie, count otherwise, hang or answer anything: work goes on, inside the limit and on the books."""

from __future__ import annotations

import time
from pathlib import Path

from tests.chaos.outcome import Outcome
from tests.chaos.processes import Worker, until
from tests.chaos.world import World

#: What headers of replies and of refusals may say; None: the header is missing.
_HEADERS: tuple[dict[str, str | None], ...] = (
    {"x-ratelimit-limit-requests": None, "x-ratelimit-remaining-requests": None, "retry-after": None},
    {"x-ratelimit-limit-requests": "nan", "x-ratelimit-reset-requests": "soon", "retry-after": "nan"},
    {"x-ratelimit-limit-requests": "-1", "x-ratelimit-limit-tokens": "-1", "retry-after": "-5"},
    {"x-ratelimit-limit-requests": "1e99", "x-ratelimit-limit-tokens": "9" * 40, "retry-after": "0"},
    {"x-ratelimit-limit-requests": "", "retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"},
    {"x-ratelimit-limit-requests": "0", "x-ratelimit-limit-tokens": "1", "retry-after": "0.0001"},
)
_MALFORMED = ("garbage", "empty", "truncated_json", "error_body", "cut", "drop", "bomb", "endless", "error")


def headers(jobs: int = 600, *, seed: int = 41, refused: float = 0.03) -> Outcome:
    """Headers that are missing, no numbers, negative or enormous, on replies and on refusals, by turns."""
    outcome = Outcome("lying and missing headers", rounds=len(_HEADERS))
    with World(seed=seed, latency_ms=100, simulate=("--fault", f"rate_limited={refused}")) as world:
        batch = world.submit(jobs)
        crew = world.spawn(2, concurrency=10)
        began = time.monotonic()
        for turn, odd in enumerate(_HEADERS, 1):
            world.simulator.control(reply_headers=odd, failure_headers=odd)
            _until_ended(world, jobs * turn // (len(_HEADERS) + 1))
        world.simulator.control(reply_headers={}, failure_headers={})
        world.until_idle(120)
        outcome.facts["drained after s"] = round(time.monotonic() - began, 1)
        tally = world.tally(batch)
        outcome.expect(tally.succeeded == jobs, f"{jobs - tally.succeeded} jobs did not succeed")
        outcome.facts["429s"] = world.simulator.get("/stats")["by_status"].get("429", 0)
        outcome.expect(bool(outcome.facts["429s"]), "no call was refused")
        outcome.expect(all(worker.alive for worker in crew), "a worker ended")
        outcome.expect(tally.bill == tally.known, f"bill {tally.bill} is not the ledger {tally.known}")
        return outcome.close(tally)


def calendar(jobs: int = 1200, *, seed: int = 42, per_s: int = 20) -> Outcome:
    """A provider that counts by calendar seconds refuses calls below the limit: bursts become smaller until none is."""
    outcome = Outcome("a limit by calendar seconds")
    rpm = str(per_s * 60)
    settings = {"HOMA_PROVIDERS__OPENAI__LIMITS__RPM": rpm}
    with World(seed=seed, latency_ms=100, settings=settings, simulate=("--rpm", rpm, "--set", "window_s=1")) as world:
        batch = world.submit(jobs)
        world.spawn(2, concurrency=20)
        began = time.monotonic()
        until(lambda: world.ended() >= jobs // 2, "half of it", 120)
        refused = world.simulator.get("/stats")["rate_limited"]
        world.until_idle(120)
        took_s = time.monotonic() - began
        tally = world.tally(batch)
        outcome.facts |= {"429s in the first half": refused, "in the second": tally.rate_limited - refused}
        outcome.facts["of the limit used"] = f"{jobs / took_s / per_s:.0%}"
        outcome.expect(tally.succeeded == jobs, f"{jobs - tally.succeeded} jobs did not succeed")
        outcome.expect(tally.rate_limited <= jobs // 50, f"{tally.rate_limited} of {jobs} calls were refused")
        return outcome.close(tally)


def hanging(jobs: int = 400, *, seed: int = 43, share: float = 0.1, timeout_s: int = 2) -> Outcome:
    """A share of the calls never answers: each is cut at its timeout, and its slot is free again."""
    outcome = Outcome(f"{share:.0%} of calls hang")
    settings = {"HOMA_PROVIDERS__OPENAI__TIMEOUT_S": str(timeout_s)}
    with World(seed=seed, latency_ms=100, settings=settings, simulate=("--fault", f"hang={share}")) as world:
        batch = world.submit(jobs, max_attempts=10)
        crew = world.spawn(2, concurrency=10)
        began = time.monotonic()
        world.until_idle(180)
        tally = world.tally(batch)
        outcome.facts["drained after s"] = round(time.monotonic() - began, 1)
        outcome.facts["left in flight"] = len(world.leases())
        outcome.expect(tally.succeeded == jobs, f"{jobs - tally.succeeded} jobs did not succeed")
        outcome.expect(not world.leases(), "leases are left")
        outcome.expect(all(worker.alive for worker in crew), "a worker ended")
        return outcome.close(tally)


def hostile(jobs: int = 400, *, seed: int = 44, share: float = 0.03, most_mb: int = 600) -> Outcome:
    """Replies that are HTML, nothing, half, endless or a third of a gigabyte of zeros: jobs end, workers stay small."""
    outcome = Outcome("hostile replies", rounds=len(_MALFORMED))
    faults = tuple(part for name in _MALFORMED for part in ("--fault", f"{name}={share}"))
    settings = {"HOMA_PROVIDERS__OPENAI__TIMEOUT_S": "5"}
    with World(seed=seed, latency_ms=50, settings=settings, simulate=faults) as world:
        batch = world.submit(jobs, max_attempts=20)
        crew = world.spawn(2, concurrency=10)
        world.until_idle(240)
        tally = world.tally(batch)
        peak_mb = max(map(_peak_mb, crew))
        outcome.facts |= {"most memory of a worker, MB": peak_mb, "failed": tally.failed}
        outcome.expect(tally.succeeded + tally.failed == jobs, "a job has no end")
        outcome.expect(peak_mb < most_mb, f"a worker took {peak_mb} MB")
        outcome.expect(all(worker.alive for worker in crew), "a worker ended")
        return outcome.close(tally)


def _until_ended(world: World, jobs: int) -> None:
    until(lambda: world.ended() >= jobs, f"{jobs} jobs have ended", 60)


def _peak_mb(worker: Worker) -> int:
    """Most memory that a process has had, MB; 0 where the system does not say."""
    status = Path(f"/proc/{worker.pid}/status")
    if not status.exists():
        return 0
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024
