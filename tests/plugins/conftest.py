"""A folder of installed packages, for the length of a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from homa.files.readers import registry
from homa_shared.kinds.registry import profile_of
from tests.commands_b.conftest import stand
from tests.plugins.packages import Site
from tests.steps.conftest import cell, simulator

__all__ = ["cell", "simulator", "site", "stand"]


def _forget() -> None:
    """What this process knows of installed packages."""
    profile_of.cache_clear()
    registry._installed.cache_clear()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", str(folder))
    before = set(sys.modules)
    _forget()
    yield Site(folder)
    _forget()
    for name in set(sys.modules) - before:
        if str(folder) in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]
