"""Processes of a fleet whose payloads are sealed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TypeAlias

import pytest

from homa_shared.encryption.keyring import EncryptionKey, Keyring
from homa_shared.store.connection import StoreAddress
from tests.transitions.cell import Cell

Process: TypeAlias = Callable[..., Cell]


@pytest.fixture
def process(store_url: str, namespace: str) -> Iterator[Process]:
    """Makes processes of one fleet, each with keys of its own."""
    made: list[Cell] = []

    def make(*keys: EncryptionKey) -> Cell:
        address = replace(StoreAddress.parse(store_url), keyring=Keyring(keys) if keys else None)
        made.append(Cell(address, namespace))
        return made[-1]

    yield make
    for cell in made:
        cell.store.close()
