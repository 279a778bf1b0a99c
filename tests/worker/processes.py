"""`python -m homa_workers` as a process of a test's cell."""

from __future__ import annotations

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.patience import PATIENCE_S
from tests.worker.cell import Cell


@asynccontextmanager
async def process(cell: Cell, *arguments: str, stdin: int | None = None, **more: str) -> AsyncIterator[Process]:
    """A worker process of the cell that has begun to serve."""
    environment = os.environ | cell.environment(HOMA_LOG_FORMAT="json", **more)
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "homa_workers", *arguments), env=environment, stdin=stdin, stderr=PIPE, cwd=cell.home
    )
    try:
        await told(started, "serves")
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def told(started: Process, words: str) -> str:
    """The line of stderr that has these words."""
    assert started.stderr is not None
    async with asyncio.timeout(PATIENCE_S):
        while line := (await started.stderr.readline()).decode():
            if words in line:
                return line
    raise AssertionError(f"the worker ended without a word of {words!r}")
