"""A target's plan as `plan.lua` writes it down for take: scopes by name, limits by field."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from homa_shared.model.limits import DAILY, DIMENSIONS
from homa_shared.model.pools import Hop, Pool, members_of
from homa_shared.quota.plan import TargetPlan, exempts_cached, plan

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet


def rows_of(fleet: Fleet, hop: Hop, *, now: datetime | None = None) -> list[dict[str, Any]]:
    """All rows that the store needs before a job waits for a hop: a pool's members each have one by their provider.

    Raises:
        UnknownModel: the fleet has no provider of this name.
    """
    plans = [plan(fleet, member) for member in members_of(hop)]
    own = [plan_row(member, now=now) for member in plans]
    if not isinstance(hop, Pool):
        return own
    served = [plan_row(member, name=hop.row_of(member.target), now=now) for member in plans]
    return [*own, *served, {"name": str(hop), "members": [member.provider for member in hop.members]}]


def plan_row(plan: TargetPlan, *, name: str | None = None, now: datetime | None = None) -> dict[str, Any]:
    """The row of a target.

    Args:
        plan: what the fleet's settings say of it.
        name: name of the row where it isn't the target's own: `pool-<alias>|<provider>` for a member of a pool.
        now: the present, for tests.
    """
    limits = plan.limits
    return {
        "name": name or str(plan.target),
        "account": plan.account_scope,
        "quota": plan.quota_scope,
        "real": str(plan.target),
        "exempts": int(exempts_cached(plan)),
        "account_limits": {"conc": plan.concurrency},
        "quota_limits": {d.limit: getattr(limits, d.name) for d in (*DIMENSIONS, *DAILY)}
        | {
            "burst": plan.burst_ms,
            "adaptive": 1 if plan.adaptive else None,
            "dayend": zone_offsets(plan.rpd_zone, now) if limits.rpd else None,
        },
    }


#: Days before and after the present for which a zone's offsets are told: this process's clock may be wrong by as much.
_DAYS_KNOWN = range(-400, 400)


def zone_offsets(zone: str, now: datetime | None = None) -> list[list[int]]:
    """Since when which offset from UTC holds in a zone: [ms since 1970, ms], ascending, by the hour.

    The store can't reckon zones. From these it tells the next midnight by its own clock.
    """
    noon = (now or datetime.now(UTC)).replace(hour=12, minute=0, second=0, microsecond=0)
    return _offsets(zone, int(noon.timestamp()))


@cache
def _offsets(zone: str, noon_s: int) -> list[list[int]]:
    place = ZoneInfo(zone)

    def offset(at_s: int) -> int:
        local = datetime.fromtimestamp(at_s, place).utcoffset()
        return 0 if local is None else round(local.total_seconds() * 1000)

    days = [noon_s + day * 86_400 for day in _DAYS_KNOWN]
    found = [[days[0] * 1000, offset(days[0])]]
    for before, after in pairwise(days):
        if offset(after) != found[-1][1]:
            hour = next(at for at in range(before, after + 1, 3600) if offset(at) != found[-1][1])
            found.append([hour * 1000, offset(after)])
    return found
