"""docs/tutorial.md from top to bottom: its commands run, and say what the page says they say."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from homa_shared.model.money import parse_usd
from tests.docs.pages import ID, ROOT, Block, Command, blocks, missing
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

PAGE = ROOT / "docs" / "tutorial.md"
#: The port that the page uses.
_PORT = "8700"
_COMMAND_S = 90.0
BLOCKS = blocks(PAGE)
_ORDER = list(dict.fromkeys(block.section for block in BLOCKS))
#: All but the last, after which there is no store to look at.
SECTIONS = _ORDER[:-1]
#: Lines of results after which a run is interrupted.
_SOME_LINES = 3


class Reader:
    """Somebody who does what the page says, in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self.ids: dict[str, str] = {}
        self._unread = list(BLOCKS)
        self._background: list[subprocess.Popen[str]] = []
        binaries = folder.parent / "bin"
        binaries.mkdir()
        for name, program in (("homa", "-m homa.cli"), ("python3", "")):
            (binaries / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {program} "$@"\n')
            (binaries / name).chmod(0o755)
        self._env = {**os.environ, "PATH": f"{binaries}:{os.environ['PATH']}", "COLUMNS": "200"}

    def read_on(self, until_after: str) -> None:
        """Do what the page says, from where it was left to the end of a section."""
        while self._unread and _ORDER.index(self._unread[0].section) <= _ORDER.index(until_after):
            self._follow(self._unread.pop(0))

    def _follow(self, block: Block) -> None:
        match block.verb:
            case "file":
                name = block.order.split()[1]
                (self.folder / name).write_text(self._here(block.text))
            case "background":
                self._start(block.commands[0])
            case _:
                self._run(block)

    def known_and_unresolved_nano_usd(self) -> tuple[int, int]:
        """What the ledger says was spent, and what may have been besides."""
        costs = subprocess.run(
            ["homa", "costs", "--json"], cwd=self.folder, env=self._env, capture_output=True, text=True, check=True
        )
        told = json.loads(costs.stdout)
        return parse_usd(told["total_usd"]), parse_usd(told["unresolved_usd"])

    def bill_nano_usd(self) -> int:
        """What the simulated providers charge."""
        with urlopen(f"http://127.0.0.1:{self.port}/bill") as answer:
            return int(json.load(answer)["total"]["nano_usd"])

    def stop(self) -> None:
        for process in self._background:
            process.terminate()
            process.communicate(timeout=PATIENCE_S)
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


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    folder = tmp_path_factory.mktemp("tutorial") / "tour"
    folder.mkdir()
    reader = Reader(folder)
    yield reader
    reader.stop()


@pytest.mark.parametrize("section", SECTIONS)
def test_whoever_does_what_the_tutorial_says_sees_what_it_shows(reader: Reader, section: str) -> None:
    reader.read_on(until_after=section)


def test_the_ledger_brackets_the_bill(reader: Reader) -> None:
    reader.read_on(until_after=SECTIONS[-1])
    known, unresolved = reader.known_and_unresolved_nano_usd()
    assert 0 < known <= reader.bill_nano_usd() <= known + unresolved


def test_the_store_can_be_stopped_in_the_end(reader: Reader) -> None:
    reader.read_on(until_after=_ORDER[-1])
