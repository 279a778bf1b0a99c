"""docs/tutorial.md from top to bottom: its commands run, and say what the page says they say."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.pages import ID, ROOT, Block, Command, blocks, missing
from tests.fixtures.store import eventually

PAGE = ROOT / "docs" / "tutorial.md"
#: The port that the page uses.
_PORT = "8700"
_COMMAND_S = 90.0
#: Lines of results after which a run is interrupted.
_SOME_LINES = 3


class Reader:
    """Somebody who does what the page says, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.ids: dict[str, str] = {}
        self._background: list[subprocess.Popen[str]] = []
        binaries = folder.parent / "bin"
        binaries.mkdir()
        homa = binaries / "homa"
        homa.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m homa.commands "$@"\n')
        homa.chmod(0o755)
        self._env = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "COLUMNS": "200"}

    def follow(self, block: Block) -> None:
        """Do what a block says."""
        match block.verb:
            case "file":
                name = block.order.split()[1]
                (self.folder / name).write_text(self._here(block.text))
            case "background":
                self._start(block.commands[0])
            case _:
                self._run(block)

    def stop(self) -> None:
        for process in self._background:
            process.terminate()
            process.communicate(timeout=20)
        subprocess.run(["homa", "store", "stop"], cwd=self.folder, env=self._env, capture_output=True, check=False)

    def _start(self, command: Command) -> None:
        process = self._popen(command.line)
        self._background.append(process)
        assert process.stdout is not None
        assert missing(command.shown, process.stdout.readline(), self.ids) is None

    def _run(self, block: Block) -> None:
        for command in block.commands:
            process = self._popen(command.line)
            if block.interrupted:
                self._interrupt(process, command.line)
            output, _ = process.communicate(timeout=_COMMAND_S)
            status = block.status if command is block.commands[-1] else 0
            assert process.returncode == status, f"$ {command.line}\n{output}"
            absent = missing(command.shown, output, self.ids)
            assert absent is None, f"$ {command.line}\nlacks the line\n{absent}\nin\n{output}"

    def _interrupt(self, process: subprocess.Popen[str], line: str) -> None:
        """Ctrl-C, as a terminal sends it, once some results are there."""
        results = self.folder / shlex.split(line)[-1]
        eventually(lambda: results.exists() and results.read_bytes().count(b"\n") >= _SOME_LINES, _COMMAND_S)
        os.killpg(process.pid, signal.SIGINT)

    def _popen(self, line: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            ["/bin/sh", "-c", f"exec {self._here(line)}" if line.startswith("homa ") else self._here(line)],
            cwd=self.folder,
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def _here(self, text: str) -> str:
        """The page's text with this run's port and ids."""
        return ID.sub(lambda match: self.ids.get(match[0], match[0]), re.sub(rf"\b{_PORT}\b", str(self.port), text))


def _free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return int(listening.getsockname()[1])


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    folder = tmp_path / "tour"
    folder.mkdir()
    reader = Reader(folder)
    yield reader
    reader.stop()


def test_whoever_does_what_the_tutorial_says_sees_what_it_shows(reader: Reader) -> None:
    found = blocks(PAGE)
    assert {"background", "file", "run"} <= {block.verb for block in found}
    for block in found:
        reader.follow(block)
