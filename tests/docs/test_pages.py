"""How marked blocks are read, and that pages link to what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, missing

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")), ROOT / "k8s" / "README.md"]
_LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)(?:#[^)\s]*)?\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert [link for link in _LINK.findall(text) if not (page.parent / link).exists()] == []


def test_a_marked_block_knows_its_commands_and_what_they_show(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```sh\nnot run\n```\n<!-- run: exit 3 -->\n```console\n$ one\nsaid\n\n$ two\n```\n")
    (block,) = blocks(page)
    assert (block.verb, block.status, block.interrupted) == ("run", 3, False)
    assert [(command.line, command.shown) for command in block.commands] == [("one", ["said"]), ("two", [])]


def test_numbers_and_gaps_may_differ_and_ids_are_learned() -> None:
    ids: dict[str, str] = {}
    shown = ["batch b01m82xq5dhrftd7kmn:  40 jobs in 5s, …"]
    assert missing(shown, "first\nbatch b01aaaaaaaaaaaaaaaa: 7 jobs in 12 s, and so on", ids) is None
    assert ids == {"b01m82xq5dhrftd7kmn": "b01aaaaaaaaaaaaaaaa"}


@pytest.mark.parametrize("output", ["", "batch 4 is gone", "4 jobs"])
def test_a_line_that_is_not_there_is_missed(output: str) -> None:
    assert missing(["batch 4"], output, {}) == "batch 4"


def test_lines_must_come_in_their_order() -> None:
    assert missing(["one", "two"], "two\none", {}) == "two"
