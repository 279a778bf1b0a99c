"""Backups of an embedded store: one file with everything, and the way back.

A backup is in Valkey's RDB format. To restore it, it becomes the base of a new append-only directory; the manifest is
that of multi-part append-only files (Redis 7.0), where `file <name> seq <n> type b` names the base.
"""

from __future__ import annotations

import os
import shutil
import time
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import redis

from homa_shared.model.errors import ConfigError, StoreUnavailable
from homa_shared.store.address import StoreAddress
from homa_shared.store.embedded.directory import StoreDirectory
from homa_shared.store.embedded.server import control
from homa_shared.store.errors import store_errors

_MAGICS = (b"REDIS", b"VALKEY")
_BASE = "appendonly.aof.1.base.rdb"
_MANIFEST = "appendonly.aof.manifest"
_POLL_S = 0.02


def require_new(target: Path) -> None:
    """Refuse a target that would overwrite something."""
    if target.exists():
        raise ConfigError(f"backup target {target} exists; expected a path where no file is")
    if not target.absolute().parent.is_dir():
        raise ConfigError(f"backup target {target} has no directory to be in: make {target.absolute().parent} first")


def require_snapshot(source: Path) -> None:
    """Refuse a source that is no backup."""
    try:
        with source.open("rb") as file:
            start = file.read(max(map(len, _MAGICS)))
    except OSError as error:
        raise ConfigError(f"cannot read the backup {source}: {error.strerror or error}") from error
    if not start.startswith(_MAGICS):
        raise ConfigError(f"{source} is no backup: it starts with {start!r}; expected a file of `homa store backup`")


def save(directory: StoreDirectory, address: StoreAddress, target: Path) -> None:
    """Have the server write a snapshot, then move it to the target, whole or not at all."""
    assert address.socket_path is not None
    with store_errors(address), closing(control(address.socket_path)) as client:
        _write_snapshot(client)
    part = target.with_name(f".{target.name}.part")
    try:
        with directory.snapshot.open("rb") as read, part.open("wb") as written:
            os.fchmod(written.fileno(), 0o600)
            shutil.copyfileobj(read, written)
            os.fsync(written.fileno())
        part.replace(target)
        _sync_directory(target.absolute().parent)
    except OSError as error:
        raise StoreUnavailable(f"cannot write the backup {target}: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)
        directory.snapshot.unlink(missing_ok=True)


def _write_snapshot(client: redis.Redis) -> None:
    _wait_for_background(client)
    client.bgsave()
    info = _wait_for_background(client)
    if info["rdb_last_bgsave_status"] != "ok":
        raise StoreUnavailable("the store could not write its snapshot; its log says why (often a full disk)")


def _wait_for_background(client: redis.Redis) -> dict[str, Any]:
    """A server writes one file at a time in the background: a snapshot has to wait for a rewrite to end."""
    while True:
        info: dict[str, Any] = client.info("persistence")
        if not (int(info["rdb_bgsave_in_progress"]) or int(info["aof_rewrite_in_progress"])):
            return info
        time.sleep(_POLL_S)


def swap_in(directory: StoreDirectory, source: Path) -> Path | None:
    """Put a backup in the place of the data. Returns where that was set aside, None where there was none."""
    new = directory.path / "restoring"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    shutil.copyfile(source, new / _BASE)
    (new / _MANIFEST).write_text(f"file {_BASE} seq 1 type b\n")
    for path in (new / _BASE, new / _MANIFEST):
        _sync_file(path)
    set_aside = None
    if directory.append_only.exists():
        set_aside = directory.path / f"replaced-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
        directory.append_only.rename(set_aside)
    new.rename(directory.append_only)
    _sync_directory(directory.path)
    return set_aside


def swap_back(directory: StoreDirectory, set_aside: Path | None) -> None:
    """Undo `swap_in`."""
    shutil.rmtree(directory.append_only)
    if set_aside is not None:
        set_aside.rename(directory.append_only)


def _sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


#: A rename is safe once its directory is synced; a directory opens like a file.
_sync_directory = _sync_file
