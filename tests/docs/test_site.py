"""The documentation as a site: it builds without a warning, has every public name, and shows a newcomer few words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

import homa
from tests.docs.pages import ROOT

CONFIG = ROOT / "tools" / "site" / "mkdocs.yml"
#: Most words between the first line and a finished batch: of README, and of README and the page without a key.
MOST_README, MOST_BOTH = 400, 800


def build(target: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--config-file", str(CONFIG), "--site-dir", str(target)],
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("site")
    done = build(target)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


class _Addresses(HTMLParser):
    """What a page loads when it is opened."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"script": "src", "img": "src", "link": "href"}.get(tag)
        self.found += [value for name, value in attrs if name == wanted and value]


def test_a_page_loads_nothing_from_another_host(site: Path) -> None:
    parser = _Addresses()
    parser.feed((site / "index.html").read_text(encoding="utf-8"))
    assert len(parser.found) > 3
    assert [address for address in parser.found if "://" in address] == []
    assert (site / "images" / "data-flow.svg").exists()


def test_every_public_name_has_its_place(site: Path) -> None:
    page = (site / "reference" / "api.html").read_text(encoding="utf-8")
    errors = (ROOT / "docs" / "errors.md").read_text(encoding="utf-8")
    missing = [
        name
        for name in homa.__all__
        if not name.startswith("__") and not re.search(rf'id="[\w.]+\.{name}"', page) and f"`homa.{name}`" not in errors
    ]
    assert missing == ["JobOverBudget"]  # told by both of its bases, JobFailed and BudgetExceeded


def test_pages_outside_the_folder_are_there(site: Path) -> None:
    assert {"changelog.html", "contributing.html", "benchmarks.html", "manifests.html"} <= {
        page.name for page in site.glob("*.html")
    }
    assert 'href="../operations.html' in (site / "howto" / "limits-and-budgets.html").read_text(encoding="utf-8")


def test_pages_for_assistants_are_where_they_are_led_to(site: Path) -> None:
    led = re.findall(r"\]\(([^)]+)\)", (site / "llms.txt").read_text(encoding="utf-8"))
    assert len(led) > 20
    for page in led:
        assert (site / page).read_text(encoding="utf-8") == (ROOT / "docs" / page).read_text(encoding="utf-8")


def test_a_dead_link_ends_the_build(tmp_path: Path) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "index.md").write_text("# Here\n\n[nowhere](nowhere.md#at-all)\n")
    text = CONFIG.read_text(encoding="utf-8")
    head = text[: text.index("\nnav:\n")].replace("../../docs", "docs").replace("hooks: [pages_outside_docs.py]", "")
    (tmp_path / "mkdocs.yml").write_text(head)
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")],
        cwd=tmp_path,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "nowhere.md" in done.stdout + done.stderr


def _words(text: str, until: str) -> int:
    assert until in text
    return len(text[: text.index(until)].split())


def test_a_newcomer_reads_few_words_until_a_finished_batch() -> None:
    readme = _words((ROOT / "README.md").read_text(encoding="utf-8"), "## From Python")
    start = _words((ROOT / "docs" / "start.md").read_text(encoding="utf-8"), "`out.jsonl` has one line")
    assert readme <= MOST_README
    assert readme + start <= MOST_BOTH


def _pages() -> Iterator[Path]:
    yield from sorted((ROOT / "docs" / "howto").glob("*.md"))
    yield from (ROOT / "docs" / f"{name}.md" for name in ("start", "capacity", "alternatives", "not-there", "index"))


@pytest.mark.parametrize("page", list(_pages()), ids=lambda page: page.stem)
def test_pages_for_people_in_a_hurry_are_short(page: Path) -> None:
    assert len(page.read_text(encoding="utf-8").split()) <= 800
