"""A fresh namespace for each test, and books that add up when it is over: those of conversations, too."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homa_shared.store.audit import audit
from homa_shared.store.connection import StoreAddress
from tests.conversations.talk import Talk


@pytest.fixture
def talk(store_url: str, namespace: str) -> Iterator[Talk]:
    found = Talk(StoreAddress.parse(store_url), namespace)
    yield found
    if not found.cooked:
        assert list(map(str, audit(found.store))) == []
    found.store.close()
