"""Every fault with the size of its long campaign and of its short one; the short ones run in `make test`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from tests.chaos import (
    crowd_faults,
    flow_faults,
    group_faults,
    idleness,
    money_faults,
    output_faults,
    provider_faults,
    state_faults,
    store_faults,
    worker_faults,
)
from tests.chaos.outcome import Outcome
from tests.chaos.storm import storm

Run = Callable[..., Outcome]


@dataclass(frozen=True, slots=True)
class Campaign:
    """One fault; `long` and `short` take a seed by name where the fault is drawn."""

    name: str
    long: Run
    short: Run


CAMPAIGNS = (
    Campaign("bill", partial(money_faults.no_faults, jobs=2000), partial(money_faults.no_faults, jobs=100)),
    Campaign("kills", partial(worker_faults.kills, 100), partial(worker_faults.kills, 2, jobs_a_round=20)),
    Campaign("frozen", partial(worker_faults.frozen, jobs=200), partial(worker_faults.frozen, jobs=24)),
    Campaign("clocks", partial(worker_faults.clocks, jobs=500), partial(worker_faults.clocks, jobs=50)),
    Campaign("lethal", partial(worker_faults.lethal, jobs=200), partial(worker_faults.lethal, jobs=30)),
    Campaign(
        "outage-two-leases",
        partial(store_faults.outage, 6.0),
        partial(store_faults.outage, 4.0, jobs=60, latency_ms=600),
    ),
    Campaign(
        "outage-10s", partial(store_faults.outage, 10.0), partial(store_faults.outage, 1.0, jobs=60, latency_ms=600)
    ),
    Campaign(
        "lost-replies",
        partial(store_faults.lost_replies, 0.01, jobs=5000),
        partial(store_faults.lost_replies, 0.03, jobs=200, mute=0.0),
    ),
    Campaign(
        "failover", partial(store_faults.failover, jobs=600), partial(store_faults.failover, jobs=80, latency_ms=400)
    ),
    Campaign("forgotten", partial(store_faults.forgotten, jobs=600), partial(store_faults.forgotten, jobs=100)),
    Campaign(
        "full",
        partial(store_faults.full, maxmemory_bytes=64_000_000),
        partial(store_faults.full, maxmemory_bytes=10_000_000),
    ),
    Campaign(
        "budget-race",
        partial(money_faults.budget_race, "1"),
        partial(money_faults.budget_race, "0.12", processes=2),
    ),
    Campaign("equal-burst", money_faults.equal_burst, partial(money_faults.equal_burst, jobs=200)),
    Campaign(
        "dead-provider", partial(money_faults.dead_provider, jobs=2000), partial(money_faults.dead_provider, jobs=100)
    ),
    Campaign("cancel", crowd_faults.cancelled_batch, partial(crowd_faults.cancelled_batch, 2000)),
    Campaign("small-tenant", crowd_faults.small_tenant, partial(crowd_faults.small_tenant, 2000)),
    Campaign("tenants", crowd_faults.many_tenants, partial(crowd_faults.many_tenants, 1000, takes=30)),
    Campaign("headers", provider_faults.headers, partial(provider_faults.headers, 120)),
    Campaign("calendar", provider_faults.calendar, partial(provider_faults.calendar, 200)),
    Campaign("hanging", provider_faults.hanging, partial(provider_faults.hanging, 60)),
    Campaign("hostile", provider_faults.hostile, partial(provider_faults.hostile, 60)),
    Campaign("emptied", state_faults.emptied, partial(state_faults.emptied, jobs=60, times=1)),
    Campaign("clock-back", state_faults.clock_set_back, partial(state_faults.clock_set_back, jobs=200)),
    Campaign("idle-freeze", idleness.after_freeze, partial(idleness.after_freeze, jobs=260, rest_s=1)),
    Campaign("idle-failover", idleness.after_failover, partial(idleness.after_failover, jobs=300)),
    Campaign("idle-budget", idleness.after_budget_turn, partial(idleness.after_budget_turn, jobs=240)),
    Campaign(
        "settled-together",
        group_faults.settled_together,
        partial(group_faults.settled_together, (2, 7), rounds_each=6),
    ),
    Campaign("flow", flow_faults.kills, partial(flow_faults.kills, 40, 5, of_workers=1, of_clients=1)),
    Campaign(
        "flow-budget",
        flow_faults.kills_on_a_budget,
        partial(flow_faults.kills_on_a_budget, 40, 5, cap_usd="0.0006", of_workers=1, of_clients=1, concurrency=4),
    ),
    Campaign("outputs", output_faults.killed_writers, partial(output_faults.killed_writers, 300, kills=2)),
    Campaign("storm", storm, partial(storm, 4, jobs_a_round=20)),
)
