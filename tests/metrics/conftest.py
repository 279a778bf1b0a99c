"""A namespace of the store, and its metrics as a scraper reads them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homa_shared.store.connection import StoreAddress
from tests.transitions.cell import Cell


@pytest.fixture
def cell(store_url: str, namespace: str) -> Iterator[Cell]:
    found = Cell(StoreAddress.parse(store_url), namespace)
    yield found
    found.store.close()
