"""What lies elsewhere, fetched while the files before it are read: small things are copied ahead, large ones wait.

A large object is opened in its turn: rows are then read as they come, and only what a parser has to move about in is
copied to a temporary file first. Copies are gone once they are read.
"""

from __future__ import annotations

import queue
import tempfile
import threading
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from homa.files.remote.objects import RemoteFile, Unfetchable

#: Things that are fetched side by side.
FETCHED_AT_ONCE = 8
#: What is larger is fetched in its turn, bytes.
AHEAD_BYTES = 32 * 1024 * 1024
#: Largest thing that is copied, bytes; rows of text may be larger, since they are read as they come.
MOST_COPIED_BYTES = 16 * 1024**3


@dataclass(frozen=True, slots=True)
class Fetched:
    """Something that is being fetched."""

    #: As told to people.
    path: str
    remote: RemoteFile
    #: Where it is copied to.
    file: Path
    #: The name that tells its kind; None for what is fetched in its turn.
    coming: Future[str] | None

    @property
    def is_here(self) -> bool:
        return self.coming is not None and self.coming.done()

    def copy(self) -> str:
        """Waits for the copy, or makes it; the name that tells its kind. Raises what `RemoteFile.copy` does."""
        if self.coming is not None:
            return self.coming.result()
        if (self.remote.size or 0) > MOST_COPIED_BYTES:
            raise Unfetchable(f"is larger than {MOST_COPIED_BYTES:,} bytes: split it")
        return self.remote.copy(self.file)


class Fetching:
    """Fetches for one stream of rows; starts no thread before there is something to fetch.

    Its threads are daemons: who leaves the stream in the middle must not wait for a server at exit.
    """

    def __init__(self) -> None:
        self._tasks: queue.SimpleQueue[Fetched | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._begun = 0

    def begin(self, path: str, remote: RemoteFile) -> Fetched:
        """Begins to fetch something, unless it is large."""
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="homa-", ignore_cleanup_errors=True)
        self._begun += 1
        file = Path(self._folder.name, str(self._begun))
        if remote.size is not None and remote.size > AHEAD_BYTES:
            return Fetched(path, remote, file, None)
        fetched = Fetched(path, remote, file, Future())
        self._tasks.put(fetched)
        if len(self._threads) < FETCHED_AT_ONCE:
            thread = threading.Thread(target=self._work, name="homa-fetcher", daemon=True)
            self._threads.append(thread)
            thread.start()
        return fetched

    def close(self) -> None:
        """Fetches nothing further, and removes the copies."""
        while not self._tasks.empty():
            self._tasks.get()
        for _ in self._threads:
            self._tasks.put(None)
        if self._folder is not None:
            self._folder.cleanup()

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            assert task.coming is not None
            try:
                task.coming.set_result(task.remote.copy(task.file))
            except BaseException as error:  # for whoever waits for it
                task.coming.set_exception(error)
