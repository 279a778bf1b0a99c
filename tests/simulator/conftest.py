"""Simulated providers in the test's own event loop, and the official SDKs as their clients."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from homa_workers.simulator import Simulator, SimulatorConfig
from tests.patience import PATIENCE_S


class ManualClock:
    """Time that stands still until a test turns it."""

    def __init__(self) -> None:
        self.now_s = 1_000_000.0

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def simulator(clock: ManualClock) -> AsyncIterator[Simulator]:
    """A simulator whose quota refills only when the clock is turned."""
    async with Simulator(SimulatorConfig(), clock=clock, epoch=clock) as simulator:
        yield simulator


@pytest.fixture
async def openai(simulator: Simulator) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=f"{simulator.url}/openai/v1", api_key="sk-any", max_retries=0) as client:
        yield client


@pytest.fixture
async def anthropic(simulator: Simulator) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=f"{simulator.url}/anthropic", api_key="sk-any", max_retries=0) as client:
        yield client


async def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; it must within ten seconds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110  what is waited for has no event of its own
            await asyncio.sleep(0.001)


def user(text: str) -> list[dict[str, str]]:
    """Messages of one prompt."""
    return [{"role": "user", "content": text}]


@pytest.fixture
def ask(openai: AsyncOpenAI) -> Callable[..., object]:
    """One chat completion of gpt-6-luna, unless it says another model."""

    async def ask(text: str = "Hello", *, model: str = "gpt-6-luna", **options: object) -> object:
        return await openai.chat.completions.create(model=model, messages=user(text), **options)  # type: ignore[call-overload]

    return ask
