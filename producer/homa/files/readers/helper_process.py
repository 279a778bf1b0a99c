"""One helper process, seen from the process that started it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from threading import Event
from typing import Any

from homa.files.readers.document import Document, Fault, ReadOptions, Remark
from homa.files.readers.frames import UNASKED, Frames, Garbled, document_of, packed

#: The helper gives up by itself at the deadline; this much later it is killed.
_GRACE_S = 5.0
#: Looks at whether its result is still wanted, s.
_LOOK_S = 0.5
#: Files after which a helper makes room for a fresh one: parsers leak.
_MOST_FILES = 500
#: Names of variables that hold keys, as providers and stores call them.
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|\AHOMA_|\AAWS_|\AREDIS|_DSN\Z|_URL\Z")
#: `-P`: the working directory, which may be full of others' files, is no place to import from.
_COMMAND = (sys.executable, "-P", "-m", "homa.files.readers.helper")


class Died(Exception):
    """A helper is gone, or too slow; what it was at."""

    def __init__(self, told: str, begun: int, part: str) -> None:
        super().__init__(told)
        self.told, self.begun, self.part = told, begun, part


class Left(Exception):
    """It had ended for want of work when it was asked, or nobody wants its answer any more."""


def _environment() -> dict[str, str]:
    """Without what a document that takes its parser over would be after."""
    return {name: value for name, value in os.environ.items() if not _SECRET.search(name)}


class HelperProcess:
    """A process of its own session: Ctrl-C is its starter's to handle."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            env=_environment(),
        )
        assert self._process.stdout is not None
        self._frames = Frames(self._process.stdout.fileno())
        self._files = 0

    @property
    def reusable(self) -> bool:
        """Whether it may read another file."""
        return self._files < _MOST_FILES and self._process.poll() is None

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def frame_bytes(self) -> int:
        """Size of the last frame that came from it."""
        return self._frames.last_bytes

    def kill(self) -> None:
        """Ends it at once."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()

    def read(
        self, task: Mapping[str, Any], options: ReadOptions, cancelled: Event
    ) -> Iterator[Document | Fault | Remark]:
        """What it finds in a file.

        Raises:
            Died: it crashed or took too long.
            Left: it had ended for want of work, or what it finds is not wanted any more.
        """
        self._files += 1
        begun, part, heard = int(task["skip"]), "", False
        try:
            self._send({**task, "options": asdict(options)})
            while True:
                head, blobs = self._next(options.deadline_s, cancelled)
                heard = True
                match head:
                    case {"is": "part", "begun": int(begun), "part": str(part)}:
                        pass
                    case {"is": "end"}:
                        return
                    case {"is": "error", "error": str(error)}:
                        yield Fault(error)
                    case _:
                        yield document_of(head, blobs)
        except Garbled as garbled:
            raise Died(f"makes its reader answer what it never would ({garbled}): damaged", begun, part) from None
        except (OSError, EOFError):
            told = self._obituary(options.deadline_s)
            if not heard and self._process.returncode == UNASKED:
                raise Left from None
            raise Died(told, begun, part) from None

    def _send(self, task: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(packed(task))
        self._process.stdin.flush()

    def _next(self, deadline_s: float, cancelled: Event) -> tuple[dict[str, Any], list[bytes]]:
        until_s = time.monotonic() + deadline_s + _GRACE_S
        while not (frame := self._frames.next_ready()):
            if cancelled.is_set():
                raise Left
            if time.monotonic() > until_s:
                raise EOFError
            if self._frames.wait(_LOOK_S):
                self._frames.fill()
        return frame

    def _obituary(self, deadline_s: float) -> str:
        """Why it is gone, in words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        ended = self._process.returncode
        if ended is None or -ended == signal.SIGALRM:
            return f"takes its reader longer than {deadline_s:g} s: damaged, or too large; split it"
        if ended < 0:
            return f"makes its reader crash ({signal.Signals(-ended).name}): damaged, or too large"
        return f"makes its reader end with status {ended}: damaged, or too large"
