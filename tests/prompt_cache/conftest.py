"""Stands: each with a simulator of its own."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from homa_workers.simulator import Simulator, SimulatorConfig
from tests.prompt_cache.standing import Stand


@pytest.fixture
async def stand(store_url: str, namespace: str, tmp_path: Path) -> AsyncIterator[Stand]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    async with Simulator(SimulatorConfig(output_tokens=20, latency_ms=30.0)) as simulator:
        made = Stand(store_url, namespace, simulator, tmp_path)
        yield made
        await made.close()
    structlog.reset_defaults()
