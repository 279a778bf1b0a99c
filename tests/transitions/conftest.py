"""A fresh namespace for each test of a transition, and books that add up when it is over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homa_shared.store.audit import audit
from homa_shared.store.connection import StoreAddress
from tests.transitions.cell import Cell


@pytest.fixture
def cell(store_url: str, namespace: str) -> Iterator[Cell]:
    found = Cell(StoreAddress.parse(store_url), namespace)
    yield found
    if not found.cooked:
        assert list(map(str, audit(found.store))) == []
    found.store.close()
