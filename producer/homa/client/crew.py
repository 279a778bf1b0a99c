"""The worker processes of one open client, and the thread that looks what they are needed for."""

from __future__ import annotations

import itertools
import logging
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, TypeVar

from homa.client.announcement import announce
from homa.client.session import Session
from homa.client.worker_demand import AUTO, LOOK_EACH_S
from homa.drivers.effects import ask
from homa.supervision import processes
from homa.supervision.own_workers import own_specs, restart_policy
from homa.supervision.requirements import check_startable
from homa.supervision.supervisor import PARTING_S, WorkerSupervisor
from homa_shared.model.errors import HomaError, StoreUnavailable
from homa_shared.model.pools import alias_of, members_of, queue_of
from homa_shared.settings.model import Settings
from homa_shared.store import reads

if TYPE_CHECKING:
    from homa_shared.store.operation import Op

T = TypeVar("T")
#: Pause before a store that does not answer is asked again, s, where something is to be done there.
_AWAY_S = 0.05
_numbers = itertools.count(1)
_log = logging.getLogger("homa")


@dataclass(frozen=True, slots=True)
class _Team:
    """Processes that were started together."""

    providers: frozenset[str]
    supervisor: WorkerSupervisor


class Crew:
    """Workers that are started as queues turn out to need them.

    Args:
        session: of its own, to look into the store.
        wanted: auto: one process, for queues that no live worker serves; or how many serve each queue in any case.
        environment: of the processes; made when it is needed.
    """

    def __init__(self, session: Session, wanted: str, environment: Callable[[Settings], dict[str, str]]) -> None:
        self._session, self._environment = session, environment
        self._count = None if wanted == AUTO else int(wanted)
        self._name = f"client-{os.getpid()}-{next(_numbers)}"
        #: Queues that jobs of this client wait in; True where they were looked at before.
        self._queues: dict[str, bool] = {}
        #: Queue -> providers that serve it.
        self._members: dict[str, list[str]] = {}
        #: Provider -> why no worker of this process serves it.
        self._troubles: dict[str, HomaError] = {}
        self._teams: list[_Team] = []
        self._missed: set[str] = set()
        self._expected: list[tuple[str, Sequence[str]]] = []
        self._unannounced: list[str] = []
        self._lock, self._closing = threading.Lock(), False
        #: Wakes the thread. Its `put` may be called in the middle of anything, as garbage collection does.
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._said = ""
        #: Whether the store was running when it was last asked.
        self._runs = False
        self._thread = threading.Thread(target=self._watch, name="homa-workers", daemon=True)
        self._thread.start()

    def expect(self, model: str, fallbacks: Sequence[str]) -> None:
        """A job is about to be submitted, maybe to a store that does not run yet."""
        self._expected.append((model, fallbacks))
        self._wake.put(None)

    def need(self, queues: Sequence[str]) -> None:
        """Jobs wait in these queues, or are about to. What could not be started before is tried again."""
        new = [queue for queue in queues if queue not in self._queues or self.trouble(queue) is not None]
        if new:
            with self._lock:
                for queue in new:
                    self._queues[queue] = False
                    for provider in self._members.get(queue, ()):
                        self._troubles.pop(provider, None)
            self._wake.put(None)

    def trouble(self, queue: str) -> HomaError | None:
        """Why no worker of this process serves a queue; None where one does, or may yet."""
        found = [self._troubles.get(provider) for provider in self._members.get(queue, ())]
        return found[0] if found and all(found) else None

    def leave(self) -> None:
        """The workers take nothing more, and leave when their calls are through. It waits for nothing and no lock."""
        self._closing = True
        self._wake.put(None)

    def close(self) -> None:
        """The same, and waits for it. Logs of work that went well are removed; a second Ctrl-C cuts calls short."""
        self.leave()
        self._drain()
        supervisors = [team.supervisor for team in self._teams]
        running = [process for supervisor in supervisors for process in supervisor.running]
        try:
            left = processes.wait(running, PARTING_S)
        except BaseException:
            processes.stop_now(running)
            raise
        if left and not self._troubles:
            for supervisor in supervisors:
                supervisor.forget_logs()
        self._thread.join(PARTING_S)

    def forget(self) -> None:
        """In a forked child: the parent's workers do not outlive it because of this process's copies of their pipes."""
        for team in self._teams:
            for process in team.supervisor.running:
                processes.drain(process)
                process.poll()

    def _watch(self) -> None:
        pause_s = 0.0
        while not self._closing:
            self._rest(pause_s)
            try:
                pause_s = LOOK_EACH_S
                self._look()
            except StoreUnavailable:
                pause_s = _AWAY_S if self._unannounced or not self._teams else LOOK_EACH_S
            except Exception as error:
                # Whatever it is, jobs need their workers still, and the next look may go well.
                self._tell(error)
        self._drain()
        self._session.close()

    def _rest(self, seconds: float) -> None:
        try:
            self._wake.get(timeout=seconds)
            while True:
                self._wake.get_nowait()
        except Empty:
            return

    def _tell(self, error: Exception) -> None:
        if (said := f"{type(error).__name__}: {error}") != self._said:
            self._said = said
            _log.warning("workers for this client's jobs could not be looked after: %s", said, exc_info=error)

    def _drain(self) -> None:
        with self._lock:
            for team in self._teams:
                team.supervisor.drain()

    def _look(self) -> None:
        self._check_teams()
        while self._expected:
            self._queues |= dict.fromkeys(self._queues_of(*self._expected.pop()), False)
        missing: dict[str, None] = {}
        for queue, seen in list(self._queues.items()):
            providers = self._unserved(queue)
            # A worker that is replaced is gone for a moment.
            if providers and (not seen or queue in self._missed):
                missing |= dict.fromkeys(providers)
            self._queues[queue] = True
            (self._missed.add if providers else self._missed.discard)(queue)
        if missing and not self._is_fake():
            self._start(list(missing))
        if self._unannounced:
            announce(self._session, self._unannounced)
            self._unannounced = []

    def _queues_of(self, model: str, fallbacks: Sequence[str]) -> list[str]:
        """Where such a job may wait, as far as this process's own settings say."""
        try:
            hops = self._session.settings.fleet().hops(model, fallbacks)
        except HomaError:
            return []
        found = {queue_of(hop): [member.provider for member in members_of(hop)] for hop in hops}
        self._members |= found
        return list(found)

    def _unserved(self, queue: str) -> list[str]:
        """Providers that a worker of this process should serve for a queue."""
        own = {provider for team in self._teams for provider in team.providers}
        wanted = [name for name in self._providers(queue) if name not in own and name not in self._troubles]
        if not wanted or self._count is not None:
            return wanted
        return [] if self._asked(reads.live_workers(self._session.keys, queue), absent=0) else wanted

    def _is_fake(self) -> bool:
        """Whether the fleet's own workers answer: one started here would call providers with the real keys.

        A worker asks, too, once it has a store.
        """
        return self._asked(reads.is_fake(self._session.keys), absent=False)

    def _asked(self, op: Op[T], absent: T) -> T:
        """What the store says. One that does not run is being started, and workers start beside it.

        Args:
            absent: what holds of a store that does not run.
        """
        if not self._runs:
            self._runs = self._is_running()
        try:
            return self._session.driver.run(ask(op)) if self._runs else absent
        except StoreUnavailable:
            self._runs = self._is_running()
            if self._runs:
                raise
            return absent

    def _is_running(self) -> bool:
        """Whether the store can have live workers: nobody lives in an embedded one that does not run."""
        context = self._session.context
        return context.settings.redis_url is not None or context.embedded.running() is not None

    def _providers(self, queue: str) -> list[str]:
        if queue not in self._members:
            hop = None if alias_of(queue) is None else self._session.view().fleet.hop(queue)
            self._members[queue] = [queue] if hop is None else [member.provider for member in members_of(hop)]
        return self._members[queue]

    def _start(self, providers: list[str]) -> None:
        settings = self._session.settings
        able = [name for name in providers if self._tried([name], partial(check_startable, settings, [name]))]
        if not able:
            return
        env = self._environment(settings)
        specs = own_specs(settings, able, self._count or 1, f"{self._name}-{next(_numbers)}")
        arguments = [*able, "--await-store"]
        supervisor = WorkerSupervisor([replace(spec, env=env, arguments=arguments) for spec in specs], restart_policy())
        with self._lock:
            if self._closing:
                return
            if not self._tried(able, supervisor.start):
                supervisor.drain()
                return
            self._teams.append(_Team(frozenset(able), supervisor))
        self._unannounced += able

    def _check_teams(self) -> None:
        for team in list(self._teams):
            with self._lock:
                if self._closing:
                    return
                if not self._tried(team.providers, team.supervisor.check):
                    team.supervisor.drain()
                    self._teams.remove(team)

    def _tried(self, providers: Sequence[str] | frozenset[str], act: Callable[[], object]) -> bool:
        try:
            act()
        except StoreUnavailable:
            raise
        except HomaError as error:
            self._troubles |= dict.fromkeys(providers, error)
            return False
        return True
