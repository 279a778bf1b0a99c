"""The examples of docs/flows.md run, in their order, and say what the page says they say."""

from __future__ import annotations

import shlex
from pathlib import Path

from tests.docs.pages import ROOT, blocks, missing
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
    assert said[4:8] == ["[True]", "1", "True", "1"]
    assert said[8].startswith("2 inputs, 5 calls, about ")
    assert [line.split()[:2] for line in said[9:11]] == [["facts", "3"], ["whole", "2"]]
    assert said[11:] == ["[]", "verdict 0", "[True]"]


def test_its_commands_say_what_it_shows(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    for name in ("a", "b"):
        (tmp_path / "contracts" / f"{name}.txt").write_text(f"A contract, {name}.")
    for block in blocks(PAGE):
        if block.verb == "file":
            (tmp_path / block.order.split()[1]).write_text(block.text)
    commands = [command for block in blocks(PAGE) if block.language == "console" for command in block.commands]
    assert len(commands) == 3
    for command in commands:
        program, *arguments = shlex.split(command.line)
        assert program == "homa"
        output = _run(["-m", "homa.cli", *arguments], environment, tmp_path)
        absent = missing(command.shown, output, {})
        assert absent is None, f"$ {command.line}\nlacks the line\n{absent}\nin\n{output}"
