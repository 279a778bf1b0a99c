"""The examples of docs/gateway.md run, in their order, against a gateway, workers and simulated providers."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from homa_workers.simulator import SimulatorConfig, SimulatorThread
from tests.docs.pages import ROOT, blocks, missing
from tests.gateway.conftest import Cell, cell_at
from tests.patience import PATIENCE_S

PAGE = ROOT / "docs" / "gateway.md"
SHOWN = "http://127.0.0.1:8088"


@pytest.fixture
def cell(store_url: str, tmp_path: Path) -> Iterator[Cell]:
    with (
        SimulatorThread(SimulatorConfig(output_tokens=20)) as simulator,
        cell_at(store_url, simulator, tmp_path / "home") as cell,
    ):
        cell.start_worker("openai", "anthropic")
        cell.start_gateway()
        yield cell


def run(cell: Cell, command: list[str]) -> str:
    done = subprocess.run(
        [sys.executable, *command],
        env={**os.environ, **cell.env},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_page_s_examples_run(cell: Cell) -> None:
    found = [block for block in blocks(PAGE) if block.verb == "run"]
    assert [block.language for block in found] == ["python"] * 5 + ["console"] * 2
    for block in found:
        if block.language == "python":
            assert SHOWN in block.text
            assert run(cell, ["-W", "error", "-c", block.text.replace(SHOWN, cell.url)]).strip()
            continue
        for command in block.commands:
            said = run(cell, ["-m", "homa.cli", *shlex.split(command.line)[1:]])
            assert missing(command.shown, said, {}) is None, said


def test_the_page_names_every_header_and_path_that_there_is() -> None:
    from starlette.routing import Route

    from homa.drivers.context import client_context
    from homa.gateway import job_headers
    from homa.gateway.app import create_app

    page = PAGE.read_text(encoding="utf-8")
    paths = [route.path for route in create_app(client_context()).routes if isinstance(route, Route)]
    assert {"/metrics", "/dashboard"} <= set(paths)
    # Pages for people lead to one another.
    told = [path for path in paths if "{" not in path and not path.startswith("/dashboard/")]
    assert [path for path in told if f"`{path}`" not in page] == []
    assert [name for name in (*job_headers.NAMES, job_headers.KEEP) if f"`{name}`" not in page] == []
