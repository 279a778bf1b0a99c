"""Where a folder of results has its files: a directory, or objects of a bucket. Each is there whole or not at all."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from homa.files.remote.bucket import Bucket
from homa_shared.model.errors import HomaError, OutputUnwritable

#: Objects that are sent side by side, and most that wait for it.
_AT_ONCE = 16
_MOST_WAITING = 64


class FolderFiles(Protocol):
    """Files by their names below the folder."""

    def has(self, name: str) -> bool: ...

    def put(self, name: str, content: bytes) -> None:
        """Raises OutputUnwritable where it is not taken."""
        ...

    def remove(self, name: str) -> None: ...

    def flush(self) -> None:
        """Waits until all is there. Raises OutputUnwritable where something was not taken."""
        ...


class LocalFiles:
    """Files of a directory."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def has(self, name: str) -> bool:
        return Path(self._folder, name).exists()

    def put(self, name: str, content: bytes) -> None:
        path = Path(self._folder, name)
        fresh = path.with_name(f".{path.name}.tmp")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fresh.write_bytes(content)
            fresh.replace(path)
        except OSError as error:
            raise OutputUnwritable(
                f"cannot write {path}: {error.strerror or error}; fix that and use --resume"
            ) from error

    def remove(self, name: str) -> None:
        path = Path(self._folder, name)
        path.unlink(missing_ok=True)
        for folder in path.parents:
            if folder == self._folder or not _removed(folder):
                break

    def flush(self) -> None:
        """They are there already."""


class StoredFiles:
    """Objects below a prefix, sent while the run goes on.

    Args:
        prefix: with a slash at its end.
    """

    def __init__(self, bucket: Bucket, prefix: str) -> None:
        self._bucket, self._prefix = bucket, prefix
        self._known: set[str] | None = None
        self._pool: ThreadPoolExecutor | None = None
        self._sent: deque[Future[str | None]] = deque()

    def has(self, name: str) -> bool:
        if self._known is None:
            self._known = {each.key for each in self._bucket.below(self._prefix)}
        return self._prefix + name in self._known

    def put(self, name: str, content: bytes) -> None:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="homa-results")
        if len(self._sent) >= _MOST_WAITING:
            self._end_of(self._sent.popleft())
        self._sent.append(self._pool.submit(self._bucket.put, self._prefix + name, content))

    def remove(self, name: str) -> None:
        self.flush()
        self._bucket.delete(self._prefix + name)

    def flush(self) -> None:
        while self._sent:
            self._end_of(self._sent.popleft())

    def _end_of(self, sent: Future[str | None]) -> None:
        try:
            sent.result()
        except HomaError as error:
            raise OutputUnwritable(f"{error}; fix that and use --resume") from error


def _removed(folder: Path) -> bool:
    try:
        folder.rmdir()
    except OSError:  # something is in it
        return False
    return True
