"""Models that the settings or waiting jobs name, and that have ended or soon will."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from homa.cli.doctor.check import Check
from homa_shared.capabilities.model_ends import endings
from homa_shared.kinds.retirement import SOON_DAYS
from homa_shared.model.errors import UnknownModel
from homa_shared.model.pools import members_of
from homa_shared.model.targets import Target
from homa_shared.store import reads
from homa_shared.store.safety_checks import Level
from homa_shared.store.transitions.fleet import read_fleet

if TYPE_CHECKING:
    from homa_shared.settings.fleet import Fleet
    from homa_shared.store.client import Store


def fleets_models(mine: Fleet, store: Store) -> Iterator[Check]:
    """Those of the fleet's settings, of this machine's, and of what waits."""
    theirs = store.run(read_fleet(store.keys)) or mine
    queues = dict.fromkeys(row.queue for row in store.run(reads.queues(store.keys)))
    waiting = list(_targets(theirs, store.run(reads.waiting_targets(store.keys, queues))))
    found = list(models(theirs, waiting))
    known = {check.name for check in found}
    yield from found
    if theirs is not mine:
        yield from (check for check in models(mine) if check.level is not Level.OK and check.name not in known)


def models(fleet: Fleet, waiting: list[Target] | None = None) -> Iterator[Check]:
    """Those that a fleet's settings name."""
    found = endings(fleet, waiting or [], SOON_DAYS)
    for ending in found:
        value = f"{str(ending).partition(' ')[2]}; named by {', '.join(ending.named_by)}"
        yield Check(Level.WARNING, f"model {ending.target}", value, ending.what_follows)
    if not found:
        yield Check(Level.OK, "models", f"no named one is known to end within {SOON_DAYS} days")


def _targets(fleet: Fleet, names: list[str]) -> Iterator[Target]:
    for name in names:
        try:
            yield from members_of(fleet.hop(name))
        except UnknownModel:
            # The check of queues tells of it.
            continue
