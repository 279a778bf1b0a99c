"""HOMA_DEBUG: a line when a call is sent and when it returned, and whole tracebacks of defects."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.patience import PATIENCE_S
from tests.worker.cell import Cell, until

BROKEN = """
from homa_workers.middleware import Middleware

class Broken(Middleware):
    def attempt_ended(self, attempt, outcome, result):
        raise LookupError("the words of a defect")
"""


def start(cell: Cell, log: Path, **more: str) -> subprocess.Popen[bytes]:
    """A worker with a middleware that is broken."""
    (cell.home / "broken.py").write_text(BROKEN)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOMA_")}
    command = [sys.executable, "-m", "homa_workers", "openai", "--middleware", "broken"]
    with log.open("wb") as stderr:
        return subprocess.Popen(command, env=environment | cell.environment(**more), cwd=cell.home, stderr=stderr)


async def lines(cell: Cell, log: Path, **more: str) -> list[dict[str, Any]]:
    """What it writes while it does one job."""
    worker = start(cell, log, **more)
    try:
        await until(lambda: b"serves openai" in log.read_bytes())
        await cell.ended(await cell.submit("the secret prompt"))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_S) == 0
    finally:
        worker.kill()
        worker.wait()
    return [json.loads(line) for line in log.read_text().splitlines()]


@pytest.mark.parametrize("debug", [False, True])
async def test_calls_and_tracebacks_are_told_where_somebody_asks(cell: Cell, tmp_path: Path, debug: bool) -> None:
    found = await lines(cell, tmp_path / "worker.log", HOMA_DEBUG="1" if debug else "0")
    calls = [line for line in found if line["event"] in ("call.sent", "call.returned")]
    (defect,) = [line for line in found if line["event"] == "defect"]
    assert "the secret prompt" not in str(found)
    if not debug:
        assert calls == []
        assert "traceback" not in defect
        assert "the words of a defect" not in str(found)
        return
    sent, returned = calls
    assert (sent["event"], sent["job"], sent["step"], sent["messages"]) == ("call.sent", "j1", 1, 1)
    assert sent["queued_ms"] >= 0
    assert (returned["event"], returned["finish_reason"]) == ("call.returned", "stop")
    assert returned["took_ms"] >= 0
    assert "LookupError: the words of a defect" in defect["traceback"]
