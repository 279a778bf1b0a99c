"""A namespace of the shared store, and no handler of another test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from homa_shared.model.event_handlers import HANDLERS
from tests.commands_b.conftest import stand

__all__ = ["no_handlers", "stand"]


@pytest.fixture(autouse=True)
def no_handlers() -> Iterator[None]:
    HANDLERS.clear()
    yield
    HANDLERS.clear()
