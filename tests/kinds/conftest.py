"""Packages that bring kinds of providers, installed for the length of a test."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from homa_shared.kinds.registry import ENTRY_POINT_GROUP, profile_of
from tests.plugins.packages import Site

#: Installs a package of one module: name of the kind, its entry point's object in that module, source.
Install = Callable[[str, str, str], None]
MODULE = "acme_kinds"


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    site = tmp_path / "site-packages"

    def install(kind: str, attribute: str, source: str) -> None:
        points = {ENTRY_POINT_GROUP: {kind: f"{MODULE}:{attribute}"}}
        Site(site).install("acme-kinds", points, **{MODULE: source})
        monkeypatch.syspath_prepend(str(site))
        profile_of.cache_clear()

    yield install
    sys.modules.pop(MODULE, None)
    profile_of.cache_clear()
