"""A directory in which settings are looked for."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A project's directory, with nothing in it and no homa.toml above."""
    return tmp_path
