"""Where stderr is no terminal, every line that a worker writes there is one JSON object."""

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

#: What others do to stderr in a worker process: libraries' logs, warnings, errors that nobody catches.
NOISY = """
import asyncio, gc, logging, threading, warnings
from homa_workers.middleware import Middleware

async def lost():
    raise LookupError("nobody awaits this\\nin two lines")

class Unraisable:
    def __del__(self):
        raise LookupError("in a finalizer")

class Noisy(Middleware):
    async def start(self, worker):
        logging.getLogger("a.library").warning("a record\\nof %s lines", 2)
        logging.getLogger("a.library").warning("not for %d", "this")
        logging.getLogger("a.library").info("not told")
        warnings.warn("deprecated", UserWarning)
        try:
            1 / 0
        except ZeroDivisionError:
            logging.getLogger("a.library").exception("with a traceback")
        def fail():
            raise LookupError("in a thread")
        thread = threading.Thread(target=fail)
        thread.start()
        thread.join()
        Unraisable()
        task = asyncio.create_task(lost())
        await asyncio.sleep(0)
        del task
        gc.collect()
"""


def lines(log: Path) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line for line in found if not {"event", "level", "timestamp"} <= line.keys()] == []
    return found


def start(cell: Cell, log: Path, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOMA_")}
    with log.open("wb") as stderr:
        return subprocess.Popen(
            [sys.executable, "-m", "homa_workers", *arguments],
            env=environment | cell.environment(**more),
            cwd=cell.home,
            stderr=stderr,
        )


async def test_every_line_of_a_worker_is_json(cell: Cell, tmp_path: Path) -> None:
    (cell.home / "noisy.py").write_text(NOISY)
    log = tmp_path / "worker.log"
    worker = start(cell, log, "openai", "--middleware", "noisy", HOMA_LOG_LEVLE="info")
    try:
        await until(lambda: b"serves openai" in log.read_bytes())
        await cell.ended(await cell.submit("the secret prompt"))
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(PATIENCE_S) == 0
    finally:
        worker.kill()
        worker.wait()
    found = lines(log)
    said = [line["said"] for line in found if line["event"] == "worker.said"]
    assert "HOMA_LOG_LEVLE" in said[0]
    assert said[1].startswith("store ")
    assert any("draining" in text for text in said)
    assert [line["target"] for line in found if line["event"] == "attempt.succeeded"] == ["openai:gpt-6-luna"]
    records = [line for line in found if line.get("logger") == "a.library"]
    assert [line["event"] for line in records] == ["a record\nof 2 lines", "log.unreadable", "with a traceback"]
    assert "ZeroDivisionError" in records[2]["exception"]
    assert [line["level"] for line in found if "deprecated" in line["event"]] == ["warning"]
    words = str(found)
    for what in ("nobody awaits this", "in a thread", "in a finalizer"):
        assert what in words
    assert "the secret prompt" not in words


@pytest.mark.parametrize(
    ("arguments", "more", "says"),
    [
        (("--concurrency", "0"), {}, "0 is too few: expected 1 or more"),
        (("nobody",), {}, "provider 'nobody' is not configured"),
        (("openai",), {"HOMA_LEASE_S": "x"}, "HOMA_LEASE_S"),
        (("openai",), {"HOMA_REDIS_URL": "redis://127.0.0.1:1"}, "127.0.0.1:1"),
    ],
)
async def test_so_is_the_line_of_one_that_does_not_start(
    cell: Cell, tmp_path: Path, arguments: tuple[str, ...], more: dict[str, str], says: str
) -> None:
    log = tmp_path / "worker.log"
    assert start(cell, log, *arguments, **more).wait(PATIENCE_S) in (2, 3)
    found = lines(log)
    assert says in found[-1]["said"]
    assert found[-1]["level"] == "error"


async def test_lines_for_people_stay_words_where_they_are_asked_for(cell: Cell, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    assert start(cell, log, "nobody", HOMA_LOG_FORMAT="console").wait(PATIENCE_S) == 2
    assert log.read_text().splitlines()[-1].startswith("homa: provider 'nobody' is not configured")
