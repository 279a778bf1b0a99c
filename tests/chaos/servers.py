"""Stores that may be killed: plain servers on a loopback port, without a keeper that would bring them back."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import redis

from homa_shared.store.embedded.server import server_binary

_PATIENCE_S = 20.0
#: Names when stores of campaigns sync their append-only file, where a campaign does not say it itself.
FSYNC_VARIABLE = "HOMA_CHAOS_FSYNC"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Server:
    """One Valkey server.

    Args:
        directory: where its append-only file is; a server started again there has its data back.
        fsync: when the file is synced: always, everysec or no; None: as the environment says, or else always.
        options: further lines of its configuration, by name.
    """

    def __init__(self, directory: Path, *, fsync: str | None = None, **options: object) -> None:
        self.directory, self.port = directory, free_port()
        self._options = {
            "bind": "127.0.0.1",
            "port": self.port,
            "dir": directory,
            "save": '""',
            "appendonly": "yes",
            "appendfsync": fsync or os.environ.get(FSYNC_VARIABLE, "always"),
            "maxmemory-policy": "noeviction",
            "logfile": directory / f"{self.port}.log",
        }
        self._options |= {name.replace("_", "-"): value for name, value in options.items()}
        self._process: subprocess.Popen[bytes] | None = None
        self._arguments: tuple[str, ...] = ()

    @classmethod
    def sentinel(cls, directory: Path, primary: Server, *, down_after_ms: int = 1000) -> Server:
        """A sentinel that alone decides when the primary is dead."""
        server = cls(directory)
        watched = f"main 127.0.0.1 {primary.port} 1"
        server._options = {
            "bind": "127.0.0.1",
            "port": server.port,
            "dir": directory,
            "logfile": directory / "sentinel.log",
            "sentinel monitor": watched,
            "sentinel down-after-milliseconds": f"main {down_after_ms}",
            "sentinel failover-timeout": "main 5000",
        }
        server._arguments = ("--sentinel",)
        return server

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Server:
        """Starts it and waits until it answers, its data loaded."""
        file = self.directory / f"{self.port}.conf"
        if not (self._arguments and file.exists()):  # a sentinel keeps what it learnt in its configuration
            file.write_text("".join(f"{name} {value}\n" for name, value in self._options.items()))
        self._process = subprocess.Popen(
            [server_binary(), file, *self._arguments], cwd=self.directory, stdout=subprocess.DEVNULL
        )
        give_up_s = time.monotonic() + _PATIENCE_S
        while not self.answers():
            assert time.monotonic() < give_up_s, f"{file} does not start: see {self._options['logfile']}"
            time.sleep(0.02)
        return self

    def answers(self) -> bool:
        try:
            return bool(self.ask("PING"))
        except redis.RedisError:
            return False

    def ask(self, *command: object) -> object:
        """One command, on a connection of its own."""
        with closing(redis.Redis(port=self.port, protocol=2, socket_timeout=5)) as client:
            return client.execute_command(*command)

    def info(self, section: str) -> dict[str, Any]:
        """INFO of one section."""
        with closing(redis.Redis(port=self.port, protocol=2, socket_timeout=5)) as client:
            return dict(client.info(section))

    def _append_only_file(self) -> Path:
        return max((self.directory / "appendonlydir").glob("*.incr.aof"))

    def appended_bytes(self) -> int:
        """Size of its append-only file."""
        return self._append_only_file().stat().st_size

    def cut_off(self, kept_bytes: int) -> None:
        """Loses the end of its append-only file, as a machine that stops without a sync does."""
        with self._append_only_file().open("r+b") as file:
            file.truncate(kept_bytes)

    def pause(self) -> None:
        """SIGSTOP: it takes connections, and answers nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
