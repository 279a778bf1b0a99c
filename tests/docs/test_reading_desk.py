"""docs/examples/reading_desk.py, the example application: uploads, live progress, results beside their source."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import aiohttp
import pytest
import uvicorn

from homa.testing import fake
from tests.docs.pages import ROOT

APP = ROOT / "docs" / "examples" / "reading_desk.py"
FINDING = {"title": "Pumps", "summary": "Pump 1 <b>ran</b>.", "topics": ["pumps", "hours"]}


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setenv("DESK_FOLDER", str(tmp_path / "desk"))
    spec = importlib.util.spec_from_file_location("reading_desk", APP)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "reading_desk", module)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def serving(module: ModuleType) -> AsyncIterator[aiohttp.ClientSession]:
    server = uvicorn.Server(uvicorn.Config(module.app, host="127.0.0.1", port=0, log_level="warning"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        assert not task.done()
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client:
            yield client
    finally:
        server.should_exit = True
        await task


def form(**files: str | bytes) -> aiohttp.FormData:
    data = aiohttp.FormData()
    for name, content in files.items():
        data.add_field("files", content, filename=f"{name}.txt", content_type="text/plain")
    return data


async def told(client: aiohttp.ClientSession, batch: str, **headers: str) -> list[tuple[str, dict[str, Any]]]:
    """All events of a batch, to its end."""
    async with client.get(f"/batches/{batch}/events", headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        blocks = (await answer.text()).strip().split("\n\n")
    found = [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]
    return [(block["event"], json.loads(block["data"]) | {"id": block.get("id")}) for block in found]


async def test_documents_are_read_and_stand_beside_their_source(desk: ModuleType) -> None:
    async with fake({"Read this document*": FINDING}), serving(desk) as client:
        async with client.post("/batches", data=form(one="Pump 1 ran.", two="Pump 2 stood.")) as answer:
            assert answer.status == 201
            made = await answer.json()
        assert made["documents"] == ["one.txt", "two.txt"]
        seen = await told(client, made["batch"])
        lines = {line["document"]: line for kind, line in seen if kind == "line"}
        assert lines.keys() == {"one.txt", "two.txt"}
        assert lines["one.txt"]["finding"] == FINDING
        assert seen[-1][0] == "done"
        assert (seen[-1][1]["ended"], seen[-1][1]["total"], seen[-1][1]["failed"]) == (2, 2, 0)
        async with client.get(f"/batches/{made['batch']}/documents/{lines['two.txt']['line']}") as answer:
            assert await answer.text() == "Pump 2 stood."


async def test_a_browser_that_was_away_goes_on_behind_what_it_has(desk: ModuleType) -> None:
    async with fake({"*": FINDING}), serving(desk) as client:
        async with client.post("/batches", data=form(a="1", b="2", c="3")) as answer:
            batch = (await answer.json())["batch"]
        lines = [line for kind, line in await told(client, batch) if kind == "line"]
        rest = [line for kind, line in await told(client, batch, **{"last-event-id": lines[1]["id"]}) if kind == "line"]
        assert [line["document"] for line in rest] == [lines[2]["document"]]


async def test_wrong_uploads_and_addresses_are_refused(desk: ModuleType) -> None:
    async with fake({}), serving(desk) as client:
        for data, status, said in (
            (form(), 400, "no file was sent"),
            (form(a=b"\xff\xfe\x00"), 415, "is no UTF-8 text"),
            (form(a="x" * 200_001), 413, "larger than 200000 bytes"),
        ):
            async with client.post("/batches", data=data) as answer:
                assert (answer.status, said in await answer.text()) == (status, True)
        for path in ("/batches/b0nowhere/documents/0", "/batches/%2e%2e/documents/0"):
            async with client.get(path) as answer:
                assert answer.status == 404


async def test_the_page_loads_nothing_from_elsewhere_and_shows_text_as_text(desk: ModuleType) -> None:
    async with fake({}), serving(desk) as client, client.get("/") as answer:
        page = await answer.text()
    assert "EventSource" in page
    assert "://" not in page
    assert "innerHTML" not in page
