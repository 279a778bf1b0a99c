"""`homa mcp`, asked by the SDK's own client: in this process, and as a process over standard input and output."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from jsonschema import Draft202012Validator
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from homa.cli.context import session
from homa.cli.mcp.server import server
from homa.client.session import Session
from tests.commands_b.conftest import stand
from tests.commands_b.stand import MODEL, Stand

__all__ = ["stand"]

READING = {
    "fleet_status", "list_jobs", "show_job", "why_job_waits", "list_batches", "show_batch", "costs", "limits",
    "budgets", "estimate",
}  # fmt: skip
WRITING = {
    "cancel_job", "retry_job", "pause_batch", "resume_batch", "pause_queue", "resume_queue", "unfreeze_limit",
}  # fmt: skip


@pytest.fixture
def here(stand: Stand) -> Iterator[Session]:
    with session() as opened:
        yield opened


@asynccontextmanager
async def asking(here: Session, *, allow_writes: bool = False) -> AsyncIterator[Client]:
    async with Client(server(here, allow_writes=allow_writes, release="1"), raise_exceptions=True) as client:
        yield client


async def answer(client: Client, tool: str, **arguments: Any) -> Any:
    """What a tool that must succeed answers."""
    told = await client.call_tool(tool, arguments)
    assert not told.is_error, told.content
    assert told.structured_content is not None
    found = told.structured_content
    return found["result"] if set(found) == {"result"} else found


async def refusal(client: Client, tool: str, **arguments: Any) -> str:
    told = await client.call_tool(tool, arguments)
    assert told.is_error
    return str(told.content[0].text)  # type: ignore[union-attr]


async def test_without_writes_only_what_looks_is_offered(here: Session) -> None:
    async with asking(here) as client:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == READING
        assert all(tool.annotations is not None and tool.annotations.read_only_hint for tool in tools)
        assert all(tool.description for tool in tools)
        for tool in tools:
            Draft202012Validator.check_schema(tool.input_schema)


async def test_without_writes_a_tool_that_changes_is_not_there(here: Session, stand: Stand) -> None:
    job = stand.queued()
    async with asking(here) as client:
        assert "cancel_job" in await refusal(client, "cancel_job", job=job)
    assert stand.json("jobs", "show", job)["state"] == "queued"


async def test_it_tells_how_the_fleet_is_and_why_a_job_waits(here: Session, stand: Stand) -> None:
    job = stand.queued()
    async with asking(here) as client:
        status = await answer(client, "fleet_status")
        assert status["status"] == "alarm"
        assert status["alarms"][0]["what_to_do"] == "start `homa worker openai`"
        why = await answer(client, "why_job_waits", job=job)
        assert why["state"] == "queued"
        assert why["live_workers"] == 0
        assert (await answer(client, "limits"))[0]["scope"]
        assert {row["name"].partition("~")[0] for row in await answer(client, "budgets")} == {"month", "unused"}


async def test_it_lists_jobs_batches_and_costs(here: Session, stand: Stand) -> None:
    batch = stand.batch(good=2, bad=1)
    async with asking(here) as client:
        failed = await answer(client, "list_jobs", state="failed", batch=batch)
        assert [job["job"] for job in failed] == [f"{batch}-2"]
        assert "it broke" in failed[0]["error"]
        assert (await answer(client, "list_batches"))[0]["batch"] == batch
        assert (await answer(client, "show_batch", batch=batch))["succeeded"] == 2
        costs = await answer(client, "costs", by="model")
        assert costs["rows"][0]["key"] == MODEL
        assert costs["rows"][0]["cost_usd"] == "0.000003"


async def test_texts_are_shown_only_where_they_are_asked_for(here: Session, stand: Stand) -> None:
    job = stand.succeeded("the secret answer", prompt="the secret question")
    async with asking(here) as client:
        assert b"secret" not in orjson.dumps(await answer(client, "show_job", job=job))
        shown = await answer(client, "show_job", job=job, with_text=True)
        assert shown["text"] == "the secret answer"
        assert "question" not in str(shown)


async def test_it_estimates_without_calling_anybody(here: Session) -> None:
    async with asking(here) as client:
        found = await answer(client, "estimate", prompts=["one", "two"], model=MODEL, max_tokens=50)
        assert found["rows"] == 2
        assert 0 < float(found["expected_usd"]) <= float(found["most_usd"])


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("why_job_waits", {"job": "j0nowhere"}, "j0nowhere"),
        ("list_jobs", {"state": "quueued"}, "did you mean 'queued'"),
        ("list_jobs", {"limit": 1000}, "expected 1 to 50"),
        ("show_batch", {"batch": "b0nowhere"}, "b0nowhere"),
        ("costs", {"by": "weather"}, "expected one of provider"),
        ("estimate", {"prompts": ["x"], "model": "nobody:nothing"}, "nobody"),
        ("pause_queue", {"queue": "opnai"}, "there is no queue 'opnai'"),
        ("unfreeze_limit", {"scope": "nobody"}, "there is no scope 'nobody'"),
        ("cancel_job", {"job": "j0nowhere"}, "j0nowhere"),
        ("pause_batch", {"batch": "b0nowhere"}, "b0nowhere"),
    ],
)
async def test_a_wrong_question_is_answered_with_what_was_expected(
    here: Session, tool: str, arguments: dict[str, Any], said: str
) -> None:
    async with asking(here, allow_writes=True) as client:
        assert said in await refusal(client, tool, **arguments)


async def test_with_writes_it_changes_what_it_is_told_to(here: Session, stand: Stand) -> None:
    waiting, failed, batch = stand.queued(), stand.failed(), stand.batch(good=1, bad=0, live=1)
    async with asking(here, allow_writes=True) as client:
        tools = (await client.list_tools()).tools
        assert {tool.name for tool in tools} == READING | WRITING
        writes = [tool for tool in tools if tool.name in WRITING]
        assert all(tool.annotations is not None and not tool.annotations.read_only_hint for tool in writes)
        again = stand.queued()
        assert await answer(client, "cancel_job", job=again) == "cancelled"
        assert (await answer(client, "retry_job", job=failed)).startswith("j")
        assert "paused (too dear)" in await answer(client, "pause_batch", batch=batch, why="too dear")
        assert await answer(client, "resume_batch", batch=batch) == "sealed"
        assert await answer(client, "pause_queue", queue="openai") == "paused"
        assert stand.json("queues")["queues"][0]["paused"]
        assert await answer(client, "resume_queue", queue="openai") == "resumed"
        assert await answer(client, "unfreeze_limit", scope="openai") == []
    assert stand.json("jobs", "show", again)["state"] == "cancelled"
    assert stand.json("jobs", "show", waiting)["state"] in ("queued", "running")


async def test_as_a_process_it_speaks_over_standard_input_and_output(stand: Stand) -> None:
    job = stand.queued()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    started = StdioServerParameters(command=sys.executable, args=["-m", "homa.cli", "mcp"], env=environment)
    async with Client(stdio_client(started)) as client:
        assert {tool.name for tool in (await client.list_tools()).tools} == READING
        assert (await answer(client, "show_job", job=job))["state"] == "queued"
