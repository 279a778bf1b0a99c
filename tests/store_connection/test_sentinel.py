"""A store behind sentinels is found by its service's name, again after a failover, by clients that wait."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import redis

from homa_shared.model.errors import StoreUnavailable
from homa_shared.store.connection import StoreAddress, connect_async, connect_sync, store_errors
from homa_shared.store.embedded.server import server_binary
from tests.fixtures.store import eventually


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def answers(port: int) -> bool:
    with closing(redis.Redis(port=port, protocol=2)) as client:
        try:
            return bool(client.ping())
        except redis.RedisError:
            return False


_HASTE = "save ''\nrepl-diskless-sync-delay 0\nshutdown-timeout 0\n"


class Fleet:
    """A primary, a replica and one sentinel that watches them."""

    def __init__(self, directory: Path, stack: ExitStack) -> None:
        self._directory, self._stack = directory, stack
        self.primary, self.replica, self.sentinel = free_port(), free_port(), free_port()
        self._start("primary", f"port {self.primary}\n{_HASTE}")
        self._start("replica", f"port {self.replica}\n{_HASTE}replicaof 127.0.0.1 {self.primary}\n")
        watched = f"port {self.sentinel}\nsentinel monitor main 127.0.0.1 {self.primary} 1\n"
        self._start("sentinel", watched, "--sentinel")
        for port in (self.primary, self.replica, self.sentinel):
            eventually(lambda port=port: answers(port))
        # A replica acknowledges writes before it has loaded its first copy, and forgets them when promoted then.
        eventually(self.replica_is_in_step)
        # Ten seconds between looks at replicas are no part of what is tested.
        self.ask_sentinel("DEBUG", "INFO-PERIOD", 1000)

    def _start(self, name: str, configuration: str, *arguments: str) -> None:
        file = self._directory / f"{name}.conf"
        file.write_text(f"bind 127.0.0.1\ndir {self._directory}\nlogfile {name}.log\n{configuration}")
        process = subprocess.Popen([server_binary(), file, *arguments], cwd=self._directory, stdout=subprocess.DEVNULL)
        self._stack.callback(process.wait)
        self._stack.callback(process.terminate)

    def replica_is_in_step(self) -> bool:
        with closing(redis.Redis(port=self.replica, protocol=2)) as client:
            return bool(client.info("replication")["master_link_status"] == "up")

    def ask_sentinel(self, *command: object) -> object:
        with closing(redis.Redis(port=self.sentinel, protocol=2)) as client:
            return client.execute_command("SENTINEL", *command)

    @property
    def url(self) -> str:
        # The first sentinel is down: the next one is asked.
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel}/main/0"


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    directory = Path(tempfile.mkdtemp(prefix="homa-test-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        yield Fleet(directory, stack)


def test_the_primary_is_found_and_threads_wait_for_connections_to_it(fleet: Fleet) -> None:
    client = connect_sync(StoreAddress.parse(fleet.url), max_connections=2)
    threads = [threading.Thread(target=client.incr, args=("count",)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("count") == b"10"
    client.close()


async def test_an_async_client_finds_it_too(fleet: Fleet) -> None:
    client = connect_async(StoreAddress.parse(fleet.url))
    assert await client.ping()
    assert await client.config_get("port") == {"port": str(fleet.primary)}
    await client.aclose()


def test_an_unknown_service_is_named(fleet: Fleet) -> None:
    address = StoreAddress.parse(f"redis+sentinel://127.0.0.1:{fleet.sentinel}/other")
    client = connect_sync(address)
    with pytest.raises(StoreUnavailable, match="/other: No master found for 'other'"), store_errors(address):
        client.ping()
    client.close()


def test_a_failover_is_followed(fleet: Fleet) -> None:
    client = connect_sync(StoreAddress.parse(fleet.url))
    client.set("kept", "value")
    assert client.wait(1, 10_000) == 1

    def failed_over() -> bool:
        try:
            fleet.ask_sentinel("FAILOVER", "main")
        except redis.ResponseError:  # it has not yet seen the replica, or is at it already
            return False
        return True

    eventually(failed_over)

    def at_the_new_primary() -> bool:
        try:
            # A write is what tells a demoted primary from the new one: it still answers reads.
            return bool(client.set("after", "value")) and client.config_get("port") == {"port": str(fleet.replica)}
        except redis.RedisError:
            return False

    eventually(at_the_new_primary, timeout_s=40)
    assert client.get("kept") == b"value"
    client.close()
