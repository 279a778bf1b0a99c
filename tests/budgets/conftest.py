"""A cell whose simulated OpenAI bills as hard as it may: every byte read, every answer full."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog

from homa_shared.calls.reply import Usage
from homa_workers.simulator import Simulator, SimulatorConfig, engine
from homa_workers.simulator.dialects import openai
from tests.budgets import judge
from tests.steps.cell import Cell


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
async def simulator(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Simulator]:
    """Bills what the judge says, and not what it has said."""
    written: dict[int, int] = {}
    read_chat, compose = openai.read_chat, engine.compose

    def read(body: Mapping[str, Any]) -> Any:
        read, wrote = judge.tokens(body)
        prompt = replace(read_chat(body), prompt_tokens=read)
        written[id(prompt)] = wrote
        return prompt

    def composed(prompt: Any, *facts: Any) -> Any:
        answer = compose(prompt, *facts)
        wrote = written.pop(id(prompt), None)
        return answer if wrote is None else replace(answer, usage=Usage(prompt.prompt_tokens, wrote))

    monkeypatch.setattr(openai, "read_chat", read)
    monkeypatch.setattr(engine, "compose", composed)
    async with Simulator(SimulatorConfig()) as simulator:
        yield simulator


@pytest.fixture
async def cell(store_url: str, namespace: str, simulator: Simulator, tmp_path: Path) -> AsyncIterator[Cell]:
    cell = Cell(store_url, namespace, simulator, tmp_path)
    yield cell
    await cell.close()
