"""Which providers need workers of this process's own, before anything is submitted; and those workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from homa.client.session import Session
from homa.drivers.effects import ask_patiently
from homa.submit.fleet_view import FleetView
from homa.supervision.own_workers import own_workers
from homa.supervision.supervisor import WorkerSupervisor
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


def workers_for(
    wanted: str,
    session: Session,
    view: FleetView,
    targets: Sequence[str],
    *,
    name: str,
    what: str,
    say: Callable[[str], object],
) -> WorkerSupervisor:
    """The workers that jobs of this process need beside those that live already; not yet started.

    Args:
        wanted: auto, none, or a number.
        targets: of the jobs, the first one first.
        name: of the workers' logs.
        what: `the job`; it waits where no worker serves the first target and none is wanted here.
        say: tells the person that.

    Raises:
        InvalidRequest: `wanted` is anything else.
        MissingExtra: workers are not installed here.
        ConfigError: a provider would need a worker here and is not configured here.
    """
    providers, count = _staff(wanted, session, view, targets)
    if wanted == NONE and (missing := unserved(session, view, targets[:1])):
        say(f"warning: no live worker serves {missing[0]}: {what} waits until one is started")
    return own_workers(session.settings, providers, count, name)


def _staff(wanted: str, session: Session, view: FleetView, targets: Sequence[str]) -> tuple[list[str], int]:
    """Providers that own workers should serve, and how many processes."""
    if wanted == NONE:
        return [], 0
    if wanted == AUTO:
        return unserved(session, view, targets), 1
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= 64:
        return providers_of(view, targets), int(wanted)
    raise InvalidRequest(f"--workers is {wanted!r}: expected auto, none, or a number from 1 to 64")
