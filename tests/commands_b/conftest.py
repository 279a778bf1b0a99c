"""A namespace of the shared store, with settings in a directory of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from homa import Homa
from homa.cli.doctor import checks
from homa_shared.settings.model import load_settings
from homa_shared.store.client import Store
from homa_shared.store.connection import StoreAddress
from homa_shared.store.embedded import EmbeddedStore
from tests.commands_b.stand import Stand
from tests.fixtures.store import temporary_store

TOML = """
[providers.openai]
api_key = "not-a-key"
base_url = "http://127.0.0.1:9/v1"
limits = { rpm = 60000 }
[providers.anthropic]
base_url = "http://127.0.0.1:9"
[budgets.month]
cap_usd = 5
period = "month"
[budgets.unused]
cap_usd = 1
scope = "tenant"
tenant = "nobody"
"""


@pytest.fixture
def stand(tmp_path: Path, store_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    (tmp_path / "homa.toml").write_text(TOML)
    monkeypatch.chdir(tmp_path)
    # A process that imports every SDK, for tests that look at what it says.
    monkeypatch.setattr(checks, "loading", lambda settings: iter(()))
    monkeypatch.setenv("HOMA_REDIS_URL", store_url)
    monkeypatch.setenv("HOMA_NAMESPACE", namespace)
    settings = load_settings()
    store = Store(StoreAddress.parse(store_url), namespace, role="test")
    with Homa(settings=settings) as homa:
        yield Stand(settings, store, homa, tmp_path)
    store.close()


@pytest.fixture
def embedded(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddedStore]:
    """An embedded store of its own is the one that settings lead to; it does not run yet."""
    with temporary_store() as store:
        monkeypatch.delenv("HOMA_REDIS_URL")
        monkeypatch.setenv("HOMA_HOME", str(store.directory))
        yield store
