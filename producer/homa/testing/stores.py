"""The store of a process's tests: an embedded one in a directory of its own, started at the first need."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from homa_shared.store.connection import StoreAddress, connect_sync
from homa_shared.store.embedded import EmbeddedStore

#: A store that a killed test run leaves behind stops by itself after so long, s.
_ABANDONED_S = 60.0
_MEMORY_BYTES = 1_000_000_000


def test_store() -> str:
    """The address of the store that all tests of this process share; they keep apart by namespace.

    It is gone when the process ends.

    Raises:
        MissingExtra: `homa-queue[embedded]` is not installed.
        StoreUnavailable: it does not start.
    """
    return _started(os.getpid())


@cache
def _started(pid: int) -> str:
    directory = Path(tempfile.mkdtemp(prefix="homa-testing-"))
    store = EmbeddedStore(directory, idle_stop_s=_ABANDONED_S, fsync="everysec", maxmemory_bytes=_MEMORY_BYTES)
    url = store.ensure()
    # A guest that stays: a minute of tests that need no store must not make it stop as abandoned.
    guest = connect_sync(StoreAddress.parse(url), role="guest")
    guest.ping()

    def end() -> None:
        if os.getpid() != pid:
            return
        guest.close()
        store.stop()
        shutil.rmtree(directory, ignore_errors=True)

    atexit.register(end)
    return url


# pytest takes what is called test_… for a test.
test_store.__test__ = False  # type: ignore[attr-defined]
