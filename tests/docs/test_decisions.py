"""Decisions have one form, numbers without gaps, and an index that lists them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))


def test_numbers_have_no_gaps() -> None:
    assert [record.name[:4] for record in RECORDS] == [f"{number:04}" for number in range(len(RECORDS))]


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name)
def test_a_record_has_a_title_with_its_number_a_status_and_a_decision(record: Path) -> None:
    title, blank, status, *rest = record.read_text(encoding="utf-8").split("\n")
    assert title.startswith(f"# {record.name[:4]} ")
    assert (blank, rest[0]) == ("", "")
    assert re.match(r"Status: (accepted|replaced by)\b", status)
    assert "**Decided.**" in "\n".join(rest)


def test_the_index_lists_every_record_with_its_title() -> None:
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    for record in RECORDS:
        title = record.read_text(encoding="utf-8").split("\n", 1)[0].removeprefix(f"# {record.name[:4]} ")
        assert f"| [{record.name[:4]}]({record.name}) | {title} |" in index
    assert index.count("](0") == len(RECORDS)
