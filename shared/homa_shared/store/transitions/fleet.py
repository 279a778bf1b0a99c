"""The fleet's settings in the store: read, written once by whoever comes first, changed by `homa apply`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from homa_shared.store.keys import Keys
from homa_shared.store.operation import Op, call, read

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet


def read_fleet(keys: Keys) -> Op[Fleet | None]:
    """The settings that all agree on, None in a store that has none yet."""

    def parse(replies: list[Any]) -> Fleet | None:
        from homa_shared.settings.fleet import Fleet

        return None if replies[0] is None else Fleet.from_json(replies[0])

    return read((("GET", keys.fleet()),), parse)


def fleet_version(keys: Keys) -> Op[int]:
    """The version of the settings that are in force; 0 in a store that has none yet."""
    return read((("HGET", keys.config(), "version"),), lambda replies: int(replies[0] or 0))


def write_fleet(keys: Keys, fleet: Fleet, *, seen: int) -> Op[int]:
    """Writes settings as the version after `seen`; returns the version that stands then.

    Another number than `seen + 1` means that somebody else wrote in between: read again.
    """
    following = fleet.model_copy(update={"version": seen + 1})
    args = (seen, following.to_json(), orjson.dumps(config_row(following)))
    return call(keys, "fleet", args, int)


def supersedes(mine: Fleet, theirs: Fleet | None, *, owned: bool = False) -> bool:
    """Whether a process that joins writes its own settings over the fleet's.

    Args:
        mine: the settings of this process.
        theirs: those in the store; None where it has none yet.
        owned: the store is this machine's own, and its settings follow the file.
    """
    if theirs is None:
        return True
    return bool(mine.providers) and mine.digest != theirs.digest and (owned or not theirs.providers)


def write_plans(keys: Keys, rows: Sequence[dict[str, Any]]) -> Op[int]:
    """Tells the store the scopes and limits of targets (`plan_rows.plan_row`)."""
    return call(keys, "plan", (orjson.dumps(list(rows)),), int)


def config_row(fleet: Fleet) -> dict[str, str]:
    """What scripts need of the settings: fields of the hash `cfg`."""
    retention = fleet.retention
    budgets: list[dict[str, str]] = [
        {
            "name": name,
            "cap": str(budget.cap_nano_usd),
            "period": budget.period,
            "scope": budget.scope,
            "on_exceed": budget.on_exceed,
        }
        | ({"match": match} if (match := budget.tenant or budget.tag) else {})
        for name, budget in fleet.budgets.items()
    ]
    unresolved = fleet.unresolved
    policy = {}
    if unresolved.after is not None:
        policy = {"unresolved.after": str(unresolved.after * 1000), "unresolved.as": str(unresolved.counts_as)}
    events = fleet.events
    written = {"events.kept": str(events.kept), "events.dead": str(events.dead)}
    if events.off:
        written["events.off"] = "".join(f"\n{name}\n" for name in events.off)
    return (policy | written) | {
        # Also where it is not: it may have been before.
        "encryption": "required" if fleet.encryption_required else "",
        "keep.results": str(retention.results * 1000),
        "keep.requests": str(retention.requests * 1000),
        "keep.ledger": str(retention.ledger * 1000),
        "keep.keys": str(retention.keys_s * 1000),
        "keep.uploads": str(retention.uploads * 1000),
        "keep.conversations": str(retention.conversations * 1000),
        "budgets": orjson.dumps(budgets).decode(),
        "weights": orjson.dumps({name: tenant.weight for name, tenant in fleet.tenants.items()}).decode(),
    }
