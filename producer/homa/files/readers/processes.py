"""Helper processes that read documents: a parser that crashes, hangs or eats memory takes its own process down.

1. A reading is a task of the pool: a thread hands the file's path to a helper process and takes frames from it.
2. Frames wait in a short queue until the rows before them are taken, so that reading ahead holds little.
3. Before it opens a file within the file the helper says so. Where it dies there, that part gets a fault, and another
   helper goes on behind it: one bad attachment does not cost the mail.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from homa.files.readers.document import Document, Fault, ReadOptions, Remark
from homa.files.readers.helper_process import Died, HelperProcess

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


class HelperPool:
    """Helpers for one stream of rows; starts none before it is needed."""

    def __init__(self, size: int | None = None) -> None:
        self.size = size or max(1, min(os.cpu_count() or 1, _MOST_HELPERS))
        self._threads = ThreadPoolExecutor(self.size, thread_name_prefix="homa-reader")
        self._idle: list[HelperProcess] = []
        self._lock = threading.Lock()
        self._readings: list[Reading] = []
        self._closed = False

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
        """Ends what goes on, and the helpers."""
        self._closed = True
        for reading in self._readings:
            reading.cancelled.set()
        self._threads.shutdown(wait=True, cancel_futures=True)
        with self._lock:
            while self._idle:
                self._idle.pop().kill()

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
            helper = self._take()
            try:
                for frame in helper.read({**task, "skip": skip}, options, reading.cancelled):
                    if not reading.put(frame):
                        helper.kill()
                        return
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
                self._give_back(helper)
                return

    def _take(self) -> HelperProcess:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return HelperProcess()

    def _give_back(self, helper: HelperProcess) -> None:
        with self._lock:
            if not self._closed and helper.reusable:
                self._idle.append(helper)
                return
        helper.kill()
