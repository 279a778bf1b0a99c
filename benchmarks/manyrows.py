"""`homa run` over very many rows, to Parquet: does anything grow with their number?

What a run holds is looked at all along, so that one run of twice as many rows shows how much the second half adds:
`python -m benchmarks.manyrows 200000` prints that for any number of rows. Results are kept in the store for a few
seconds here, as a fleet with more rows than memory keeps them (`[retention]`): what is left is what a row takes
there for as long as its batch is kept (its place in the order of ends, 27 bytes), and the newest events (`[events]
kept`).
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.compute as compute
import pyarrow.parquet as parquet

from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, Rig, cpu_s, rig, rss_mb
from homa_shared.store.operation import Op

ROWS = 40_000
KEPT_S = 5
_EACH_S = 0.25
_SETTINGS = {
    "HOMA_RETENTION__RESULTS": str(KEPT_S),
    "HOMA_RETENTION__LEDGER": str(KEPT_S),
    "HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "6000000",
}


@dataclass(frozen=True, slots=True)
class Look:
    """What was held at one moment."""

    #: Lines that the results had by then.
    lines: int
    #: Highest resident sizes so far, MB.
    command_mb: float
    worker_mb: float
    #: Of the store, bytes.
    store_bytes: int


@dataclass(slots=True)
class Course:
    """A run, from its first line to its last."""

    rows: int
    looks: list[Look] = field(default_factory=list)
    worker_cpu_s: float = 0.0
    #: Rows of the results, and different ids among them.
    lines: int = 0
    ids: int = 0

    def at(self, share: float) -> Look:
        """The first look at which so much of it was done."""
        return next((look for look in self.looks if look.lines >= share * self.rows), self.looks[-1])

    @property
    def store_mb(self) -> float:
        """Most that the store held."""
        return max(look.store_bytes for look in self.looks) / 1e6

    @property
    def bytes_a_row(self) -> float:
        """What each further row adds to the store, over the second half of the run."""
        middle, end = self.at(0.5), self.at(0.97)
        return (end.store_bytes - middle.store_bytes) / max(1, end.lines - middle.lines)


def figures() -> Iterator[Figure]:
    found = run(ROWS)
    told = f"{found.rows} rows of JSON Lines to Parquet, one worker"
    lost = abs(found.rows - found.lines) + abs(found.lines - found.ids)
    yield at_most("rows lost or doubled, of very many", lost, 0, 0, told, "{:.0f}")
    end, middle = found.looks[-1], found.at(0.5)
    how = f"highest resident size; {middle.command_mb:.0f} MB at half of the rows; {told}"
    yield at_most("memory of a run over very many rows, MB", end.command_mb, 400, 250, how, "{:.0f}")
    how = f"{middle.worker_mb:.0f} MB at half of the rows"
    yield at_most("memory of its worker, MB", end.worker_mb, 400, 250, how, "{:.0f}")
    how = f"over the second half; {found.store_mb:.0f} MB at most; results are kept for {KEPT_S} s"
    yield at_most("bytes in the store for each further row", found.bytes_a_row, 500, 250, how, "{:.0f}")


def run(rows: int, on_look: Callable[[Look], None] = lambda look: None) -> Course:
    """Puts so many rows through `homa run`.

    Args:
        on_look: is given each look.
    """
    with (
        rig(settings=_SETTINGS, simulator=("--output-tokens", "20"), fsync="everysec") as made,
        tempfile.TemporaryDirectory() as folder,
    ):
        inputs, output = Path(folder, "rows.jsonl"), Path(folder, "out.parquet")
        with inputs.open("w") as out:
            out.writelines(f'{{"text": "Parcel {number} has not come.", "n": {number}}}\n' for number in range(rows))
        course = Course(rows)
        # The rig keeps slow scripts with their arguments, which would count as the store's memory.
        made.store.run(Op((("CONFIG", "SET", "slowlog-log-slower-than", -1),), lambda _: None))
        worker = made.start_worker(concurrency=200)
        command = [sys.executable, "-m", "homa.cli", "run", str(inputs), "--model", MODEL, "-o", str(output)]
        command += ["--prompt", "Classify: {{text}}", "--workers", "none", "--progress", "none"]
        process = subprocess.Popen(command, env=made.env, stderr=subprocess.PIPE)
        with _looked_at(made, process.pid, worker.pid, course, on_look):
            _, said = process.communicate()
        if process.returncode:
            raise RuntimeError(said.decode())
        course.worker_cpu_s = cpu_s(worker.pid)
        ids = parquet.read_table(output, columns=["custom_id"])["custom_id"]
        course.lines, course.ids = len(ids), compute.count_distinct(ids).as_py()
    return course


@contextmanager
def _looked_at(made: Rig, command: int, worker: int, course: Course, on_look: Callable[[Look], None]) -> Iterator[None]:
    over = threading.Event()

    def look() -> None:
        while not over.wait(_EACH_S):
            try:
                marks = rss_mb(command), rss_mb(worker)
            except (OSError, ValueError):  # it has ended
                return
            done = made.counters().get("succeeded", 0)
            course.looks.append(Look(done, *marks, made.used_memory()))
            on_look(course.looks[-1])

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def main(rows: int) -> None:
    """Prints what is held at every twentieth of the rows, and the sums."""
    told = 0

    def tell(look: Look) -> None:
        nonlocal told
        if look.lines * 20 // rows > told:
            told = look.lines * 20 // rows
            _print(f"{look.lines:>10}", look)

    print("      rows   command MB   worker MB   store MB")
    found = run(rows, tell)
    _print("at the end", found.looks[-1])
    print(f"{found.lines} lines, {found.ids} ids; at most {found.store_mb:.1f} MB in the store")
    print(
        f"{found.bytes_a_row:.0f} bytes there for each further row; {found.worker_cpu_s / rows * 1e6:.0f} us of worker"
    )


def _print(what: str, look: Look) -> None:
    said = f"{look.command_mb:10.0f}   {look.worker_mb:9.0f}   {look.store_bytes / 1e6:8.1f}"
    print(f"{what}   {said}", flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
