"""The dashboard as an application in the test's own process, on a namespace of the shared store."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

import httpx2
import pytest
from starlette.applications import Starlette

from homa import Homa
from homa.drivers.context import Context, Start
from homa.gateway.app import create_app
from homa_shared.settings.model import load_settings
from homa_shared.store import reads
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.gateway_keys import Role, new_key, put_key
from tests.commands_b.stand import Stand

TOML = """
[providers.openai]
api_key = "not-a-key"
base_url = "http://127.0.0.1:9/v1"
limits = { rpm = 60000, tpm = 1000000 }
[budgets.month]
cap_usd = 5
period = "month"
"""
HOME = "http://127.0.0.1"


@pytest.fixture
def stand(tmp_path: Path, store_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    (tmp_path / "homa.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOMA_REDIS_URL", store_url)
    monkeypatch.setenv("HOMA_NAMESPACE", namespace)
    settings = load_settings()
    store = Store(StoreAddress.parse(store_url), namespace, role="test")
    with Homa(settings=settings) as homa:
        yield Stand(settings, store, homa, tmp_path)
    store.close()


@dataclass
class Browser:
    """What a person's browser does, without its scripts."""

    app: Starlette
    client: httpx2.AsyncClient
    #: The page that it shows.
    text: str = ""
    status: int = 0
    headers: httpx2.Headers = field(default_factory=httpx2.Headers)

    async def get(self, path: str = "", **headers: str) -> str:
        """The text of a page, redirects followed."""
        return self._shows(await self.client.get(f"/dashboard{path}", headers=headers))

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> str:
        return self._shows(await self.client.post(path, data=fields, headers=headers))

    async def submit(self, action: str, **changed: str) -> str:
        """Sends the form of the page that leads to an action, with its hidden fields."""
        return await self.post(*self.form(action, **changed))

    def form(self, action: str, **changed: str) -> tuple[str, dict[str, str]]:
        """Where a form of the page leads, and its fields."""
        for found in re.finditer(r'<form method="post" action="([^"]+)">(.*?)</form>', self.text, flags=re.DOTALL):
            address = unescape(found[1])
            if action in address:
                fields = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', found[2])
                return address, {name: unescape(value) for name, value in fields} | changed
        raise AssertionError(f"no form leads to {action}: {self.text}")

    async def sign_in(self, shown: str) -> str:
        return await self.post("/dashboard/login", {"key": shown})

    def _shows(self, answer: httpx2.Response) -> str:
        self.text, self.status, self.headers = answer.text, answer.status_code, answer.headers
        return self.text


@pytest.fixture
async def browser(stand: Stand) -> AsyncIterator[Browser]:
    async with browsing() as found:
        yield found


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """A browser of its own, with a gateway of its own."""
    app = create_app(Context(load_settings, Start.NEVER, role="gateway"))
    transport = httpx2.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=HOME, follow_redirects=True) as client,
    ):
        yield Browser(app, client)


def state(stand: Stand, job: str) -> str:
    return str(stand.store.run(reads.state(stand.store.keys, job)))


def make_key(stand: Stand, role: Role, tenant: str = "") -> tuple[str, str]:
    """Id and text of a key."""
    key, shown = new_key(role, tenant, (), "")
    stand.store.run(put_key(stand.store.keys, key))
    return key.id, shown
