"""Locks on files, held by an open file description: a child that inherits the descriptor holds the lock too."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from homa_shared.model.errors import StoreUnavailable
from homa_shared.store.address import SETTING

if sys.platform == "win32":  # pragma: no cover (no test runs there)
    raise StoreUnavailable(f"the embedded store runs on Linux and macOS only: set {SETTING} to a Redis or Valkey")

import fcntl


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock, waiting for whoever has it."""
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def try_lock(path: Path) -> int | None:
    """Take the lock unless somebody has it. Returns an open descriptor that holds it until its last copy is closed."""
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def is_locked(path: Path) -> bool:
    """Whether somebody holds the lock. Looking takes it for an instant: whoever tries meanwhile has to try again."""
    descriptor = try_lock(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
