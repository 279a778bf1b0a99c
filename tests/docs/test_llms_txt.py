"""docs/llms.txt has the form of llmstxt.org, leads to pages that are there, and leaves no guide out."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

DOCS = ROOT / "docs"
TEXT = (DOCS / "llms.txt").read_text(encoding="utf-8")
LINKS = re.findall(r"^- \[[^\]]+\]\(([^)]+)\)", TEXT, re.MULTILINE)


def test_it_has_a_title_a_summary_and_sections_of_links() -> None:
    lines = TEXT.splitlines()
    assert lines[0] == "# Homa"
    assert lines[2].startswith("> ")
    for line in TEXT.split("\n## ", 1)[1].splitlines()[1:]:
        assert not line or line.startswith(("- [", "## "))


def test_its_links_lead_to_pages() -> None:
    assert len(LINKS) > 20
    assert [link for link in LINKS if not (DOCS / link).is_file()] == []


def test_every_page_on_how_to_do_something_is_among_them() -> None:
    pages = {f"howto/{page.name}" for page in (DOCS / "howto").glob("*.md")}
    assert pages - set(LINKS) == set()
