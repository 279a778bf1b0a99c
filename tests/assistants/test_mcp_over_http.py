"""`homa mcp --http`, asked by the SDK's own client: keys decide who may look and who may change."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from homa.cli.context import session
from homa.cli.mcp.over_http import app_of
from homa.client.session import Session
from homa.gateway.server import listen
from tests.assistants.test_mcp import READING, WRITING, answer, refusal
from tests.commands_b.conftest import stand
from tests.commands_b.stand import Stand
from tests.patience import PATIENCE_S

__all__ = ["stand"]

INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}},
}
BASE = "http://127.0.0.1:8089"
ACCEPTS = {"accept": "application/json, text/event-stream", "content-type": "application/json"}


@pytest.fixture
def here(stand: Stand) -> Iterator[Session]:
    with session() as opened:
        yield opened


@asynccontextmanager
async def serving(here: Session, *, allow_writes: bool = False) -> AsyncIterator[httpx2.ASGITransport]:
    """The application as a client on this machine reaches it."""
    app = app_of(here, allow_writes=allow_writes)
    async with app.router.lifespan_context(app):
        yield httpx2.ASGITransport(app, client=("127.0.0.1", 5000))


@asynccontextmanager
async def asking(transport: httpx2.AsyncBaseTransport, key: str = "") -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    http = httpx2.AsyncClient(transport=transport, headers=headers)
    async with http, Client(streamable_http_client(f"{BASE}/mcp", http_client=http)) as client:
        yield client


async def posted(transport: httpx2.AsyncBaseTransport, **headers: str) -> httpx2.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
        return await http.post("/mcp", json=INITIALIZE, headers=ACCEPTS | named)


async def tools(client: Client) -> set[str]:
    return {tool.name for tool in (await client.list_tools()).tools}


def made_key(stand: Stand, role: str) -> dict[str, Any]:
    tenant = ("--tenant", "acme") if role == "tenant" else ()
    return dict(stand.json("keys", "create", "--role", role, *tenant))


async def test_without_keys_this_machine_looks(here: Session, stand: Stand) -> None:
    job = stand.queued()
    async with serving(here) as transport, asking(transport) as client:
        assert await tools(client) == READING
        assert (await answer(client, "show_job", job=job))["state"] == "queued"
        assert "cancel_job" in await refusal(client, "cancel_job", job=job)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"host": "localhost:8089"}, 200),
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example:8089"}, 403),
        ({"origin": "http://127.0.0.1:8089"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "evil.example", "origin": "http://evil.example"}, 403),
        ({"sec_fetch_site": "cross-site"}, 403),
    ],
)
async def test_without_keys_pages_of_other_sites_are_refused(
    here: Session, headers: dict[str, str], status: int
) -> None:
    async with serving(here) as transport:
        assert (await posted(transport, **headers)).status_code == status


async def test_without_keys_no_other_machine_is_answered(here: Session) -> None:
    async with serving(here) as transport:
        transport.client = ("192.0.2.7", 5000)
        told = await posted(transport)
    assert told.status_code == 403
    assert "homa keys create" in told.json()["error"]["message"]


async def test_with_keys_one_must_be_shown(here: Session, stand: Stand) -> None:
    key = made_key(stand, "viewer")
    async with serving(here) as transport:
        for shown in ("", "homa_nonsense", key["key"] + "x"):
            told = await posted(transport, **({"authorization": f"Bearer {shown}"} if shown else {}))
            assert told.status_code == 401
            assert told.headers["www-authenticate"] == "Bearer"
        good = {"authorization": f"Bearer {key['key']}"}
        assert (await posted(transport, **good, host="fleet.example")).status_code == 200
        assert (await posted(transport, **good, host="fleet.example", origin="https://evil.example")).status_code == 403


async def test_a_tenants_key_does_not_see_the_fleet(here: Session, stand: Stand) -> None:
    key = made_key(stand, "tenant")
    async with serving(here, allow_writes=True) as transport:
        told = await posted(transport, authorization=f"Bearer {key['key']}")
    assert told.status_code == 403
    assert "shown to admin, operator, viewer" in told.json()["error"]["message"]


async def test_a_viewers_key_only_looks_where_others_change(here: Session, stand: Stand) -> None:
    viewer, operator = made_key(stand, "viewer"), made_key(stand, "operator")
    job = stand.queued()
    async with serving(here, allow_writes=True) as transport:
        async with asking(transport, viewer["key"]) as client:
            assert await tools(client) == READING
            assert "cancel_job" in await refusal(client, "cancel_job", job=job)
        async with asking(transport, operator["key"]) as client:
            assert await tools(client) == READING | WRITING
            assert await answer(client, "cancel_job", job=job) == "cancelled"
    entry = stand.json("audit", "log")["entries"][0]
    assert (entry["action"], entry["actor"]) == ("jobs.cancelled", f"key {operator['id']}")


async def test_no_key_changes_anything_where_writes_are_not_allowed(here: Session, stand: Stand) -> None:
    admin = made_key(stand, "admin")
    async with serving(here) as transport, asking(transport, admin["key"]) as client:
        assert await tools(client) == READING


async def test_a_revoked_key_opens_nothing(here: Session, stand: Stand) -> None:
    key = made_key(stand, "operator")
    stand.said("keys", "revoke", key["id"])
    async with serving(here) as transport:
        assert (await posted(transport, authorization=f"Bearer {key['key']}")).status_code == 401


async def test_what_is_too_large_or_no_json_is_refused(here: Session) -> None:
    async with serving(here) as transport, httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
        large = await http.post("/mcp", content=b"x" * 5_000_000, headers=ACCEPTS)
        odd = await http.post("/mcp", content=b"{", headers=ACCEPTS)
        elsewhere = await http.post("/elsewhere", json={})
    assert (large.status_code, odd.status_code, elsewhere.status_code) == (413, 400, 404)


@contextmanager
def process(stand: Stand, *options: str) -> Iterator[tuple[Any, str]]:
    """The server as a process, and its address."""
    with stand.process("mcp", "--http", "--port", "0", *options) as running:
        said = ""
        while "/mcp" not in said:
            said = running.stderr.readline()
            assert said, "it ended before it served"
        yield running, next(word for word in said.split() if word.startswith("http://")).rstrip(",")


async def test_as_a_process_it_answers_until_it_is_told_to_stop(stand: Stand) -> None:
    job = stand.queued()
    with process(stand) as (running, address):
        assert address.startswith("http://127.0.0.1:")
        async with Client(address) as client:
            assert (await answer(client, "show_job", job=job))["state"] == "queued"
        running.send_signal(signal.SIGTERM)
        await asyncio.to_thread(running.wait, PATIENCE_S)


def test_without_keys_it_listens_on_this_machine_alone(stand: Stand) -> None:
    said = stand.said("mcp", "--http", "--host", "0.0.0.0", "--port", "0")
    assert said.status == 2
    assert "no key has been made" in said.stderr


def test_a_port_that_is_taken_is_named(stand: Stand) -> None:
    taken = listen("127.0.0.1", 0, any_keys=False)
    try:
        port = taken.getsockname()[1]
        said = stand.said("mcp", "--http", "--port", str(port))
    finally:
        taken.close()
    assert said.status == 2
    assert f"cannot listen on 127.0.0.1:{port}" in said.stderr


def test_an_address_without_http_is_refused(stand: Stand) -> None:
    said = stand.said("mcp", "--port", "8089")
    assert said.status == 2
    assert "--host and --port go with --http" in said.stderr
