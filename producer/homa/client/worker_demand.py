"""Which providers need workers of this process's own, before anything is submitted and afterwards; those workers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from homa.client.session import Session
from homa.drivers.effects import ask_patiently
from homa.submit.fleet_view import FleetView
from homa.supervision.own_workers import own_specs, restart_policy
from homa.supervision.supervised_worker import WorkerSpec
from homa.supervision.supervisor import WorkerSupervisor
from homa_shared.model.errors import ConfigError, InvalidRequest, MissingExtra, StoreUnavailable
from homa_shared.model.pools import members_of, queue_of
from homa_shared.store import reads

AUTO, NONE = "auto", "none"
#: How often workers of others are looked for while jobs wait, s.
LOOK_EACH_S = 1.0


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


@dataclass(slots=True)
class Demand:
    """What jobs of this process need workers for, and what became known of that."""

    session: Session
    view: FleetView
    #: Of the jobs, the first one first.
    targets: Sequence[str]
    #: auto, none, or a number.
    wanted: str
    #: Of the workers' logs.
    name: str
    #: `the job`; it waits where no worker serves its targets and none is wanted here.
    what: str
    #: Tells the person.
    say: Callable[[str], object]
    #: Providers that workers of this process's own serve.
    own: set[str] = field(default_factory=set)
    #: Providers without a live worker that the person was told of.
    told: set[str] = field(default_factory=set)

    def missing(self) -> list[str]:
        """Providers that nobody serves, this process neither; of the first target alone where others start workers."""
        targets = self.targets if self.wanted == AUTO else self.targets[:1]
        return [provider for provider in unserved(self.session, self.view, targets) if provider not in self.own]

    def tell(self, missing: Sequence[str]) -> None:
        """Says once what waits, and for whom."""
        if missing and not self.told.issuperset(missing):
            self.say(
                f"warning: no live worker serves {missing[0]}: {self.what} waits until one is started "
                f"(`homa worker {missing[0]}`)"
            )
        self.told = set(missing)


class StaffedWorkers(WorkerSupervisor):
    """Workers of this process's own, and a look every second whether those of others, which may leave, still serve.

    Args:
        workers: that are needed from the start.
        demand: of the jobs.
    """

    def __init__(self, workers: Sequence[WorkerSpec], demand: Demand) -> None:
        super().__init__(workers, restart_policy())
        self._demand = demand
        self._looked_s = time.monotonic()
        self._missed: list[str] = []

    def check(self) -> None:
        """As ever; starts workers, too, for providers that have lost theirs, or says that nobody serves them.

        Raises:
            WorkerLost: a worker of its own has crashed too often, or its settings are wrong.
        """
        super().check()
        if self._draining or time.monotonic() - self._looked_s < LOOK_EACH_S:
            return
        try:
            missing = self._demand.missing()
        except StoreUnavailable:
            return
        finally:
            self._looked_s = time.monotonic()
        # A worker that is replaced is gone for a moment.
        lasting = [provider for provider in missing if provider in self._missed]
        self._missed = missing
        self._staff(lasting)

    def _staff(self, missing: Sequence[str]) -> None:
        demand = self._demand
        if demand.wanted != AUTO or not missing:
            demand.tell(missing)
            return
        name = f"{demand.name}-more{len(demand.own)}"
        try:
            specs = own_specs(demand.session.settings, missing, 1, name)
        except (ConfigError, MissingExtra) as error:
            if not demand.told.issuperset(missing):
                demand.say(f"warning: {demand.what} waits: {error}")
            demand.told = set(missing)
            return
        demand.say(f"no live worker serves {', '.join(missing)} any more: starting one here")
        demand.own |= set(missing)
        self.add(specs)


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
    if session.driver.run(ask_patiently(reads.is_fake(session.keys))):
        # Its own workers answer, and one started here would call providers with the real keys.
        providers, wanted = [], NONE
    demand = Demand(session, view, targets, wanted, name, what, say, own=set(providers))
    if wanted == NONE:
        demand.tell(demand.missing())
    return StaffedWorkers(own_specs(session.settings, providers, count, name), demand)


def _staff(wanted: str, session: Session, view: FleetView, targets: Sequence[str]) -> tuple[list[str], int]:
    """Providers that own workers should serve, and how many processes."""
    if wanted == NONE:
        return [], 0
    if wanted == AUTO:
        return unserved(session, view, targets), 1
    if wanted.isascii() and wanted.isdigit() and 1 <= int(wanted) <= 64:
        return providers_of(view, targets), int(wanted)
    raise InvalidRequest(f"--workers is {wanted!r}: expected auto, none, or a number from 1 to 64")
