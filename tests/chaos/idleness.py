"""The second half of the third promise: after an interruption the quota is soon in full use again."""

from __future__ import annotations

import time
from collections import deque
from contextlib import ExitStack

from homa_shared.store.operation import Op, read, text
from tests.chaos.outcome import Outcome
from tests.chaos.processes import until
from tests.chaos.store_faults import watched_pair
from tests.chaos.world import World, directory

#: Calls a second that provider and settings allow, and what a machine may bunch.
PER_S = 20
_SETTINGS = {"HOMA_PROVIDERS__OPENAI__LIMITS__RPM": str(PER_S * 60)}
_SIMULATE = ("--rpm", str(PER_S * 60), "--burst-s", "3")
#: Share of the limit that counts as all of it, over so many seconds.
_FULL, _WINDOW_S = 0.95, 3.0


def _admitted(world: World) -> int:
    stats = world.simulator.get("/stats")
    return int(stats["received"] - stats["rate_limited"])


def full_again_s(world: World, since_s: float, patience_s: float = 60.0) -> float:
    """When the first of three seconds began in which the limit was used in full, s after `since_s`."""
    seen: deque[tuple[float, int]] = deque()
    while True:
        now_s = time.monotonic()
        seen.append((now_s, _admitted(world)))
        while now_s - seen[0][0] > _WINDOW_S + 0.2:
            seen.popleft()
        span_s = now_s - seen[0][0]
        if span_s >= _WINDOW_S and seen[-1][1] - seen[0][1] >= _FULL * PER_S * span_s:
            return max(0.0, seen[0][0] - since_s)
        assert now_s < since_s + patience_s, f"the limit was not used in full within {patience_s:g} s"
        time.sleep(0.1)


def _share(world: World, seconds: float) -> float:
    """Share of the limit that is used over some seconds."""
    before, began = _admitted(world), time.monotonic()
    time.sleep(seconds)
    return (_admitted(world) - before) / (time.monotonic() - began) / PER_S


def _measure(world: World, outcome: Outcome, since_s: float, within_s: float) -> None:
    again_s = full_again_s(world, since_s)
    share = _share(world, 5.0)
    outcome.facts |= {"limit in full use after s": round(again_s, 1), "used in the next 5 s": f"{share:.0%}"}
    outcome.expect(again_s <= within_s, f"it took {again_s:.1f} s, {within_s:g} s are promised")
    outcome.expect(share >= _FULL, f"{share:.0%} of the limit were used then")


def _asks(seconds: int) -> dict[str, str | None]:
    """Headers of a refusal that asks for so many seconds, and says nothing else."""
    return {"retry-after": str(seconds), "retry-after-ms": None}


def _finish(world: World, outcome: Outcome, *batches: object) -> Outcome:
    tally = world.tally(*batches)  # type: ignore[arg-type]
    outcome.expect(tally.bill == tally.known, f"bill {tally.bill} is not the ledger {tally.known}")
    return outcome.close(tally)


def after_freeze(*, seed: int = 51, jobs: int = 500, rest_s: int = 3, within_s: float = 5.0) -> Outcome:
    """A 429 asks for seconds: when they are over, quota opens slowly, and is in full use as much later."""
    outcome = Outcome(f"idle after a freeze of {rest_s} s")
    with World(seed=seed, latency_ms=100, settings=_SETTINGS, simulate=_SIMULATE) as world:
        batch = world.submit(jobs)
        world.spawn(2, concurrency=20)
        until(lambda: world.ended() > PER_S, "work is under way")
        world.simulator.control(script=["rate_limited"], failure_headers=_asks(rest_s))
        until(lambda: world.simulator.get("/stats")["by_status"].get("429"), "a call is refused")
        _measure(world, outcome, time.monotonic() + rest_s, within_s)
        world.until_idle(120)
        return _finish(world, outcome, batch)


def after_failover(*, seed: int = 52, jobs: int = 600, within_s: float = 10.0) -> Outcome:
    """The primary dies and a replica takes over: once it serves, the quota is in full use after seconds."""
    outcome = Outcome("idle after a failover", kills=1)
    with ExitStack() as stack:
        own = stack.enter_context(directory())
        primary, replica, sentinel, _ = watched_pair(own, stack)
        url = f"redis+sentinel://127.0.0.1:{sentinel.port}/main/0"
        made = World(seed=seed, server=primary, url=url, latency_ms=100, settings=_SETTINGS, simulate=_SIMULATE)
        with made as world:
            batch = world.submit(jobs)
            world.spawn(2, concurrency=20)
            until(lambda: world.ended() > PER_S, "work is under way")
            primary.kill()
            until(lambda: replica.info("replication")["role"] == "master", "a new primary", 30)
            _measure(world, outcome, time.monotonic(), within_s)
            world.until_idle(120)
            tally = world.tally(batch)
            outcome.expect(tally.called_twice == 0, f"{tally.called_twice} calls made twice though no worker died")
            return outcome.close(tally)


def after_budget_turn(*, seed: int = 53, jobs: int = 400, within_s: float = 3.0) -> Outcome:
    """A day's budget is used up and jobs wait for the next day: when it turns, the quota is in full use at once."""
    outcome = Outcome("idle after a budget's period turned")
    budget = {"HOMA_BUDGETS__DAY__CAP_USD": "0.01", "HOMA_BUDGETS__DAY__PERIOD": "day"}
    settings = {**_SETTINGS, **budget, "HOMA_BUDGETS__DAY__ON_EXCEED": "defer"}
    with World(seed=seed, latency_ms=100, settings=settings, simulate=_SIMULATE) as world:
        batch = world.submit(jobs)
        crew = world.spawn(2, concurrency=20)
        waiting = until(lambda: _all_waiting(world), "all jobs that are left wait for the budget", 120)
        outcome.facts["jobs that waited"] = sum(len(ids) for ids in waiting.values())
        for worker in crew:
            worker.freeze()
        _turn_day(world, waiting)
        for worker in crew:
            worker.thaw()
        again_s = full_again_s(world, time.monotonic())
        outcome.facts["limit in full use after s"] = round(again_s, 1)
        outcome.expect(again_s <= within_s, f"it took {again_s:.1f} s, {within_s:g} s are promised")
        batch.cancel()
        world.until_idle(60)
        return _finish(world, outcome, batch)


def _all_waiting(world: World) -> dict[str, list[str]]:
    """Jobs that wait for a budget, by its instance, where no other is live; else empty."""
    found = _waiting(world)
    live = world.counters().get("live", 0)
    return found if not world.leases() and sum(map(len, found.values())) == live else {}


def _waiting(world: World) -> dict[str, list[str]]:
    """Jobs that wait for a budget, by its instance."""
    keys = world.store.keys
    reasons = world.ask(read((("ZRANGE", keys.reasons(), 0, -1),), lambda r: [text(name) for name in r[0]]))
    commands = tuple(("ZRANGE", keys.waiting(name), 0, -1) for name in reasons if name.startswith("budget:"))
    if not commands:
        return {}
    ids = world.ask(read(commands, lambda r: [[text(one) for one in row] for row in r]))
    names = [name for name in reasons if name.startswith("budget:")]
    return dict(zip(names, ids, strict=True))


def _turn_day(world: World, waiting: dict[str, list[str]]) -> None:
    """The budget of today becomes that of a day long ago, as it is for the store when the day turns."""
    keys = world.store.keys
    for reason, ids in waiting.items():
        instance = reason.removeprefix("budget:")
        past = instance[: -len("2000-01-01")] + "2000-01-01"
        commands: list[tuple[object, ...]] = [
            ("RENAME", keys.waiting(reason), keys.waiting(f"budget:{past}")),
            ("ZREM", keys.reasons(), reason),
            ("ZADD", keys.reasons(), 1, f"budget:{past}"),
            ("RENAME", keys.budget(instance), keys.budget(past)),
            ("SADD", keys.budgets(), past),
        ]
        commands += [("HSET", keys.job(one), "why", f"budget:{past}") for one in ids]
        world.ask(Op(tuple(commands), lambda replies: replies))
