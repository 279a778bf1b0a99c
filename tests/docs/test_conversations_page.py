"""The examples of docs/conversations.md run, in their order, and say what the page says they say."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from homa_shared.store import reads
from homa_shared.store.audit import audit
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_workers.simulator import SimulatorConfig, SimulatorThread
from tests.docs.pages import ROOT, blocks, missing
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S

PAGE = ROOT / "docs" / "conversations.md"
#: Seconds that one program or command may take.
_SECONDS = 90.0


@pytest.fixture
def environment(store_url: str, namespace: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables of somebody who follows the page, with a worker that serves them."""
    with SimulatorThread(SimulatorConfig(output_tokens=20)) as simulator:
        variables = {
            **os.environ,
            "HOMA_REDIS_URL": store_url,
            "HOMA_NAMESPACE": namespace,
            "HOMA_HOME": str(tmp_path / "home"),
            "HOMA_PROVIDERS__OPENAI__API_KEY": "sk-test",
            "HOMA_PROVIDERS__OPENAI__BASE_URL": f"{simulator.url}/v1",
            "HOMA_PROVIDERS__ANTHROPIC__API_KEY": "sk-test",
            "HOMA_PROVIDERS__ANTHROPIC__BASE_URL": simulator.url,
            "COLUMNS": "200",
        }
        arguments = [sys.executable, "-m", "homa_workers", "openai", "anthropic", "--until-stdin-closes"]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        worker = subprocess.Popen(arguments, cwd=tmp_path, env=variables, **pipes)
        store = Store(StoreAddress.parse(store_url), namespace)
        eventually(lambda: store.run(reads.live_workers(store.keys, "anthropic")))
        yield variables
        assert worker.stdin is not None
        worker.stdin.close()
        assert worker.wait(PATIENCE_S) == 0
        assert list(map(str, audit(store))) == []
        store.close()


def _run(arguments: list[str], environment: dict[str, str], folder: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_the_pages_examples_run_in_their_order(environment: dict[str, str], tmp_path: Path) -> None:
    found = [block for block in blocks(PAGE) if block.verb == "run"]
    program = tmp_path / "examples.py"
    program.write_text("\n".join(block.text for block in found if block.language == "python"))
    said = _run([program.name], environment, tmp_path)
    assert "1 answered openai:gpt-6-luna What is a lease?" in said
    assert "it has 2 turns, not 1" in said
    assert "4 2" in said
    commands = [command for block in found if block.language == "console" for command in block.commands]
    assert len(commands) == 6
    for command in commands:
        program_name, *arguments = shlex.split(command.line)
        assert program_name == "homa"
        output = _run(["-m", "homa.cli", *arguments], environment, tmp_path)
        absent = missing(command.shown, output, {})
        assert absent is None, f"$ {command.line}\nlacks the line\n{absent}\nin\n{output}"
