"""A store that forgets all, and one whose clock is set back: limits hold, and work goes on at once."""

from __future__ import annotations

import time

from homa import Batch
from homa_shared.model.limits import DIMENSIONS
from tests.chaos.idleness import full_again_s
from tests.chaos.outcome import Outcome
from tests.chaos.processes import until
from tests.chaos.world import World

PER_S = 20
_SETTINGS = {"HOMA_PROVIDERS__OPENAI__LIMITS__RPM": str(PER_S * 60)}
_SIMULATE = ("--rpm", str(PER_S * 60), "--burst-s", "3")
#: Adds to times of hashes (ms, us) and to all scores of sorted sets, in one step.
_AHEAD = """
local ahead = tonumber(ARGV[1])
local function add(key, field, by)
  local value = tonumber(redis.call('HGET', key, field) or nil)
  if value and value > 0 then redis.call('HSET', key, field, string.format('%.0f', value + by)) end
end
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  local is_state = string.find(key, ARGV[2], 1, true) or string.find(key, ARGV[3], 1, true) or key == ARGV[4]
  if kind == 'hash' and is_state then
    for field in string.gmatch(ARGV[5], '%S+') do add(key, field, ahead) end
    for field in string.gmatch(ARGV[6], '%S+') do add(key, field, ahead * 1000) end
  elseif kind == 'zset' and (key == ARGV[7] or key == ARGV[8]) then
    for i, member in ipairs(redis.call('ZRANGE', key, 0, -1)) do redis.call('ZINCRBY', key, ahead, member) end
  end
end
return 1
"""
_TIMES = (
    "frozen frozen_at probe grown cut_at told_at tight_at seen until good_at other_at resource_at last swept trimmed"
)


def emptied(*, seed: int = 61, jobs: int = 300, times: int = 2) -> Outcome:
    """FLUSHALL under live workers, again and again: what is submitted afterwards runs inside the limits."""
    outcome = Outcome("store emptied", rounds=times, kills=times)
    settings = {**_SETTINGS, "HOMA_PROVIDERS__OPENAI__CONCURRENCY": "10"}
    with World(seed=seed, latency_ms=200, settings=settings, simulate=_SIMULATE) as world:
        crew = world.spawn(2, concurrency=20)
        slowest_s, forgotten = 0.0, 0
        for _ in range(times):
            world.submit(jobs)
            until(lambda: world.ended() > PER_S, "work is under way")
            forgotten += world.counters()["live"]
            world.server.ask("FLUSHALL")
            gone = time.monotonic()
            after = world.submit(PER_S)
            _until(after, 1, 30)
            slowest_s = max(slowest_s, time.monotonic() - gone)
            _until(after, PER_S, 60)
            outcome.expect(after.progress().succeeded == PER_S, f"{after.progress()}")
        stats = world.simulator.get("/stats")
        outcome.facts |= {"work again after s": round(slowest_s, 1), "live jobs forgotten": forgotten}
        outcome.facts |= {"most calls at once": stats["max_in_flight"], "429s": stats["rate_limited"]}
        # The store has forgotten the calls that were in flight, too: they run beside those that it knows.
        outcome.expect(stats["max_in_flight"] <= 20, f"{stats['max_in_flight']} calls at once, twice 10 are allowed")
        outcome.expect(stats["rate_limited"] == 0, f"{stats['rate_limited']} calls were refused")
        outcome.expect(all(worker.alive for worker in crew), "a worker ended")
        return outcome.close()


def _until(batch: Batch, ended: int, within_s: float) -> None:
    until(lambda: batch.progress().ended >= ended, f"{ended} of what was submitted afterwards have ended", within_s)


def clock_set_back(*, seed: int = 62, jobs: int = 500, by_s: int = 300, within_s: float = 5.0) -> Outcome:
    """The store's clock goes back by minutes: all states are moved ahead instead, which is the same to a script."""
    outcome = Outcome(f"store's clock set back by {by_s} s")
    with World(seed=seed, latency_ms=100, settings=_SETTINGS, simulate=_SIMULATE) as world:
        batch = world.submit(jobs)
        world.spawn(2, concurrency=20)
        until(lambda: world.ended() > PER_S, "work is under way")
        # The first calls of a worker may be bunched by its start.
        refused = world.simulator.get("/stats")["rate_limited"]
        keys, letters = world.store.keys, " ".join(dimension.letter for dimension in DIMENSIONS)
        # Prefixes of the keys of scopes and of breakers.
        hashes = [keys.scope("x")[:-1], keys.breaker("x")[:-1], keys.beat()]
        world.server.ask("EVAL", _AHEAD, 0, by_s * 1000, *hashes, _TIMES, letters, keys.leases(), keys.due())
        again_s = full_again_s(world, time.monotonic())
        outcome.facts["limit in full use after s"] = round(again_s, 1)
        outcome.expect(again_s <= within_s, f"it took {again_s:.1f} s, {within_s:g} s are promised")
        world.until_idle(120)
        tally = world.tally(batch)
        outcome.facts["429s after it"] = tally.rate_limited - refused
        outcome.expect(tally.rate_limited == refused, f"{tally.rate_limited - refused} calls were refused after it")
        outcome.expect(tally.called_twice == 0, f"{tally.called_twice} calls made twice")
        outcome.expect(tally.succeeded == jobs, f"{jobs - tally.succeeded} jobs did not succeed")
        return outcome.close(tally)
