"""Workers with middlewares of others, against simulated providers on the shared store."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import LogCapture

from homa_workers.simulator import Simulator, SimulatorConfig
from tests.steps.cell import Cell


@pytest.fixture(autouse=True)
def lines() -> Iterator[list[Any]]:
    """What workers log."""
    capture = LogCapture()
    structlog.reset_defaults()
    structlog.configure(
        processors=[capture],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=False,
    )
    yield capture.entries
    structlog.reset_defaults()


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorConfig()) as simulator:
        yield simulator


@pytest.fixture
async def cell(store_url: str, namespace: str, simulator: Simulator, tmp_path: Path) -> AsyncIterator[Cell]:
    cell = Cell(store_url, namespace, simulator, tmp_path)
    yield cell
    await cell.close()
