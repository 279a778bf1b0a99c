"""Tools of installed packages: a worker has them without being told a module."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs

from homa_shared.calls import tools
from homa_shared.calls.request import StepRules
from homa_shared.model.errors import ConfigError
from tests.plugins.packages import Site
from tests.steps.cell import Cell, reply_of

WEATHER = """
from homa import tool


@tool(name="acme_weather")
def acme_weather(city: str) -> str:
    return f"21 degrees in {city}"
"""
POINTS = {"homa.tools": {"acme_weather": "acme_tools:acme_weather"}}


@pytest.fixture(autouse=True)
def own_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has its own tools."""
    monkeypatch.setattr(tools, "_registered", {})


async def test_a_worker_runs_the_tool_of_a_package(site: Site, cell: Cell) -> None:
    site.install("acme-tools", POINTS, acme_tools=WEATHER)
    await cell.worker()
    job = await cell.ask('[[tool:acme_weather {"city": "Ulm"}]]', steps=StepRules(tools=("acme_weather",)))
    view = await cell.ended(job)
    assert reply_of(view)["steps"] == 2
    assert [outcome for _, outcome, _, _ in await cell.outcomes()] == ["step", "succeeded"]


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("acme_weather = 5", "is 5; expected a function with @tool of homa"),
        (
            WEATHER.replace('name="acme_weather"', 'name="other"'),
            "is the tool 'other'; expected one of the entry point",
        ),
    ],
)
async def test_a_broken_one_is_skipped_with_a_warning_or_fatal(site: Site, cell: Cell, source: str, why: str) -> None:
    site.install("acme-tools", POINTS, acme_tools=source)
    with capture_logs() as told:
        await cell.process()
    (what,) = [line["what"] for line in told if line["event"] == "plugin skipped"]
    assert f"tool 'acme_weather' of acme-tools 1.2 {why}" in what
    with pytest.raises(ConfigError, match="tool 'acme_weather' of acme-tools"):
        await cell.process(HOMA_PLUGINS="fatal")


async def test_one_that_has_the_name_of_an_applications_own_gives_way(site: Site, cell: Cell) -> None:
    @tools.tool
    def acme_weather(city: str) -> str:
        return city

    site.install("acme-tools", POINTS, acme_tools=WEATHER)
    with capture_logs() as told:
        await cell.process()
    (what,) = [line["what"] for line in told if line["event"] == "plugin skipped"]
    assert "has that name already" in what
    assert tools.registered()["acme_weather"] is acme_weather
