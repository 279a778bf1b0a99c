"""The programs of docs/recipes.md in a folder, a worker with simulated providers beside them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homa_workers.simulator import SimulatorConfig, SimulatorThread
from tests.docs.pages import ROOT, Block, blocks
from tests.gateway.conftest import Cell, cell_at

PAGE = ROOT / "docs" / "recipes.md"


def recipe(verb: str) -> list[Block]:
    """Blocks of the page that are marked so."""
    return [block for block in blocks(PAGE) if block.verb == verb]


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """The folder with all programs."""
    folder = tmp_path / "programs"
    folder.mkdir()
    for block in recipe("file"):
        (folder / block.order.split()[1]).write_text(block.text)
    return folder


@pytest.fixture
def cell(store_url: str, tmp_path: Path) -> Iterator[Cell]:
    with (
        SimulatorThread(SimulatorConfig(output_tokens=20)) as simulator,
        cell_at(store_url, simulator, tmp_path / "home") as cell,
    ):
        cell.start_worker("openai")
        yield cell
