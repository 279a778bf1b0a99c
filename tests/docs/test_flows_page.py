"""The examples of docs/flows.md run, in their order, and say what the page says they say."""

from __future__ import annotations

from pathlib import Path

from tests.docs.pages import ROOT, blocks
from tests.docs.test_conversations_page import _run
from tests.docs.test_conversations_page import environment as environment

PAGE = ROOT / "docs" / "flows.md"


def test_the_pages_examples_run_in_their_order(environment: dict[str, str], tmp_path: Path) -> None:
    found = [block for block in blocks(PAGE) if block.verb == "run"]
    program = tmp_path / "examples.py"
    program.write_text("\n".join(block.text for block in found if block.language == "python"))
    said = _run([program.name], environment, tmp_path).splitlines()
    assert said[0].startswith("0 True parties=")
    assert said[1].startswith("1 True parties=")
    assert said[2] == "complete 2"
    assert "its prompt names {{totals}}, which facts does not have" in said[3]
    assert "did you mean {{total}}?" in said[3]
    assert said[4] == "True"
