"""Homa's command line as a process that ends with this one: its standard input closes when this one is gone."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from dataclasses import dataclass

#: Bytes of what it says that are kept, from the end.
_KEPT = 4000
#: How long it may take to end once its standard input is closed, s.
_END_S = 5.0
_READ = 65536


@dataclass(frozen=True, slots=True)
class Ended:
    """How the process ended."""

    #: As shells have it; negative: by a signal.
    status: int
    #: The last that it said.
    said: str
    #: Its standard output.
    output: bytes


async def homa(*arguments: str) -> Ended:
    """Runs a command to its end. Cancelled, the process is ended first.

    Args:
        arguments: one by one: no shell reads them.
    """
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "homa.cli", *arguments),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NO_COLOR": "1"},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        output, said = await asyncio.gather(process.stdout.read(), _last_words(process.stderr))
        return Ended(await process.wait(), said, output)
    finally:
        await _end(process)


async def _last_words(stream: asyncio.StreamReader) -> str:
    kept = b""
    while part := await stream.read(_READ):
        kept = (kept + part)[-_KEPT:]
    lines = [line.strip() for line in kept.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.stdin is not None:
        process.stdin.close()
    if process.returncode is None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_END_S):
                await process.wait()
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
