"""The memory of a command at its highest, by the marks that the system keeps of each process while it lives.

Not by resource usage: that of children is the highest of all that ever ended, and a process that was started from
a large one begins with the mark of its parent.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.rig import rss_mb

_EACH_S = 0.02


class Peak:
    """Largest resident size so far of any one process of a tree, MB."""

    mb = 0.0

    def look(self, pid: int) -> None:
        for each in (pid, *_below(pid)):
            try:
                self.mb = max(self.mb, rss_mb(each))
            except (OSError, ValueError):  # it has ended
                continue


@contextmanager
def watched(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> Iterator[Peak]:
    """Watches a process and those that it starts while the block runs."""
    peak, over = Peak(), threading.Event()

    def watch() -> None:
        while not over.wait(_EACH_S):
            peak.look(process.pid)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


def _below(pid: int) -> Iterator[int]:
    try:
        found = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in _children(task)]
    except OSError:
        return
    for child in found:
        yield child
        yield from _below(child)


def _children(task: Path) -> list[str]:
    return (task / "children").read_text().split()
