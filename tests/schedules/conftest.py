"""A namespace whose clock a test sets, with schedules in it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from homa_shared.store.audit import audit
from homa_shared.store.connection import StoreAddress
from tests.schedules.clock import simulated_clock
from tests.schedules.stand import Stand


@pytest.fixture
def clock_of_tests() -> Iterator[None]:
    with simulated_clock():
        yield


@pytest.fixture
async def stand(store_url: str, namespace: str, clock_of_tests: None) -> AsyncIterator[Stand]:
    found = Stand(StoreAddress.parse(store_url), namespace)
    yield found
    assert list(map(str, audit(found.store))) == []
    await found.aclose()
