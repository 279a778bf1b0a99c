"""`homa run --resume` of a table of which a hundredth changed: calls, time until the first of them, memory."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import orjson

from benchmarks.peak import watched
from benchmarks.result import Figure, at_most
from benchmarks.rig import MODEL, Rig, rig
from homa.files import Answered, HomaPart, result_line
from homa.files.identity import row_digest
from homa.files.result_line import line_bytes

ROWS, EACH = 100_000, 100
_PROMPT = "Classify: {{text}}"


def figures() -> Iterator[Figure]:
    with rig() as made, tempfile.TemporaryDirectory() as folder:
        table, results = Path(folder, "t.csv"), Path(folder, "out.jsonl")
        _write(table, changed=False)
        # One row in earnest: what every line says of the order comes from the run itself.
        _run(made, table, results, "--limit", "1")
        order = orjson.loads(results.read_bytes())["homa"]["order"]
        _answer(results, order)
        _write(table, changed=True)
        before = made.simulator("/stats")["received"]
        planned_s, whole_s, megabytes = _run(made, table, results, "--resume")
        calls = made.simulator("/stats")["received"] - before
        lines = sum(1 for _ in results.open("rb"))
    told = f"{ROWS} rows of CSV, one inserted at the top, every {EACH}th changed; {lines} lines at the end"
    wanted = ROWS // EACH + 1
    yield at_most("calls of a resumed run beside rows new or changed", abs(calls - wanted), 0, 0, f"{calls}; {told}")
    how = f"from the start of the process to its table of why rows run; to its end {whole_s:.1f} s"
    yield at_most("planning of a resumed run, s", planned_s, 60, 15, how)
    yield at_most(
        "memory of a resumed run, MB", megabytes, 250, 150, "largest resident size of its processes", "{:.0f}"
    )


def _text(number: int) -> str:
    return f"Ticket {number}: the parcel has not come. " * 3


def _write(table: Path, *, changed: bool) -> None:
    with table.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["number", "text"])
        if changed:
            rows.writerow([-1, "inserted"])
        rows.writerows([n, _text(n) + ("!" if changed and n % EACH == 0 else "")] for n in range(ROWS))


def _answer(results: Path, order: str) -> None:
    """A results file in which each row has its answer."""
    with results.open("wb") as out:
        for number in range(ROWS):
            row = row_digest({"prompt": _PROMPT.replace("{{text}}", _text(number))})
            body = {"choices": [{"message": {"content": "late " * 20}, "finish_reason": "stop"}]}
            part = HomaPart(f"b1-{number}", "openai", "m", 1, 1000, row=row, order=order)
            out.write(line_bytes(result_line(f"t.csv:{number + 2}", Answered(body, part))))


def _run(made: Rig, table: Path, results: Path, *options: str) -> tuple[float, float, float]:
    """Seconds to the plan, seconds to the end, largest resident size in MB."""
    command = [sys.executable, "-m", "homa.cli", "run", str(table), "--model", MODEL, "--prompt", _PROMPT]
    command += ["-o", str(results), "--progress", "none", *options]
    began, planned = time.perf_counter(), 0.0
    env = {**os.environ, **made.env}
    process = subprocess.Popen(command, env=env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    with watched(process) as peak:
        for line in process.stderr:
            if "why they run" in line:
                planned = time.perf_counter() - began
    if process.wait():
        raise RuntimeError(f"homa run ended with status {process.returncode}")
    whole = time.perf_counter() - began
    return planned, whole, round(peak.mb)
