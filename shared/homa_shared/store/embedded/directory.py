"""The directory of an embedded store: what lies where, who may see it, and where its socket can be."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from homa_shared.model.errors import StoreUnavailable
from homa_shared.store.address import SETTING

#: sun_path holds 107 bytes and a zero on Linux, 103 on macOS.
LONGEST_SOCKET_PATH_BYTES = 100
#: A log larger than this is set aside (once) when the server starts.
_LARGE_LOG_BYTES = 10_000_000


@dataclass(frozen=True, slots=True)
class ServerState:
    """What the keeper records of the server that it runs. True only while `server.lock` is held."""

    pid: int
    socket: str
    #: Whether the keeper has seen it answer: only then it watches, and only then the store is handed out.
    ready: bool = False


@dataclass(frozen=True, slots=True)
class StoreDirectory:
    """Paths inside an embedded store's directory. `path` is absolute and free of symbolic links."""

    path: Path

    @classmethod
    def at(cls, path: Path) -> StoreDirectory:
        return cls(path.expanduser().resolve())

    @property
    def starter_lock(self) -> Path:
        """Held while a process starts, stops, backs up or restores the store."""
        return self.path / "starter.lock"

    @property
    def keeper_lock(self) -> Path:
        """Held by the keeper as long as it lives."""
        return self.path / "keeper.lock"

    @property
    def server_lock(self) -> Path:
        """Held by the server, and by its snapshot children, as long as one of them lives."""
        return self.path / "server.lock"

    @property
    def log(self) -> Path:
        """What the server, and a keeper in trouble, have to say."""
        return self.path / "store.log"

    @property
    def append_only(self) -> Path:
        """The data: a base file, increments and a manifest."""
        return self.path / "appendonlydir"

    @property
    def snapshot(self) -> Path:
        """Where the server writes a backup before it is moved to its target."""
        return self.path / "backup.rdb"

    @property
    def _state(self) -> Path:
        return self.path / "state.json"

    def prepare(self) -> None:
        """Make the directory, readable by its owner alone: it holds prompts and replies.

        Raises:
            StoreUnavailable: it cannot be made, or belongs to somebody else.
        """
        try:
            new = not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            if stat.S_IMODE(self.path.stat().st_mode) != 0o700:
                self.path.chmod(0o700)
            if new:
                # Beside a homa.toml it lies in somebody's repository.
                (self.path / ".gitignore").write_text("*\n")
        except OSError as error:
            raise StoreUnavailable(
                f"cannot keep a store in {self.path}: {error.strerror or error}; "
                f"set HOMA_HOME to a directory of yours, or {SETTING} to a store that runs"
            ) from error

    def socket(self) -> Path:
        """Where the server shall listen: in the directory, or in a private one under the temporary directory where
        that path is too long for a unix socket.

        Raises:
            StoreUnavailable: the private directory exists and is not private.
        """
        inside = self.path / "store.sock"
        if _fits(inside):
            return inside
        name = hashlib.sha256(os.fsencode(self.path)).hexdigest()[:20] + ".sock"
        parents = (Path(parent) / f"homa-{os.getuid()}" for parent in (tempfile.gettempdir(), "/tmp"))
        parent = next(parent for parent in parents if _fits(parent / name))
        parent.mkdir(mode=0o700, exist_ok=True)
        _require_private(parent)
        return parent / name

    def record(self, state: ServerState) -> None:
        new = self._state.with_suffix(".new")
        new.write_text(json.dumps(asdict(state)))
        new.replace(self._state)

    def state(self) -> ServerState | None:
        """The last server's record; it may long be gone."""
        try:
            return ServerState(**json.loads(self._state.read_text()))
        except (OSError, ValueError, TypeError):
            return None

    def log_size(self) -> int:
        return self.log.stat().st_size if self.log.exists() else 0

    def log_tail(self, since: int, lines: int = 12) -> str:
        """The last lines of the log, of what was written after it had `since` bytes."""
        try:
            with self.log.open("rb") as log:
                log.seek(since if since <= self.log_size() else 0)
                text = log.read().decode(errors="replace")
        except OSError:
            return "(no log)"
        return "\n".join(text.splitlines()[-lines:]) or "(nothing in the log)"

    def rotate_log(self) -> None:
        if self.log_size() > _LARGE_LOG_BYTES:
            self.log.replace(self.log.with_suffix(".log.1"))


def _fits(path: Path) -> bool:
    return len(os.fsencode(path)) <= LONGEST_SOCKET_PATH_BYTES


def _require_private(directory: Path) -> None:
    """In a shared temporary directory somebody else may have made it first, to put a socket of theirs in our way."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or stat.S_IMODE(found.st_mode) & 0o077:
        raise StoreUnavailable(
            f"{directory} is not a private directory of yours (expected a directory with mode 0700): "
            "remove it, or set HOMA_HOME to a shorter path"
        )
