"""A Python module as a process that ends with this one, however this one ends.

Its standard input is a pipe that this process holds: when it closes, by intention or because this process was killed,
the other one finishes what it does and leaves. It runs in a session of its own, so that Ctrl-C in the terminal reaches
this process only, which then decides.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO

Process = subprocess.Popen[bytes]

#: How long a process may take to stop at once before it is killed, s.
_STOP_NOW_S = 5.0
#: Between the signal that drains a process and the one that stops it, s.
_BETWEEN_SIGNALS_S = 0.1
_POLL_S = 0.02


def module_command(*arguments: str) -> tuple[str, ...]:
    """The command that runs a module by its name; the folder that it runs in lends it no modules."""
    return (sys.executable, "-P", "-m", *arguments)


def start(
    command: Sequence[str],
    *,
    log: Path | None = None,
    env: Mapping[str, str] | None = None,
    folder: Path | None = None,
    answers: bool = False,
) -> Process:
    """Starts a process.

    Args:
        log: file that its output is appended to; None: it goes where this process's goes.
        env: its environment; None: this process's.
        folder: that it runs in; None: this process's.
        answers: its standard output is read by this process.
    """
    with contextlib.ExitStack() as stack:
        stream: IO[bytes] | None = None
        if log is not None:
            log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            stream = stack.enter_context(log.open("ab"))
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if answers else stream,
            stderr=stream,
            env=None if env is None else dict(env),
            cwd=folder,
            start_new_session=True,
        )


def drain(process: Process) -> None:
    """Lets a process finish what it does and leave."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()


def stop_now(processes: Iterable[Process]) -> None:
    """Ends processes at once: a second signal cuts what the first one lets finish; what stays is killed."""
    found = list(processes)
    for process in found:
        drain(process)
    running = [process for process in found if process.poll() is None]
    for _ in range(2):
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        if running:
            time.sleep(_BETWEEN_SIGNALS_S)
    if not wait(running, _STOP_NOW_S):
        for process in running:
            process.kill()
            process.wait()


def wait(processes: Iterable[Process], timeout_s: float | None) -> bool:
    """Waits until processes have ended, at most so long; true where all have.

    Args:
        timeout_s: None waits as long as it takes.
    """
    give_up_s = None if timeout_s is None else time.monotonic() + timeout_s
    running = list(processes)
    while running := [process for process in running if process.poll() is None]:
        if give_up_s is not None and time.monotonic() >= give_up_s:
            return False
        time.sleep(_POLL_S)
    return True


def tail(log: Path, lines: int = 12, size: int = 8192) -> str:
    """The last lines of a log, each indented.

    Args:
        lines: most lines.
        size: most bytes.
    """
    with log.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - size))
        found = stream.read().decode("utf-8", "replace").splitlines()
    return "\n".join(f"  {_words_of(line)}" for line in found[-lines:])


def _words_of(line: str) -> str:
    """What a worker says to people in a line of JSON, as words; any other line as it is."""
    try:
        told = json.loads(line)
    except ValueError:
        return line
    return f"homa: {told['said']}" if isinstance(told, dict) and isinstance(told.get("said"), str) else line
