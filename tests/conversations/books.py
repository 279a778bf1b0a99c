"""The books of a fake fleet."""

from __future__ import annotations

from homa.testing import FakeHoma
from homa_shared.store.audit import audit
from homa_shared.store.client import Store


def store_of(homa: FakeHoma) -> Store:
    """Its store, to be closed."""
    return Store(homa._context.address(), homa._context.settings.namespace, role="test")


def books_of(homa: FakeHoma) -> list[str]:
    """What in them does not add up."""
    store = store_of(homa)
    try:
        return list(map(str, audit(store)))
    finally:
        store.close()
