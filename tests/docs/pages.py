"""Marked blocks of a page. A comment stands right above a fenced block and says what to do with it:

<!-- run -->                            run it
<!-- run: exit 3 -->                    its last command ends with that status
<!-- run: interrupt, exit 130 -->       the command gets Ctrl-C once its output file has lines
<!-- background -->                     start it and leave it running
<!-- file homa.toml -->                 write the file
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_BLOCK = re.compile(r"^<!-- (?P<order>[^>]*?) -->\n```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
#: Ids of batches and jobs; a job of a batch has its number behind.
ID = re.compile(r"\b[bj]01[0-9a-z]{16}\b")
#: What differs from run to run: ids, numbers with their units, dots for what was left out, gaps between columns.
_VARIABLE = re.compile(
    r"(?P<id>\b[bj]01[0-9a-z]{16}\b)|(?P<number>\d[\d.,]*( ?(ms|s|min|h)\b)?)|(?P<rest>…)|(?P<gap>\s+)"
)
_NUMBER = r"\d[\d.,]*(?: ?(?:ms|s|min|h)\b)?"


@dataclass(frozen=True)
class Command:
    """A command line and what the page shows of its output."""

    line: str
    shown: list[str]


@dataclass(frozen=True)
class Block:
    order: str
    language: str
    text: str
    #: Heading of its section.
    section: str

    @property
    def verb(self) -> str:
        return re.split(r"[ :]", self.order)[0]

    @property
    def interrupted(self) -> bool:
        return "interrupt" in self.order

    @cached_property
    def status(self) -> int:
        """Exit status of its last command."""
        found = re.search(r"exit (\d+)", self.order)
        return int(found[1]) if found else 0

    @cached_property
    def commands(self) -> list[Command]:
        commands: list[Command] = []
        for line in self.text.splitlines():
            if line.startswith("$ "):
                commands.append(Command(line[2:], []))
            elif line.strip() and line != "^C":
                commands[-1].shown.append(line)
        return commands


def blocks(page: Path) -> list[Block]:
    """The marked blocks of a page, in order."""
    text = page.read_text(encoding="utf-8")
    sections = [(0, ""), *((match.start(), match[1]) for match in _SECTION.finditer(text))]
    return [
        Block(match["order"], match["language"], match["text"], max(s for s in sections if s[0] <= match.start())[1])
        for match in _BLOCK.finditer(text)
    ]


def pattern(shown: str) -> re.Pattern[str]:
    """What a line of output must look like; the groups are its ids."""
    parts: list[str] = []
    end = 0
    for match in _VARIABLE.finditer(shown):
        parts.append(re.escape(shown[end : match.start()]))
        parts.append(
            {"id": r"([bj]01[0-9a-z]{16})", "number": _NUMBER, "rest": ".*", "gap": r"\s+"}[match.lastgroup or "rest"]
            if match.lastgroup
            else ""
        )
        end = match.end()
    return re.compile("".join([*parts, re.escape(shown[end:])]) + r"\s*$")


def missing(shown: list[str], output: str, ids: dict[str, str]) -> str | None:
    """The first line that a page shows and the output lacks, in order; notes which id stands for which.

    Args:
        ids: of the page -> of this run; extended.
    """
    lines = iter(output.splitlines())
    for expected in shown:
        wanted = pattern(expected)
        match = next((found for line in lines if (found := wanted.match(line))), None)
        if match is None:
            return expected
        ids.update(zip(ID.findall(expected), match.groups(), strict=True))
    return None
