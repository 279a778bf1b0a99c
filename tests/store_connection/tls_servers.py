"""Redis servers and sentinels that speak TLS alone, and let in nobody without a certificate of their authority."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import redis

from tests.store_connection.tls import Authority, Certificate


def server() -> str:
    found = shutil.which("redis-server")
    if found is None:
        pytest.skip("redis-server is not installed: Debian's package redis-server has it, with TLS")
    return found


class TlsServers:
    """Starts servers in one directory; they end with the stack."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory, self._stack = directory, stack
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self.authority = Authority(directory, "authority")
        self.client = self.authority.issue("client")

    def start(self, name: str, port: int, shown: Certificate, *lines: str, options: tuple[str, ...] = ()) -> None:
        file = self._directory / f"{name}.conf"
        tls = [
            f"port 0\ntls-port {port}\nbind 127.0.0.1\ndir {self._directory}\nlogfile {name}.log",
            f"tls-cert-file {shown.certificate}\ntls-key-file {shown.key}",
            f"tls-ca-cert-file {self.authority.certificate}\ntls-auth-clients yes\ntls-replication yes",
        ]
        plain = [] if options else ["save ''"]
        file.write_text("\n".join([*tls, *plain, *lines, ""]))
        process = subprocess.Popen([server(), file, *options], cwd=self._directory, stdout=subprocess.DEVNULL)
        self._processes[port] = process
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)

    def kill(self, port: int) -> None:
        """kill -9."""
        self._processes[port].kill()
        self._processes[port].wait()

    def ask(self, port: int, *command: object) -> Any:
        """One command, on a connection of its own."""
        with closing(
            redis.Redis(
                port=port,
                protocol=2,
                ssl=True,
                ssl_ca_certs=str(self.authority.certificate),
                ssl_certfile=str(self.client.certificate),
                ssl_keyfile=str(self.client.key),
                ssl_check_hostname=False,
            )
        ) as client:
            return client.execute_command(*command)

    def answers(self, port: int) -> bool:
        try:
            return bool(self.ask(port, "PING"))
        except redis.RedisError:
            return False

    def query(self, *, ca: Path | None = None, mine: bool = True) -> str:
        """The files of an address, behind its `?`."""
        files = f"&ssl_certfile={self.client.certificate}&ssl_keyfile={self.client.key}" if mine else ""
        return f"ssl_ca_certs={ca or self.authority.certificate}{files}"
