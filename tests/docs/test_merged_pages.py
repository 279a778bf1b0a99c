"""A page is of one piece: no merge has left both of its sides in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

#: What git writes around the sides of a conflict.
_MARK = re.compile(r"^(<{7} |\|{7} |>{7} |={7}$)", re.MULTILINE)
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("k8s/**/*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_merge_left_its_marks(page: Path) -> None:
    assert _MARK.findall(page.read_text(encoding="utf-8")) == []
