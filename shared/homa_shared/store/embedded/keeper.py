"""The keeper: runs a directory's server, restarts it after a crash, stops it when nobody has used it for a while.

    python -m homa_shared.store.embedded.keeper DIRECTORY --idle-stop-s 1800 --fsync always

It detaches at once: by the time the command returns, `keeper.lock` is held by a process in a session of its own, which
neither its starter's end nor a Ctrl-C in a terminal reaches.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from homa_shared.store.embedded.directory import ServerState, StoreDirectory
from homa_shared.store.embedded.locks import is_locked, try_lock
from homa_shared.store.embedded.readiness import Readiness, ask
from homa_shared.store.embedded.server import FSYNC, IDLE_STOP_S, ServerSettings, control, shut_down, start_server

if TYPE_CHECKING:
    import redis

#: A server that crashes so soon after its start would only crash again.
_QUICK_DEATH_S = 10.0
#: Longest time to wait for somebody else's server to answer, or to let go of the directory.
_TAKEOVER_S = 60.0
#: A server that ends removes its socket as its last act but one; one that lives on for so long has lost it.
_GRACE_S = 1.0
_LONGEST_POLL_S = 15.0
_SHORTEST_POLL_S = 0.05
_START_POLL_S = 0.01
#: For so long a server that was just started is watched as a child only, s: whoever started it is starting too, and the
#: import of the client library would take its CPU.
_QUIET_START_S = 5.0


def main(arguments: Sequence[str] | None = None) -> None:
    """Keep the directory's server until it is stopped; returns at once where the directory has a keeper."""
    parser = argparse.ArgumentParser(description="Keep the embedded store of a directory.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--fsync", default=FSYNC)
    parser.add_argument("--idle-stop-s", type=float, default=IDLE_STOP_S)
    parser.add_argument("--maxmemory-bytes", type=int, default=None)
    options = parser.parse_args(arguments)
    settings = ServerSettings(options.fsync, options.idle_stop_s, options.maxmemory_bytes)
    directory = StoreDirectory.at(options.directory)
    if try_lock(directory.keeper_lock) is not None:
        _detach()
        Keeper(directory, settings).run()


def _detach() -> None:
    """Leave the starter. The lock on `keeper.lock` goes along: a fork shares the file description that holds it."""
    os.umask(0o077)
    if os.fork():
        os._exit(0)
    os.setsid()


class Keeper:
    """Runs one directory's server, as its parent or, where it finds one running, as its watcher."""

    def __init__(self, directory: StoreDirectory, settings: ServerSettings) -> None:
        self._directory = directory
        self._settings = settings
        #: The server's process; None for a server that another keeper started.
        self._child: subprocess.Popen[bytes] | None = None
        self._poll_s = max(_SHORTEST_POLL_S, min(_LONGEST_POLL_S, settings.idle_stop_s / 4))

    def run(self) -> None:
        """Start or find the server and watch it; start it again as long as it ends against anybody's will."""
        while True:
            socket = self._started_or_found()
            started_at_s = time.monotonic()
            if not self._watch(socket):
                return
            if time.monotonic() - started_at_s < _QUICK_DEATH_S:
                sys.exit(
                    f"keeper: the server ended {_QUICK_DEATH_S:.0f} s after its start or sooner: not started again"
                )
            print("keeper: the server ended unexpectedly: starting it again", file=sys.stderr, flush=True)  # noqa: T201

    def _started_or_found(self) -> str:
        deadline_s = time.monotonic() + _TAKEOVER_S
        while time.monotonic() < deadline_s:
            lock = try_lock(self._directory.server_lock)
            if lock is not None:
                return self._started(lock)
            state = self._directory.state()
            answer = ask(state.socket) if state else Readiness.NONE
            if state is not None and answer is Readiness.READY:
                self._child = None
                self._directory.record(replace(state, ready=True))
                return state.socket
            if answer is Readiness.LOADING:
                deadline_s = time.monotonic() + _TAKEOVER_S
            time.sleep(_START_POLL_S)
        sys.exit("keeper: a server holds the directory but does not answer")

    def _started(self, lock: int) -> str:
        socket = str(self._directory.socket())
        try:
            self._child = start_server(self._directory, self._settings, lock)
        finally:
            # From here on the lock is the server's alone.
            os.close(lock)
        try:
            self._wait_until_ready(self._child, ServerState(self._child.pid, socket))
        except OSError:
            # The directory went away: nobody would ever find this server, nor another keeper.
            self._child.terminate()
            self._child.wait()
            raise
        return socket

    def _wait_until_ready(self, child: subprocess.Popen[bytes], state: ServerState) -> None:
        self._directory.record(state)
        while ask(state.socket) is not Readiness.READY:
            if child.poll() is not None:
                sys.exit(f"keeper: the server did not start: exit status {child.returncode}")
            time.sleep(_START_POLL_S)
        self._directory.record(replace(state, ready=True))

    def _watch(self, socket: str) -> bool:
        """Watch until the server ends. Returns whether it shall be started again."""
        if self._child is not None and _ends_within(self._child, min(self._poll_s, _QUIET_START_S)):
            return self._child.returncode != 0
        import redis

        activity = Activity()
        while True:
            try:
                with closing(control(socket)) as client:
                    return self._watch_through(client, socket, activity)
            except redis.RedisError:
                # Only this connection may have ended (CLIENT KILL), or the server may be too busy to take a new one.
                if self._has_ended():
                    return self._child is not None and self._child.returncode != 0
                if self._child is not None and not Path(socket).exists():
                    return self._ended_unreachable(self._child)
                time.sleep(_SHORTEST_POLL_S)

    def _watch_through(self, client: redis.Redis, socket: str, activity: Activity) -> bool:
        """Watch until there is a reason to stop the server. Returns whether it shall be started again.

        Raises:
            redis.ConnectionError: the server hung up.
        """
        import redis

        while True:
            _wait_for_end(client, self._poll_s)
            try:
                if not Path(socket).exists():
                    # Nobody can come in any more; and without its directory there is nothing to come for.
                    _wait_for_end(client, _GRACE_S)
                    self._end(client)
                    return self._directory.path.exists()
                activity.look(client)
                if activity.idle_s >= self._settings.idle_stop_s and self._stop(client, activity):
                    return False
            except (redis.TimeoutError, redis.ResponseError):
                continue  # busy with a script: neither idle nor at its end

    def _stop(self, client: redis.Redis, activity: Activity) -> bool:
        """Stop an idle server, unless a starter is about to hand it out: whoever was given a URL finds it answering."""
        lock = try_lock(self._directory.starter_lock)
        if lock is None:
            return False
        try:
            activity.look(client)
            if activity.idle_s < self._settings.idle_stop_s:
                return False
            self._end(client)
            return True
        finally:
            os.close(lock)

    def _end(self, client: redis.Redis) -> None:
        shut_down(client)
        if self._child is not None:
            self._child.wait()

    def _ended_unreachable(self, child: subprocess.Popen[bytes]) -> bool:
        """End a server that nobody, the keeper neither, can connect to. Returns whether it shall be started again."""
        try:
            return child.wait(timeout=_GRACE_S) != 0
        except subprocess.TimeoutExpired:
            child.terminate()
            child.wait()
            return self._directory.path.exists()

    def _has_ended(self) -> bool:
        """Whether the server is gone; only its parent learns its exit status, 0 where it was told to end."""
        if self._child is not None:
            return self._child.poll() is not None
        return not (self._directory.path.exists() and is_locked(self._directory.server_lock))


class Activity:
    """When somebody else was last connected to a server. Connections between two looks count too."""

    def __init__(self) -> None:
        self._connections_ever = -1
        self._last_at_s = time.monotonic()

    def look(self, client: redis.Redis) -> None:
        clients, stats = client.info("clients"), client.info("stats")
        connections_ever = int(stats["total_connections_received"])
        if int(clients["connected_clients"]) > 1 or connections_ever != self._connections_ever:
            self._last_at_s = time.monotonic()
        self._connections_ever = connections_ever

    @property
    def idle_s(self) -> float:
        return time.monotonic() - self._last_at_s


def _ends_within(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether a server ends in that time."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def _wait_for_end(client: redis.Redis, wait_s: float) -> None:
    """Wait on the connection, where nothing comes unasked but its end.

    Raises:
        redis.ConnectionError: the end has come.
    """
    import redis

    if client.connection is None or client.connection.can_read(timeout=wait_s):
        raise redis.ConnectionError("the server hung up")


if __name__ == "__main__":
    main()
