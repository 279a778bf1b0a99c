"""The examples of docs/python.md and README.md run, in their order, against a worker and simulated providers."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_workers.simulator import SimulatorConfig, SimulatorThread
from tests.docs.pages import ROOT, Block, blocks
from tests.fixtures.store import eventually
from tests.patience import PATIENCE_S
from tests.plugins.packages import install_project

PAGE = ROOT / "docs" / "python.md"
#: Seconds that all examples of a page may take.
_EXAMPLES_S = 90.0


@pytest.fixture
def environment(store_url: str, namespace: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """Variables of somebody who follows the page."""
    with SimulatorThread(SimulatorConfig(output_tokens=20)) as simulator:
        yield {
            **os.environ,
            "HOMA_REDIS_URL": store_url,
            "HOMA_NAMESPACE": namespace,
            "HOMA_HOME": str(tmp_path / "home"),
            "HOMA_PROVIDERS__OPENAI__API_KEY": "sk-test",
            "HOMA_PROVIDERS__OPENAI__BASE_URL": f"{simulator.url}/v1",
            "HOMA_PROVIDERS__OPENAI__LIMITS__RPM": "60000",
            "HOMA_PROVIDERS__ANTHROPIC__API_KEY": "sk-test",
            "HOMA_PROVIDERS__ANTHROPIC__BASE_URL": simulator.url,
        }


@pytest.fixture
def worker(environment: dict[str, str], tmp_path: Path) -> Iterator[None]:
    """The worker that the page starts, which knows the page's tools, actors and middleware."""
    write_files(blocks(PAGE), tmp_path)
    install_project(tmp_path)
    (started,) = [block.commands[0].line for block in blocks(PAGE) if block.verb == "background"]
    arguments = started.removeprefix("homa worker ").split()
    process = subprocess.Popen(
        [sys.executable, "-m", "homa_workers", *arguments, "--actors", "chores", "--until-stdin-closes"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    store = Store(StoreAddress.parse(environment["HOMA_REDIS_URL"]), environment["HOMA_NAMESPACE"])
    eventually(lambda: store.run(reads.live_workers(store.keys, "openai")))
    store.close()
    yield
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(PATIENCE_S) == 0


def write_files(found: list[Block], folder: Path) -> None:
    for block in found:
        if block.verb == "file":
            (folder / block.order.split()[1]).write_text(block.text)


def run_examples(page: Path, environment: dict[str, str], folder: Path) -> str:
    """What the marked examples of a page print, as one program."""
    examples = [block.text for block in blocks(page) if block.verb == "run"]
    assert examples, f"{page.name} has no example to run"
    program = folder / "examples.py"
    program.write_text("\n".join(examples))
    done = subprocess.run(
        [sys.executable, "-W", "error", program.name],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_EXAMPLES_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.usefixtures("worker")
def test_the_pages_examples_run_in_their_order(environment: dict[str, str], tmp_path: Path) -> None:
    said = run_examples(PAGE, environment, tmp_path)
    assert "['invalid_request']" in said
    assert "100 of 100 for" in said
    assert "openai gpt-6-luna" in run_examples(ROOT / "README.md", environment, tmp_path)
