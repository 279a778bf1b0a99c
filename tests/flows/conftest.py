"""A fresh namespace for each test, and books that add up when it is over."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from homa.testing import FakeHoma, Refused, fake
from homa_shared.store.audit import audit
from homa_shared.store.connection import StoreAddress
from homa_workers.simulator import Simulator, SimulatorConfig
from tests.flows.runs import Runs
from tests.worker.cell import Cell


@pytest.fixture
def runs(store_url: str, namespace: str) -> Iterator[Runs]:
    found = Runs(StoreAddress.parse(store_url), namespace)
    yield found
    if not found.cooked:
        assert list(map(str, audit(found.store))) == []
    found.store.close()


@pytest.fixture
def homa_echo() -> Iterator[FakeHoma]:
    """A fake fleet that says again what it is asked, and refuses what begins with `fail`."""
    with fake({"fail*": Refused("no"), "*": lambda call: f"({call.prompt})"}) as homa:
        yield homa


@pytest.fixture
async def cell(store_url: str, namespace: str, tmp_path: Path) -> AsyncIterator[Cell]:
    """A namespace of the shared store with real workers and a simulated provider that takes its time."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    async with Simulator(SimulatorConfig(latency_ms=100)) as simulator:
        made = Cell(store_url, namespace, simulator, tmp_path)
        yield made
        await made.close()
    structlog.reset_defaults()
