"""Helper processes that read documents: a parser that crashes, hangs or eats memory takes its own process down.

1. A reading is a task of the pool: a thread hands the file's path to a helper process and takes frames from it.
2. Frames wait in a queue that is short in number and in bytes until the rows before them are taken, so that reading
   ahead holds little.
3. Before it opens a file within the file the helper says so. Where it dies there, that part gets a fault, and another
   helper goes on behind it: one bad attachment does not cost the mail.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from homa.files.readers.document import Document, Fault, ReadOptions, Remark
from homa.files.readers.frames import packed_path
from homa.files.readers.helper_process import Died, HelperProcess, Left

#: Most helpers; each takes a core.
_MOST_HELPERS = 8
#: Frames of one reading that wait to be taken.
_FRAMES_AHEAD = 64
#: Bytes of theirs beyond which no further one is put behind them.
_BYTES_AHEAD = 16 * 1024 * 1024
#: Parts of one file that may bring their helper down before the rest of it is given up.
_MOST_DEATHS = 5
_NAP_S = 0.1
#: How long a thread may take to kill its helper, s.
_END_S = 5.0

Outcome = Document | Fault | Remark


class Reading:
    """One file being read by a helper; iterates over what is found, in its order."""

    def __init__(self) -> None:
        self._frames: queue.Queue[tuple[int, Outcome | BaseException | None]] = queue.Queue(_FRAMES_AHEAD)
        #: Bytes of all frames so far; each is counted by one thread alone.
        self._put = self._taken = 0
        self.cancelled = threading.Event()

    def __iter__(self) -> Iterator[Outcome]:
        while True:
            size, frame = self._frames.get()
            self._taken += size
            if frame is None:
                return
            if isinstance(frame, BaseException):
                raise frame
            yield frame

    def put(self, frame: Outcome | BaseException | None, size: int = 0) -> bool:
        """Hands something of so many bytes over once there is room; false when nobody wants it any more."""
        while self._put - self._taken > _BYTES_AHEAD:
            if self.cancelled.wait(_NAP_S):
                return False
        while not self.cancelled.is_set():
            try:
                self._frames.put((size, frame), timeout=_NAP_S)
            except queue.Full:
                continue
            self._put += size
            return True
        return False


class _Idle:
    """Helpers that wait for the next stream of rows of this process; they end by themselves when none comes."""

    def __init__(self) -> None:
        self._helpers: list[HelperProcess] = []
        self._lock = threading.Lock()
        self._owner = os.getpid()

    def take(self) -> HelperProcess:
        with self._lock:
            if self._owner != os.getpid():  # a fork: the pipes are the parent's
                self._helpers, self._owner = [], os.getpid()
            while self._helpers:
                helper = self._helpers.pop()
                if helper.reusable:
                    return helper
                helper.kill()
        return HelperProcess()

    def give_back(self, helper: HelperProcess) -> None:
        with self._lock:
            if helper.reusable and len(self._helpers) < _MOST_HELPERS and self._owner == os.getpid():
                self._helpers.append(helper)
                return
        helper.kill()

    def end(self) -> None:
        """Ends them all."""
        with self._lock:
            while self._owner == os.getpid() and self._helpers:
                self._helpers.pop().kill()


IDLE = _Idle()
atexit.register(IDLE.end)


def _cores() -> int:
    """Those that this process may use, where the system says."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


class HelperPool:
    """Helpers for one stream of rows; starts none before it is needed.

    Its threads are daemons: who leaves the stream in the middle must not wait for it at exit.
    """

    def __init__(self) -> None:
        self.size = min(_cores(), _MOST_HELPERS)
        self._tasks: queue.SimpleQueue[tuple[Reading, dict[str, Any], ReadOptions] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._live: set[Reading] = set()

    def read(self, reader: str, path: str, file: Path, options: ReadOptions) -> Reading:
        """Begins to read a file.

        Args:
            reader: its name.
            path: of the file as people know it.
            file: where its bytes are.
        """
        reading = Reading()
        self._live.add(reading)
        self._tasks.put((reading, {"reader": reader, "path": path, "file": packed_path(file)}, options))
        if len(self._threads) < self.size:
            thread = threading.Thread(target=self._work, name="homa-reader", daemon=True)
            self._threads.append(thread)
            thread.start()
        return reading

    def close(self) -> None:
        """Ends what goes on."""
        for reading in list(self._live):
            reading.cancelled.set()
        for _ in self._threads:
            self._tasks.put(None)
        for thread in self._threads:
            thread.join(_END_S)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            reading, what, options = task
            try:
                self._read_all(reading, what, options)
            except BaseException as error:
                reading.put(error)
            finally:
                reading.put(None)
                self._live.discard(reading)

    def _read_all(self, reading: Reading, task: dict[str, Any], options: ReadOptions) -> None:
        skip = deaths = 0
        while not reading.cancelled.is_set():
            try:
                self._read_once(reading, {**task, "skip": skip}, options)
            except Left:
                continue
            except Died as death:
                deaths += 1
                reading.put(Fault(death.told, part=death.part))
                if death.begun <= skip:
                    return
                if deaths > _MOST_DEATHS:
                    reading.put(Fault(f"brought its reader down {deaths} times: the rest of it is not read"))
                    return
                skip = death.begun
            else:
                return

    def _read_once(self, reading: Reading, task: dict[str, Any], options: ReadOptions) -> None:
        """Hands over what one helper finds. Raises Died or Left where it does not come to the end."""
        helper = IDLE.take()
        try:
            for frame in helper.read(task, options, reading.cancelled):
                if not reading.put(frame, helper.frame_bytes):
                    raise Left
        except BaseException:
            helper.kill()
            raise
        IDLE.give_back(helper)
