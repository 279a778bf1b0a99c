"""Adapters of all kinds at simulated providers, and a report of which proof held where.

A table of each module's outcomes ends a run in one process. With HOMA_TEST_MATRIX_REPORT set, those at simulated
providers are written there as JSON: row -> column -> works, not offered, failed.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Generator, Iterator, Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from homa_shared.calls.reply import RESPONSES_API
from homa_workers.providers.base import Provider, ProviderConfig
from homa_workers.providers.registry import create
from homa_workers.simulator import Simulator, SimulatorConfig
from tests.matrix.features import Models, asked_of, kind_of, offered

REPORT = "HOMA_TEST_MATRIX_REPORT"
#: The property by which a test says what its passing means, where that is not that the feature works.
HELD = "held"
NOT_ASKED, BEYOND = "not asked", "not done by this end"
#: Outcome -> its mark in the table for people.
MARKS = {"works": "✓", "not offered": "–", BEYOND: "○", "failed": "✗", NOT_ASKED: " "}
AWS = {"region": "us-east-1", "aws_access_key_id": "any", "aws_secret_access_key": "any"}
#: A current model that Chat Completions gives tools to: later ones take them by the Responses API only.
TOOLS_ON_CHAT = "gpt-5.4-mini"
#: Row (a kind, or `kind/api`) -> path at the simulator, and models to ask for.
ENDS = {
    "openai": ("/openai/v1", Models(TOOLS_ON_CHAT, "text-embedding-3-small")),
    "openai/responses": ("/openai/v1", Models("gpt-6-luna", api=RESPONSES_API)),
    "azure": ("/resource/openai/v1", Models(TOOLS_ON_CHAT, "text-embedding-3-small")),
    "azure/responses": ("/resource/openai/v1", Models("gpt-6-luna", api=RESPONSES_API)),
    "anthropic": ("/anthropic", Models("claude-haiku-5-5")),
    "gemini": ("/gemini", Models("gemini-3.5-flash", "gemini-embedding-001")),
    "ollama": ("/ollama/v1", Models("qwen3-vl:8b", "nomic-embed-text")),
    "bedrock": ("/bedrock", Models("anthropic.claude-haiku-4-5-20251001-v1:0", "amazon.titan-embed-text-v2:0")),
    "mistral": ("/mistral/v1", Models("mistral-small-latest", "mistral-embed")),
    "cohere": ("/compatibility/v1", Models("command-a-vision-07-2025", "embed-v4.0")),
}
#: Row and column of each proof.
CASES = [(row, column) for row in ENDS for column in asked_of(row)]


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
    made = connect(kind_of(kind), simulator.url + ENDS[kind][0])
    yield made
    await made.aclose()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if (report.when == "call" or report.skipped) and {"kind", "column"} <= parameters.keys():
        kind, column = parameters["kind"], parameters["column"]
        works = "works" if offered(kind, column) else "not offered"
        passed = str(dict(report.user_properties).get(HELD, works))
        held = {"skipped": NOT_ASKED, "passed": passed}.get(report.outcome, "failed")
        found = item.config.stash.setdefault(OUTCOMES, {}).setdefault(item.path.stem, {})
        found.setdefault(kind, {})[column] = held
    return report


#: Module -> kind -> column -> outcome.
OUTCOMES: pytest.StashKey[dict[str, dict[str, dict[str, str]]]] = pytest.StashKey()


def pytest_sessionfinish(session: pytest.Session) -> None:
    if path := os.environ.get(REPORT):
        found = session.config.stash.get(OUTCOMES, {})
        Path(path).write_text(json.dumps(found.get("test_matrix", {})), encoding="utf-8")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for module, outcomes in config.stash.get(OUTCOMES, {}).items():
        terminalreporter.section(f"support matrix by {module}")
        for line in table(outcomes):
            terminalreporter.write_line(line)


def table(outcomes: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """What a run found, for people: a line for each kind of provider, and what its marks mean."""
    width = max(map(len, outcomes))
    columns = list(dict.fromkeys(column for row in outcomes.values() for column in row))
    yield " " * width + "  " + "  ".join(columns)
    for kind, row in outcomes.items():
        marks = (MARKS[row.get(column, NOT_ASKED)].center(len(column)) for column in columns)
        asked = "" if set(row.values()) != {NOT_ASKED} else "  not asked"
        yield f"{kind.ljust(width)}  {'  '.join(marks).rstrip()}{asked}".rstrip()
    found = {held for row in outcomes.values() for held in row.values()}
    yield ", ".join(f"{mark} {held}" for held, mark in MARKS.items() if held in found and mark.strip())
