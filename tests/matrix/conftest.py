"""Adapters of all kinds at simulated providers, and a report of which proof held where.

With HOMA_TEST_MATRIX_REPORT set, the outcomes are written there as JSON: kind -> column -> works, not offered, failed.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Generator
from pathlib import Path

import pytest
from pydantic import SecretStr

from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from homa_workers.simulator import Simulator, SimulatorConfig
from tests.matrix.features import Models, offered

REPORT = "HOMA_TEST_MATRIX_REPORT"
AWS = {"region": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
#: Kind -> path at the simulator, and models to ask for.
ENDS = {
    "openai": ("/openai/v1", Models("gpt-5-mini", "text-embedding-3-small")),
    "azure": ("/resource/openai/v1", Models("gpt-5-mini", "text-embedding-3-small")),
    "anthropic": ("/anthropic", Models("claude-haiku-4-5")),
    "gemini": ("/gemini", Models("gemini-3.5-flash", "gemini-embedding-001")),
    "ollama": ("/ollama/v1", Models("qwen3-vl:8b", "nomic-embed-text")),
    "bedrock": ("/bedrock", Models("anthropic.claude-haiku-4-5-20251001-v1:0", "amazon.titan-embed-text-v2:0")),
    "cohere": ("/compatibility/v1", Models("command-a-vision-07-2025", "embed-v4.0")),
}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(SimulatorConfig()) as simulator:
        yield simulator


def connect(kind: str, base_url: str | None, key: str | None = "sk-any", **options: object) -> Provider:
    """An adapter at some end of the wire."""
    secret = None if kind == "bedrock" or key is None else SecretStr(key)
    return create(ProviderConfig(kind, kind, secret, base_url, options=options or (AWS if kind == "bedrock" else {})))


@pytest.fixture
async def provider(kind: str, simulator: Simulator) -> AsyncIterator[Provider]:
    """The adapter of a kind at its simulated provider."""
    made = connect(kind, simulator.url + ENDS[kind][0])
    yield made
    await made.aclose()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if report.when == "call" and {"kind", "column"} <= parameters.keys():
        kind, column = parameters["kind"], parameters["column"]
        works = "works" if offered(kind, column) else "not offered"
        held = {"skipped": "not asked", "passed": works}.get(report.outcome, "failed")
        item.config.stash.setdefault(OUTCOMES, {}).setdefault(kind, {})[column] = held
    return report


OUTCOMES: pytest.StashKey[dict[str, dict[str, str]]] = pytest.StashKey()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if path := os.environ.get(REPORT):
        Path(path).write_text(json.dumps(session.config.stash.get(OUTCOMES, {})), encoding="utf-8")
