"""Workers that pursue answers over several calls, against simulated providers on the shared store."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from homa_shared.calls import tools
from homa_workers.simulator import Simulator, SimulatorConfig
from tests.steps.cell import Cell


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture(autouse=True)
def own_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test declares its own tools."""
    monkeypatch.setattr(tools, "_registered", {})


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorConfig()) as simulator:
        yield simulator


@pytest.fixture
async def cell(store_url: str, namespace: str, simulator: Simulator, tmp_path: Path) -> AsyncIterator[Cell]:
    cell = Cell(store_url, namespace, simulator, tmp_path)
    yield cell
    await cell.close()
