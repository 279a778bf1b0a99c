"""Every script is one that the store accepts."""

from __future__ import annotations

import pytest

from homa_shared.store import scripts
from tests.transitions.cell import Cell


@pytest.mark.parametrize("name", scripts.names())
def test_the_store_compiles(cell: Cell, name: str) -> None:
    code = scripts.script(name)
    assert cell.redis("SCRIPT LOAD", code.text) == code.sha


@pytest.mark.parametrize("name", scripts.names())
def test_says_what_it_takes_and_returns(name: str) -> None:
    header = scripts.source(name)
    assert "-- KEYS[1] anchor" in header
    assert "-- ARGV" in header
    assert "-- Returns" in header
