"""The examples of docs/testing.md run, in a pytest of their own as users run it; its tables name what there is."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import homa.testing
from homa.testing.answers import Fails
from homa_workers.simulator import control, markers
from tests.docs.pages import ROOT, blocks

PAGE = ROOT / "docs" / "testing.md"
_SECONDS = 120


def test_the_pages_tests_pass(tmp_path: Path) -> None:
    files = [block for block in blocks(PAGE) if block.verb == "file"]
    for block in files:
        (tmp_path / block.order.split()[1]).write_text(block.text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "pythonpath=.", str(tmp_path)]
    env = {name: value for name, value in os.environ.items() if not name.startswith("HOMA_")}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=_SECONDS, env=env, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    wanted = sum(len(re.findall(r"^def test_", block.text, re.MULTILINE)) for block in files)
    assert f"{wanted} passed" in done.stdout


def test_every_failure_stands_in_the_table() -> None:
    text = PAGE.read_text()
    kinds = [
        name
        for name in homa.testing.__all__
        if isinstance(made := getattr(homa.testing, name), type) and issubclass(made, Fails)
    ]
    assert [name for name in kinds if f"`{name}(" not in text] == []


def test_every_order_and_path_of_the_simulator_stands_there() -> None:
    text = PAGE.read_text()
    orders = set(re.findall(r"\[\[(\w+)", markers.__doc__ or ""))
    assert {order for order in orders if f"`[[{order}" not in text} == set()
    paths = set(re.findall(r"`((?:GET|POST) /\S+?)`", control.__doc__ or ""))
    assert {path for path in paths if f"`{path}`" not in text} == set()
