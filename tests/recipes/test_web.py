"""FastAPI: a story is followed by server-sent events, and gone on with behind the last event that was seen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.conftest import Cell
from tests.patience import PATIENCE_S


@pytest.fixture
def url(cell: Cell, programs: Path) -> Iterator[str]:
    """Where the application serves."""
    command = [sys.executable, "-m", "uvicorn", "web_app:app", "--port", "0"]
    environment = {**os.environ, **cell.env}
    with subprocess.Popen(command, cwd=programs, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        running = next(line for line in lines if "running on" in line)
        yield running.partition("running on ")[2].split()[0]
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def ask(url: str, body: Any = None, **headers: str) -> bytes:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json", **headers})
    with urllib.request.urlopen(request, timeout=PATIENCE_S) as response:
        found: bytes = response.read()
    return found


def events(said: bytes) -> list[dict[str, str]]:
    return [dict(line.split(": ", 1) for line in event.splitlines()) for event in said.decode().split("\n\n") if event]


def test_a_story_is_followed_and_gone_on_with(url: str) -> None:
    job = json.loads(ask(f"{url}/stories", {"about": "pumps"}))["job"]
    *pieces, done = events(ask(f"{url}/stories/{job}"))
    assert done["event"] == "done"
    text = "".join(json.loads(piece["data"]) for piece in pieces)
    assert text
    *rest, _ = events(ask(f"{url}/stories/{job}", **{"last-event-id": pieces[0]["id"]}))
    assert text == json.loads(pieces[0]["data"]) + "".join(json.loads(piece["data"]) for piece in rest)


def test_lines_of_a_batch_are_told_as_they_end(url: str) -> None:
    batch = json.loads(ask(f"{url}/labels", {"texts": ["a", "b", "c"]}))["batch"]
    *lines, done = events(ask(f"{url}/labels/{batch}"))
    assert done["event"] == "done"
    assert sorted(json.loads(line["data"])["line"] for line in lines) == ["0", "1", "2"]
    assert all(json.loads(line["data"])["said"] for line in lines)
