"""Helper processes that read documents: a parser that crashes, hangs or eats memory takes its own process down.

1. A reading is a task of the pool: a thread hands the file's path to a helper process and takes frames from it.
2. Frames wait in a short queue until the rows before them are taken, so that reading ahead holds little.
3. Before it opens a file within the file the helper says so. Where it dies there, that part gets a fault, and another
   helper goes on behind it: one bad attachment does not cost the mail.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from homa.files.readers.document import Document, Fault, ReadOptions, Remark
from homa.files.readers.helper_process import Died, HelperProcess, Left

#: Most helpers; each takes a core.
_MOST_HELPERS = 8
#: Frames of one reading that wait to be taken.
_FRAMES_AHEAD = 64
#: Parts of one file that may bring their helper down before the rest of it is given up.
_MOST_DEATHS = 5
_NAP_S = 0.1

Outcome = Document | Fault | Remark


class Reading:
    """One file being read by a helper; iterates over what is found, in its order."""

    def __init__(self) -> None:
        self._frames: queue.Queue[Outcome | BaseException | None] = queue.Queue(_FRAMES_AHEAD)
        self.cancelled = threading.Event()

    def __iter__(self) -> Iterator[Outcome]:
        while (frame := self._frames.get()) is not None:
            if isinstance(frame, BaseException):
                raise frame
            yield frame

    def put(self, frame: Outcome | BaseException | None) -> bool:
        """Hands something over once there is room; false when nobody wants it any more."""
        while not self.cancelled.is_set():
            try:
                self._frames.put(frame, timeout=_NAP_S)
            except queue.Full:
                continue
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


class HelperPool:
    """Helpers for one stream of rows; starts none before it is needed."""

    def __init__(self, size: int | None = None) -> None:
        self.size = size or max(1, min(os.cpu_count() or 1, _MOST_HELPERS))
        self._threads = ThreadPoolExecutor(self.size, thread_name_prefix="homa-reader")
        self._readings: list[Reading] = []

    def read(self, reader: str, path: str, file: str, options: ReadOptions) -> Reading:
        """Begins to read a file.

        Args:
            reader: its name.
            path: of the file as people know it.
            file: where its bytes are.
        """
        reading = Reading()
        self._readings = [each for each in self._readings if not each.cancelled.is_set()]
        self._readings.append(reading)
        self._threads.submit(self._run, reading, {"reader": reader, "path": path, "file": file}, options)
        return reading

    def close(self) -> None:
        """Ends what goes on."""
        for reading in self._readings:
            reading.cancelled.set()
        self._threads.shutdown(wait=True, cancel_futures=True)

    def _run(self, reading: Reading, task: dict[str, Any], options: ReadOptions) -> None:
        try:
            self._read_all(reading, task, options)
        except BaseException as error:
            reading.put(error)
        finally:
            reading.put(None)

    def _read_all(self, reading: Reading, task: dict[str, Any], options: ReadOptions) -> None:
        skip = deaths = 0
        while not reading.cancelled.is_set():
            helper = IDLE.take()
            try:
                for frame in helper.read({**task, "skip": skip}, options, reading.cancelled):
                    if not reading.put(frame):
                        helper.kill()
                        return
            except Left:
                helper.kill()
            except Died as death:
                helper.kill()
                deaths += 1
                if not reading.put(Fault(death.told, part=death.part)):
                    return
                if death.begun <= skip or deaths > _MOST_DEATHS:
                    return
                skip = death.begun
            except BaseException:
                helper.kill()
                raise
            else:
                IDLE.give_back(helper)
                return
