"""Everything at once: faulty providers, killed workers, lost replies, a store that is killed in between."""

from __future__ import annotations

import time
from contextlib import ExitStack
from random import Random

from tests.chaos.outcome import Outcome
from tests.chaos.proxy import LossyProxy
from tests.chaos.servers import Server
from tests.chaos.world import MODEL, World, directory

#: Rates of the provider's own faults.
PROVIDER_FAULTS = {
    "error": 0.03,
    "overloaded": 0.02,
    "rate_limited": 0.02,
    "drop": 0.02,
    "cut": 0.02,
    "malformed": 0.01,
}


def storm(rounds: int = 20, *, seed: int = 41, jobs_a_round: int = 40) -> Outcome:
    """Each round kills a worker or the store; one reply in a hundred is lost, one call in eight goes wrong."""
    outcome, random = Outcome("all of these at once", rounds), Random(seed)
    faults = [f"--fault={name}={rate}" for name, rate in PROVIDER_FAULTS.items()]
    with ExitStack() as stack:
        own = stack.enter_context(directory())
        server = Server(own).start()
        proxy = LossyProxy(server.port, seed=seed, drop=0.01, delay_s=0.002).start()
        stack.callback(proxy.stop)
        world = stack.enter_context(
            World(seed=seed, server=server, url=proxy.url, latency_ms=300, simulate=tuple(faults))
        )
        filling = world.homa.open_batch(model=MODEL, max_tokens=300)
        crew = world.spawn(3, concurrency=8)
        for i in range(rounds):
            filling.add(world.requests(filling.id, range(i * jobs_a_round, (i + 1) * jobs_a_round)))
            filling.flush()
            time.sleep(random.uniform(0.2, 1.5))
            outcome.kills += 1
            if random.random() < 0.25:
                server.kill()
                time.sleep(random.uniform(0, 1.5 * world.lease_s))
                server.start()
            else:
                crew.pop(random.randrange(len(crew))).kill()
                crew += world.spawn(concurrency=8)
        batch = filling.seal()
        world.until_idle(240)
        proxy.drop = 0.0  # what is counted now is no part of the storm
        tally = world.tally(batch)
        outcome.facts |= {"replies lost": proxy.dropped, "failed after all attempts": tally.failed}
        outcome.expect(tally.succeeded >= tally.jobs * 0.95, f"only {tally.succeeded} of {tally.jobs} jobs succeeded")
        return outcome.close(tally)
