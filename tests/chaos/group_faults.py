"""Faults that meet replies which are settled together, in groups of several sizes."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Sequence
from random import Random

from homa_shared.store.operation import Op, text
from homa_shared.store.scripts import script
from tests.chaos.outcome import Outcome
from tests.chaos.processes import until
from tests.chaos.world import World

#: Replies that may be settled by one script: as many as a worker has calls in flight, which all take the same time.
SIZES = (1, 2, 7, 50)
#: So long replies wait for one another, ms.
_GATHER_MS = 300
_AWAY_S = 2.0
_MORE = re.compile(r"(\d+) more arguments")


def settled_together(sizes: Sequence[int] = SIZES, *, seed: int = 31, rounds_each: int = 12) -> Outcome:
    """A worker is killed and the store goes away while replies are gathered and settled together."""
    outcome = Outcome("kill -9 and outage under gathered replies", len(sizes))
    settings = {"HOMA_SETTLE_GATHER_MS": str(_GATHER_MS)}
    random, largest = Random(seed), Counter[int]()
    with World(seed=seed, latency_ms=250, sigma=0.05, settings=settings) as world:
        _log_every_script(world)
        batches, held = [], 0
        for size in sizes:
            batches.append(world.submit(rounds_each * size))
            done = world.ended()
            crew = world.spawn(2, concurrency=size)
            assert all(worker.ids for worker in crew)
            until(lambda: world.ended() >= done + 2 * size, "work is under way")  # noqa: B023 (asked at once)
            largest[size] = _largest_group(world)
            time.sleep(random.uniform(0, 0.5))
            victim = crew.pop()
            held += len(world.freeze(victim))
            victim.kill()
            world.server.kill()
            time.sleep(_AWAY_S)
            world.server.start()
            _log_every_script(world)
            world.until_idle(120)
            for worker in crew:
                worker.stop()
            outcome.kills += 2
        tally = world.tally(*batches)
        outcome.facts |= {"in flight at kills": held, "largest groups": ", ".join(map(str, largest.values()))}
        outcome.expect(tally.called_twice <= held, f"{tally.called_twice} calls made twice, {held} in flight")
        outcome.expect(tally.unresolved <= held, f"{tally.unresolved} unresolved, {held} in flight")
        outcome.expect(tally.succeeded == tally.jobs, f"{tally.jobs - tally.succeeded} jobs did not succeed")
        for size in sizes:
            outcome.expect(largest[size] * 2 >= size, f"groups of {largest[size]} at most where {size} were possible")
        return outcome.close(tally)


def _log_every_script(world: World) -> None:
    for name, value in (("slowlog-log-slower-than", 0), ("slowlog-max-len", 20_000)):
        world.ask(Op((("CONFIG", "SET", name, value),), lambda _: None))


def _largest_group(world: World) -> int:
    """Most jobs that one script settled, by the log of commands; 1 where each was told by itself."""
    entries = world.ask(Op((("SLOWLOG", "GET", 20_000),), lambda replies: replies[0]))
    told = [[text(part) for part in entry[3]] for entry in entries]
    return max((_arguments(words) // 4 for words in told if words[1:2] == [script("settle_many").sha]), default=1)


def _arguments(words: list[str]) -> int:
    """Arguments of a script's call behind its keys; the log cuts long ones short."""
    more = _MORE.search(words[-1])
    return len(words) - 4 if more is None else len(words) - 5 + int(more[1])
