"""The program of a helper process (`python -m homa.files.readers.helper`): reads files as it is told, one by one.

It bounds its own memory, and arms a timer whose signal ends it while it is at work on one document: so it dies in time
even where a parser holds on to the interpreter, and even where whoever started it is gone.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import sys
import time
from collections.abc import Iterator
from typing import Any

from homa.files.readers.document import Document, Fault, ReadOptions, Remark
from homa.files.readers.frames import UNASKED, Frames, frame_of, packed, path_of
from homa.files.readers.walk import Begun, Walk

#: Address space of a helper, bytes; beyond it allocations fail.
MEMORY_BYTES = 4 * 1024**3
#: Largest file that a helper may write: what is unpacked on the way.
_FILE_BYTES = 4 * 1024**3
#: Seconds without work after which it leaves.
_IDLE_S = 20.0
#: Frames are sent together up to this size or age.
_SENT_BYTES = 32 * 1024
_SENT_S = 0.1


def main() -> None:
    """Serves until nobody asks any more."""
    out = os.dup(1)
    os.dup2(2, 1)  # a library that prints must not end up among the frames
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    _bound(resource.RLIMIT_AS, MEMORY_BYTES)
    _bound(resource.RLIMIT_FSIZE, _FILE_BYTES)
    _bound(resource.RLIMIT_CORE, 0)
    frames = Frames(0)
    with contextlib.suppress(EOFError, BrokenPipeError):
        while (task := _next_task(frames)) is not None:
            _serve(task, _Outlet(out))
        sys.exit(UNASKED)


def _next_task(frames: Frames) -> dict[str, Any] | None:
    """What is to be read next; None where nobody has asked for long."""
    while (frame := frames.next_ready()) is None:
        if not frames.wait(_IDLE_S):
            return None
        frames.fill()
    return frame[0]


def _bound(kind: int, most: int) -> None:
    _, hard = resource.getrlimit(kind)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS refuses some
        resource.setrlimit(kind, (most, hard))


class _Outlet:
    """Where frames go, several at a time."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._held = bytearray()
        self._sent_s = time.monotonic()

    def put(self, frame: bytes) -> None:
        self._held += frame
        if len(self._held) > _SENT_BYTES or time.monotonic() - self._sent_s > _SENT_S:
            self.flush()

    def flush(self) -> None:
        view = memoryview(bytes(self._held))
        self._held.clear()
        while view:
            view = view[os.write(self._descriptor, view) :]
        self._sent_s = time.monotonic()


def _serve(task: dict[str, Any], out: _Outlet) -> None:
    options = ReadOptions(**task["options"])
    walk = Walk(options, skip=int(task["skip"]))
    try:
        for found in _timed(walk.file(task["reader"], task["path"], path_of(task["file"])), options.deadline_s):
            if isinstance(found, Begun):
                # Sent before the part is opened: whoever asked then knows what it died of.
                out.flush()
                out.put(packed({"is": "part", "begun": found.begun, "part": found.part}))
                out.flush()
            else:
                out.put(frame_of(found))
    except BrokenPipeError:
        raise
    except Exception as error:  # a fault of ours: the walk tells those of files itself
        out.put(packed({"is": "error", "error": f"reading {task['path']} failed: {error!r:.300}"}))
    out.put(packed({"is": "end"}))
    out.flush()


def _timed(found: Iterator[Document | Fault | Remark | Begun], deadline_s: float) -> Iterator[Any]:
    """The same, under the timer while it is worked on and without it while it is sent."""
    while True:
        signal.setitimer(signal.ITIMER_REAL, deadline_s)
        try:
            each = next(found, None)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        if each is None:
            return
        yield each


if __name__ == "__main__":
    main()
