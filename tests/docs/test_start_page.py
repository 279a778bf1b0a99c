"""docs/start.md and the calculator of docs/howto/store-size.md: what they show is what their commands say."""

from __future__ import annotations

import os
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, blocks, missing

PAGE = ROOT / "docs" / "start.md"
_PORT = "8700"
_COMMAND_S = 90.0


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """Variables of somebody with nothing but Homa: no store, no key."""
    binaries = tmp_path / "bin"
    binaries.mkdir()
    command = binaries / "homa"
    command.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m homa.cli "$@"\n')
    command.chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HOMA_")}
    return {**kept, "PATH": f"{binaries}:{os.environ['PATH']}", "COLUMNS": "200"}


def _free_port() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return str(listener.getsockname()[1])


@contextmanager
def _started(line: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        line, shell=True, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("{")
        yield
    finally:
        process.terminate()
        process.communicate(timeout=_COMMAND_S)


def _said(line: str, folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        line, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=_COMMAND_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stderr + done.stdout


def _follow(found: list[Block], port: str, folder: Path, environment: dict[str, str]) -> None:
    for block in found:
        if block.verb == "file":
            (folder / block.order.split()[1]).write_text(block.text.replace(_PORT, port))
        elif block.verb == "run":
            for command in block.commands:
                said = _said(command.line, folder, environment)
                assert missing(command.shown, said, {}) is None, said


def test_the_page_leads_to_a_finished_batch(tmp_path: Path, environment: dict[str, str]) -> None:
    folder, port, found = tmp_path / "first", _free_port(), blocks(PAGE)
    folder.mkdir()
    (background,) = [block.commands[0].line for block in found if block.verb == "background"]
    with _started("exec " + background.replace(_PORT, port), folder, environment):
        try:
            _follow(found, port, folder, environment)
            assert len((folder / "out.jsonl").read_text().splitlines()) == 20
        finally:
            _said("homa store stop", folder, environment)


def test_the_calculators_figures_are_its_own(tmp_path: Path, environment: dict[str, str]) -> None:
    _follow(blocks(ROOT / "docs" / "howto" / "store-size.md"), _PORT, tmp_path, environment)
