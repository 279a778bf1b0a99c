"""Which providers need workers of this process's own, before anything is submitted."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homa.client.session import Session
from homa.drivers.effects import ask_patiently
from homa.submit.fleet_view import FleetView
from homa.supervision.requirements import check_startable
from homa_shared.model.errors import InvalidRequest
from homa_shared.model.pools import members_of, queue_of
from homa_shared.store import reads

AUTO, NONE = "auto", "none"


def unserved(session: Session, view: FleetView, targets: Iterable[str]) -> list[str]:
    """Providers of these targets whose queue no live worker takes from: all members of a pool that nobody serves."""
    providers: dict[str, None] = {}
    for hop in map(view.fleet.hop, targets):
        wanted = {member.provider: None for member in members_of(hop)}
        if not wanted.keys() <= providers.keys() and not session.driver.run(
            ask_patiently(reads.live_workers(session.keys, queue_of(hop)))
        ):
            providers |= wanted
    return list(providers)


def providers_of(view: FleetView, targets: Iterable[str]) -> list[str]:
    """The providers of targets and pools, each once."""
    return list(dict.fromkeys(member.provider for target in targets for member in view.members(target)))


def staff(workers: str, session: Session, view: FleetView, targets: Sequence[str]) -> tuple[list[str], int]:
    """Providers that own worker processes should serve, and how many processes.

    Args:
        workers: auto, none, or a number.

    Raises:
        InvalidRequest: it is anything else.
        ConfigError: a provider would need a worker here and is not configured here.
    """
    if workers == NONE:
        return [], 0
    if workers == AUTO:
        wanted, count = unserved(session, view, targets), 1
    elif workers.isascii() and workers.isdigit() and 1 <= int(workers) <= 64:
        wanted, count = providers_of(view, targets), int(workers)
    else:
        raise InvalidRequest(f"--workers is {workers!r}: expected auto, none, or a number from 1 to 64")
    if wanted:
        check_startable(session.settings, wanted)
    return wanted, count
