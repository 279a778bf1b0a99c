"""Processes that start stores, and directories that leave no server behind."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis

from homa_shared.store.connection import StoreAddress, connect_sync
from homa_shared.store.embedded import EmbeddedStore, StoreDirectory
from homa_shared.store.embedded.locks import is_locked
from tests.fixtures.store import eventually

#: A starter: prints the store's URL, then stays until its stdin ends.
STARTER = """
import sys
from pathlib import Path
from homa_shared.store.embedded import EmbeddedStore
print(EmbeddedStore(Path(sys.argv[1]), idle_stop_s=60).ensure(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def directory() -> Iterator[Path]:
    """Where a store shall be; not yet made. Whatever runs there afterwards is stopped."""
    parent = Path(tempfile.mkdtemp(prefix="homa-test-"))
    path = parent / "store"
    yield path
    for lock in parent.rglob("starter.lock"):
        EmbeddedStore(lock.parent).stop()
    shutil.rmtree(parent)


def starter(directory: Path, **options: object) -> subprocess.Popen[str]:
    """A process that starts the store and stays."""
    command = [sys.executable, "-W", "error", "-c", STARTER, str(directory)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, **pipes, **options)  # type: ignore[call-overload, no-any-return]


def client_of(url: str) -> closing[redis.Redis]:
    return closing(connect_sync(StoreAddress.parse(url), role="test"))


def write(url: str, value: str) -> None:
    with client_of(url) as client:
        client.set("kept", value)


def read(url: str) -> object:
    with client_of(url) as client:
        return client.get("kept")


def keeper_pid(directory: Path) -> int:
    """The keeper's process: the parent of the server, whose pid the store reports."""
    status = EmbeddedStore(directory).running()
    assert status is not None
    parent = subprocess.run(["ps", "-o", "ppid=", "-p", str(status.pid)], capture_output=True, text=True, check=True)
    return int(parent.stdout)


def wait_for_end_of_server(directory: Path) -> None:
    eventually(lambda: not is_locked(StoreDirectory.at(directory).server_lock))


def wait_for_end_of_keeper(directory: Path) -> None:
    eventually(lambda: not is_locked(StoreDirectory.at(directory).keeper_lock))
